"""`otel-asayer spool`: what waits is shown, looked into, and sent when somebody says so."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.documents import Operation
from otel_asayer.spool import LOCAL, Destination, Spool
from otel_asayer.testing import IDENTITY, ElasticsearchDouble, items, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNAVAILABLE = status(503, {"error": {"type": "unavailable", "reason": "starting"}})


def operation(name: str) -> Operation:
    return Operation(
        b'{"create":{"_index":"traces-generic.otel-default","_id":"%s"}}\n{"name":"GET /%s"}\n'
        % (name.encode(), name.encode())
    )


A, B, C = map(operation, "abc")


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL", "on_failure")
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SETUP", "off")
    monkeypatch.delenv("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", raising=False)


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as running:
        yield running


def run(folder: Path, *words: str, columns: int = 200) -> Result:
    return CliRunner().invoke(
        otel_asayer, ["spool", *words, "--directory", str(folder)], env={"COLUMNS": str(columns)}
    )


def spool(folder: Path, *endpoints: str) -> Spool:
    return Spool(folder, Destination.of(endpoints) if endpoints else LOCAL, max_bytes=2**30)


def documents(double: ElasticsearchDouble) -> list[Any]:
    return [document["name"] for document in double.documents]


def test_an_empty_spool_says_so(tmp_path: Path) -> None:
    result = run(tmp_path, "status")
    assert result.exit_code == 0
    assert result.output == f"Nothing waits in {tmp_path}.\n"


def test_status_tells_how_much_waits_for_whom(tmp_path: Path) -> None:
    spool(tmp_path).write([A])
    spool(tmp_path, "http://es:9200").write([B, C])
    result = run(tmp_path, "status")
    assert result.exit_code == 0
    assert "nobody yet" in result.output
    assert "http://es:9200" in result.output


def test_status_shows_every_number_in_eighty_columns(tmp_path: Path) -> None:
    spool(
        tmp_path,
        "https://elasticsearch-one.example.com:9200",
        "https://elasticsearch-two.example.com:9200",
    ).write([A])
    heads = ("folder, for", "documents", "files", "MB", "oldest", "refused", "damaged")
    output = run(tmp_path, "status", columns=80).output
    assert [head for head in heads if head not in output] == []


def test_status_as_json_has_every_number(tmp_path: Path) -> None:
    spool(tmp_path, "http://es:9200").write([B, C])
    (one,) = json.loads(run(tmp_path, "status", "--json").output)
    assert one["endpoints"] == ["http://es:9200"]
    assert one["documents"] == 2
    assert one["files"] == 1
    assert one["rejected_documents"] == 0


def test_refused_documents_are_a_problem(tmp_path: Path) -> None:
    spool(tmp_path).reject([(A, "because")])
    assert run(tmp_path, "status").exit_code == 1


def test_drain_sends_what_waits_for_this_elasticsearch_and_the_local_store(
    tmp_path: Path, double: ElasticsearchDouble
) -> None:
    spool(tmp_path, double.url).write([A])
    spool(tmp_path).write([B])
    spool(tmp_path, "http://elsewhere:9200").write([C])
    result = run(tmp_path, "drain", "--endpoint", double.url)
    assert result.exit_code == 0
    assert result.output == "2 documents were delivered.\n"
    assert documents(double) == ["GET /a", "GET /b"]
    assert spool(tmp_path, "http://elsewhere:9200").status().documents == 1


def test_drain_says_why_it_could_not(tmp_path: Path, double: ElasticsearchDouble) -> None:
    spool(tmp_path).write([A, B])
    double.reply_with(IDENTITY, UNAVAILABLE)
    result = run(tmp_path, "drain", "--endpoint", double.url)
    assert result.exit_code == 1
    assert (
        result.output
        == "0 documents were delivered. 2 still wait. Elasticsearch takes no more now: http 503, "
        "unavailable: starting.\n"
    )


def test_drain_counts_one_as_one(tmp_path: Path, double: ElasticsearchDouble) -> None:
    spool(tmp_path).write([A, B])
    double.reply_with(IDENTITY, items(201, (429, "es_rejected_execution_exception", "busy")))
    assert run(tmp_path, "drain", "--endpoint", double.url).output.startswith(
        "1 document was delivered. 1 still waits. Elasticsearch takes"
    )


def test_drain_as_json_tells_the_same(tmp_path: Path, double: ElasticsearchDouble) -> None:
    spool(tmp_path).write([A, B])
    double.reply_with(IDENTITY, items(201, (429, "es_rejected_execution_exception", "busy")))
    result = run(tmp_path, "drain", "--endpoint", double.url, "--json")
    assert json.loads(result.output) == {
        "drained": 1,
        "refused": 0,
        "damaged": 0,
        "waiting": 1,
        "trouble": "es_rejected_execution_exception, busy",
    }


def test_drain_says_what_was_refused_for_good(tmp_path: Path, double: ElasticsearchDouble) -> None:
    spool(tmp_path).write([A, B])
    double.reply_with(
        IDENTITY, items(201, (400, "invalid_index_name_exception", "must be lowercase"))
    )
    result = run(tmp_path, "drain", "--endpoint", double.url)
    assert result.exit_code == 1
    assert (
        result.output
        == f"1 document was delivered. 1 was refused for good: the reasons lie in rejected/ below "
        f"{tmp_path}.\n"
    )


def test_drain_says_what_could_not_be_read(tmp_path: Path, double: ElasticsearchDouble) -> None:
    spool(tmp_path).write([A, B])
    (body,) = tmp_path.glob("local/*.gz")
    body.write_bytes(b"not compressed")
    result = run(tmp_path, "drain", "--endpoint", double.url)
    assert result.exit_code == 1
    assert (
        result.output
        == f"0 documents were delivered. 2 could not be read: their files lie in damaged/ below "
        f"{tmp_path}.\n"
    )


def test_drain_without_an_endpoint_is_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "drain")
    assert result.exit_code == 2
    assert "set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give --endpoint" in " ".join(
        result.output.split()
    )


def test_a_wrong_endpoint_is_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "drain", "--endpoint", "es:9200")
    assert result.exit_code == 2
    assert "expected URLs" in result.output


def test_inspect_shows_the_oldest_documents(tmp_path: Path) -> None:
    spool(tmp_path).write([A, B])
    result = run(tmp_path, "inspect", "--limit", "1")
    assert result.exit_code == 0
    assert "GET /a" in result.output
    assert "GET /b" not in result.output


def test_inspect_says_when_nothing_waits(tmp_path: Path) -> None:
    assert run(tmp_path, "inspect").output == f"Nothing waits in {tmp_path}.\n"


def test_a_long_message_leaves_room_for_where_a_document_goes(tmp_path: Path) -> None:
    spool(tmp_path).write(
        [
            Operation(
                b'{"create":{"_index":"asayer-logs-default","_id":"an-id"}}\n{"message":"%b"}\n'
                % (b"long " * 100)
            )
        ]
    )
    output = run(tmp_path, "inspect", columns=80).output
    assert [
        shown for shown in ("asayer-logs-default", "an-id", "long long") if shown not in output
    ] == []


def test_what_an_application_logged_is_shown_as_it_is_and_without_control_characters(
    tmp_path: Path,
) -> None:
    hostile = json.dumps({"message": "[bold]not markup[/] \x1b[31mnot red"}).encode()
    spool(tmp_path).write(
        [Operation(b'{"create":{"_index":"asayer-logs-default","_id":"a"}}\n' + hostile + b"\n")]
    )
    output = run(tmp_path, "inspect").output
    assert "[bold]not markup[/]" in output
    assert "\x1b" not in output


@pytest.mark.parametrize(
    "body", [b'{"text":"two lamps"}', b'"two lamps"', b'{"structured":{"left":"two lamps"}}']
)
def test_inspect_shows_a_body_of_any_form(tmp_path: Path, body: bytes) -> None:
    spool(tmp_path).write(
        [
            Operation(
                b'{"create":{"_index":"logs-generic.otel-[x]","_id":"a"}}\n{"body":%b}\n' % body
            )
        ]
    )
    result = run(tmp_path, "inspect")
    assert "two lamps" in result.output
    assert "logs-generic.otel-[x]" in result.output


def test_inspect_as_json_has_the_documents_whole(tmp_path: Path) -> None:
    spool(tmp_path).write([A])
    assert json.loads(run(tmp_path, "inspect", "local", "--json").output) == {
        "_index": "traces-generic.otel-default",
        "_id": "a",
        "_source": {"name": "GET /a"},
    }


def test_inspect_of_a_folder_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "inspect", "nowhere")
    assert result.exit_code == 2
    assert "There is no folder 'nowhere'" in result.output


def test_a_folder_that_cannot_be_used_gives_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    spool_folder = tmp_path / "link"
    spool_folder.symlink_to(tmp_path)
    result = CliRunner().invoke(
        otel_asayer,
        ["spool", "status"],
        env={"OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(spool_folder)},
    )
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_without_the_extra_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['click'] = None; sys.modules['rich'] = None; "
        "from otel_asayer.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert (
        result.stderr
        == "The command otel-asayer needs click and rich: pip install 'otel-asayer[cli]'\n"
    )


def test_the_command_is_installed() -> None:
    code = (
        "import sys; sys.argv = ['otel-asayer', '--version']; "
        "from otel_asayer.cli import main; main()"
    )
    assert (
        "version"
        in subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
    )


class TestForgedFiles:
    """Files that somebody else has put into the folder."""

    BODY = "00000000000000000001-1-0123456789abcdef-1.ndjson.gz"

    @pytest.mark.parametrize(
        "forged",
        [
            b'{"delete":{"_index":"accounts","_id":"1"}}\n',
            b'{"create":{"_index":"accounts","_id":"1"}}\n{"a":1}\n',
            b'{"index":{"_index":"logs-generic.otel-default","_id":"1"}}\n{"a":1}\n',
        ],
    )
    def test_nothing_but_documents_of_ours_leaves(
        self, forged: bytes, tmp_path: Path, double: ElasticsearchDouble
    ) -> None:
        place = spool(tmp_path, double.url)
        place.write([A])
        (place.folder / self.BODY).write_bytes(gzip.compress(forged + B))
        result = run(tmp_path, "drain", "--json", "--endpoint", double.url)
        assert documents(double) == ["GET /b", "GET /a"]
        assert [
            action.keys()
            for exchange in double.exchanges
            if exchange.body
            for action, _ in exchange.operations
        ] == [{"create"}, {"create"}]
        assert json.loads(result.output)["damaged"] >= 1
        assert [path.name for path in (place.folder / "damaged").iterdir()] == [self.BODY]

    @pytest.mark.parametrize(
        "words", [("status",), ("inspect",), ("inspect", "--json"), ("drain",)]
    )
    @pytest.mark.parametrize(
        "odd",
        [
            "text",
            "depth",
            "no json",
            "no object",
            "folder",
            "pipe",
            "link",
            "side",
            "empty",
            "number",
            "unreadable",
        ],
    )
    def test_no_odd_file_ends_a_command_with_a_traceback(
        self, odd: str, words: tuple[str, ...], tmp_path: Path, double: ElasticsearchDouble
    ) -> None:
        place = spool(tmp_path, double.url)
        place.write([A])
        body = place.folder / self.BODY
        head = B.partition(b"\n")[0] + b"\n"
        made: dict[str, Callable[[], object]] = {
            "text": lambda: body.write_text("no gzip"),
            "depth": lambda: body.write_bytes(
                gzip.compress(head + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
            ),
            "no json": lambda: body.write_bytes(gzip.compress(head + b"{a}\n")),
            "no object": lambda: body.write_bytes(
                gzip.compress(head + b'{"body":[[]],"name":{"a":1},"attributes":[]}\n')
            ),
            "folder": body.mkdir,
            "pipe": lambda: os.mkfifo(body),
            "link": lambda: body.symlink_to("/etc/passwd"),
            "side": lambda: (place.folder / "damaged").write_text("a file"),
            "empty": lambda: body.write_bytes(b""),
            "number": lambda: (
                place.folder / f"{'9' * 20}-1-0123456789abcdef-999999999.ndjson.gz"
            ).write_bytes(gzip.compress(B)),
            "unreadable": lambda: body.touch(0),
        }
        made[odd]()
        result = run(tmp_path, *words, *(("--endpoint", double.url) if words == ("drain",) else ()))
        assert result.exception is None or isinstance(result.exception, SystemExit)
