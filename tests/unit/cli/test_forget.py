"""`otel-asayer forget`: nothing is deleted that was not asked for, and what is left is told."""

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
from otel_asayer.spool.names import temporary_name
from otel_asayer.testing import IDENTITY, ElasticsearchDouble, status
from unit.timeline.support import SESSION, TOKEN, TRACE, log, operation, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.timeline import Stored

ASKER = status(200, {"username": "ann", "authentication_type": "api_key"})
NO_STREAMS = status(200, {"data_streams": []})
MINE = (span("a"), log("b"))
OTHERS = (
    span("c", attributes={"session.id": "7"}),
    log(f"about {SESSION}", attributes={"session.id": "7"}),
)


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path))


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as running:
        yield running


def spool(folder: Path, *endpoints: str) -> Spool:
    return Spool(folder, Destination.of(endpoints) if endpoints else LOCAL, max_bytes=2**30)


def keep(place: Spool, *documents: Stored) -> None:
    place.write([operation(stored) for stored in documents])


def kept(place: Spool) -> list[Operation]:
    return [*place.read(), *place.read(rejected=True)]


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(otel_asayer, ["forget", *words], input=typed, env={"COLUMNS": "200"})


def report(place: str, found: int, deleted: int, left: int) -> dict[str, Any]:
    return {"place": place, "found": found, "deleted": deleted, "left": left, "remains": []}


def test_a_session_is_deleted_from_every_spool_and_nothing_else(tmp_path: Path) -> None:
    local, waiting = spool(tmp_path), spool(tmp_path, "http://es:9200")
    keep(local, *MINE, *OTHERS)
    keep(waiting, MINE[0])
    waiting.reject([(operation(MINE[1]), "because"), (operation(OTHERS[0]), "because")])
    result = run(SESSION, "--yes")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "4 documents deleted; none is left."
    assert [kept(local), kept(waiting)] == [
        [operation(stored) for stored in OTHERS],
        [operation(OTHERS[0])],
    ]


def test_replay_records_go_too(tmp_path: Path) -> None:
    record = Operation(
        operation(log("x")).replace(b"logs-generic.otel-default", b"asayer-logs-default")
    )
    spool(tmp_path).write([record])
    assert run(SESSION, "--yes").output.endswith("1 document deleted; none is left.\n")


def test_without_a_yes_nothing_is_deleted(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    result = run(SESSION, typed="n\n")
    assert result.exit_code == 0
    assert len(kept(spool(tmp_path))) == 2
    assert (
        f"Delete them? What is deleted of session {SESSION} cannot be brought back [y/N]: n"
        in result.output
    )
    assert "deleted; none" not in result.output


def test_a_yes_on_the_keyboard_is_enough(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    result = run(SESSION, typed="y\n")
    assert result.exit_code == 0
    assert kept(spool(tmp_path)) == []


def test_where_nobody_can_be_asked_nothing_is_deleted(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    result = run(SESSION, typed="")
    assert result.exit_code == 1
    assert len(kept(spool(tmp_path))) == 2


def test_json_asks_nobody_and_so_needs_a_yes(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    result = run(SESSION, "--json")
    assert result.exit_code == 2
    assert (
        "With --json nobody is asked: say --yes to delete, or --dry-run to count." in result.output
    )
    assert len(kept(spool(tmp_path))) == 2


def test_json_tells_of_every_place(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    assert json.loads(run(SESSION, "--json", "--yes").output) == [
        report(f"{tmp_path}/local", 2, 2, 0)
    ]


def test_a_dry_run_only_counts(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    assert json.loads(run(SESSION, "--json", "--dry-run").output) == [
        report(f"{tmp_path}/local", 2, 0, 2)
    ]
    result = run(SESSION, "--dry-run")
    assert result.exit_code == 0
    assert f"{tmp_path}/local" in result.output
    assert len(kept(spool(tmp_path))) == 2


def test_nothing_to_delete_is_no_problem() -> None:
    result = run(SESSION)
    assert result.exit_code == 0
    assert result.output == f"Nothing is stored of session {SESSION}.\n"


def test_a_token_is_never_repeated(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    output = run(TOKEN, "--yes").output + run(TOKEN).output + run(f"{TOKEN}!", "--yes").output
    assert not any(part in output for part in TOKEN.split("."))


def test_an_id_of_another_system_that_looks_like_that_of_a_trace_is_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_OPAQUE_SESSION_IDS", "true")
    keep(
        spool(tmp_path),
        log("of the session", attributes={"session.id": TRACE}, trace_id="e" * 32),
        *OTHERS,
    )
    assert run(TRACE, "--yes").output.endswith("1 document deleted; none is left.\n")


def test_a_trace_is_no_session() -> None:
    result = run(TRACE, "--yes")
    assert result.exit_code == 2
    assert "Expected a session, and this is the id of a trace." in result.output


def test_what_another_process_is_sending_is_left_and_told(tmp_path: Path) -> None:
    keep(spool(tmp_path), *MINE)
    keep(spool(tmp_path), log("later"))
    assert spool(tmp_path).lease()
    result = run(SESSION, "--yes")
    assert result.exit_code == 1
    assert (
        result.output.splitlines()[-1]
        == "1 document deleted, and 2 still there: they came meanwhile, or another process is "
        "sending them. Run it again."
    )


def test_elasticsearch_is_emptied_after_the_spools(
    tmp_path: Path, double: ElasticsearchDouble
) -> None:
    keep(spool(tmp_path), *MINE)
    hit = {"_index": ".ds-logs-1", "_id": "a", "sort": [1, 0]}
    refreshed, counted = (
        status(200, {}),
        [status(200, {"count": number, "_shards": {"failed": 0}}) for number in (1, 0)],
    )
    granted = status(200, {"index": {"logs-*": {"read": True, "delete": True}}})
    found = [
        status(200, {"id": "pit"}),
        status(200, {"pit_id": "pit", "hits": {"hits": [hit]}}),
        status(200, {}),
    ]
    gone = status(200, {"items": [{"delete": {"status": 200}}]})
    double.reply_with(
        IDENTITY,
        ASKER,
        granted,
        NO_STREAMS,
        refreshed,
        counted[0],
        *found,
        gone,
        refreshed,
        counted[1],
    )
    result = run(SESSION, "--yes", "--json", "--endpoint", double.url)
    assert json.loads(result.output) == [
        report(f"{tmp_path}/local", 2, 2, 0),
        report(double.url, 1, 1, 0),
    ]


def test_without_the_rights_nothing_is_deleted_anywhere(
    tmp_path: Path, double: ElasticsearchDouble
) -> None:
    keep(spool(tmp_path), *MINE)
    double.reply_with(
        IDENTITY, ASKER, status(200, {"index": {"logs-*": {"read": True, "delete": False}}})
    )
    result = run(SESSION, "--yes", "--endpoint", double.url)
    assert result.exit_code == 1
    assert len(kept(spool(tmp_path))) == 2
    assert result.output.startswith(
        "Error: Not allowed to use what is stored: it takes the index privilege 'delete' on logs-*."
    )


class TestFiles:
    """After it, `zgrep` finds nothing of the session in the spool, or the command named it."""

    def grep(self, folder: Path) -> list[str]:
        found = subprocess.run(
            ["find", str(folder), "-type", "f", "-exec", "zgrep", "-l", SESSION, "{}", "+"],
            capture_output=True,
            text=True,
            check=False,
        )
        return sorted(found.stdout.split())

    @pytest.fixture
    def place(self, tmp_path: Path) -> Spool:
        found = spool(tmp_path)
        keep(found, OTHERS[0])
        return found

    def body(self, *documents: Stored) -> bytes:
        return gzip.compress(b"".join(map(operation, documents)))

    def test_what_a_dead_process_had_leased_goes(self, place: Spool, tmp_path: Path) -> None:
        keep(place, *MINE)
        code = (
            "from pathlib import Path; from otel_asayer.spool import Spool; "
            f"s = Spool(Path({str(tmp_path)!r}), max_bytes=2**30)"
        )
        subprocess.run([sys.executable, "-c", f"{code}; held = s.lease(), s.lease()"], check=True)
        assert run(SESSION, "--yes").exit_code == 0
        assert self.grep(tmp_path) == []
        assert kept(place) == [operation(OTHERS[0])]

    def test_what_is_damaged_goes(self, place: Spool, tmp_path: Path) -> None:
        keep(place, *MINE)
        for body in place.folder.glob("*.ndjson.gz"):
            body.write_bytes(body.read_bytes()[:-4])
        assert run(SESSION, "--yes").exit_code == 0
        assert self.grep(tmp_path) == []

    def test_what_lies_in_damaged_goes_and_nothing_else_there(self, place: Spool) -> None:
        damaged = place.folder / "damaged"
        damaged.mkdir(mode=0o700)
        mine, other = (
            damaged / f"{number:020d}-1-0123456789abcdef-2.ndjson.gz" for number in (1, 2)
        )
        mine.write_bytes(self.body(*MINE, OTHERS[0])[:-4])
        other.write_bytes(self.body(OTHERS[0])[:-4])
        assert run(SESSION, "--yes").exit_code == 0
        assert [file.name for file in damaged.iterdir()] == [other.name]

    def test_what_a_dead_process_had_not_finished_goes(self, place: Spool, tmp_path: Path) -> None:
        (
            place.folder
            / "00000000000000000001-1-0123456789abcdef-2.ndjson.gz.00000000-1-1-00000000.tmp"
        ).write_bytes(self.body(*MINE)[:-9])
        assert run(SESSION, "--yes").exit_code == 0
        assert self.grep(tmp_path) == []

    def test_refused_documents_that_cannot_be_read_go(self, place: Spool, tmp_path: Path) -> None:
        place.reject([(operation(stored), f"because of {SESSION}") for stored in MINE])
        (body,) = (place.folder / "rejected").glob("*.gz")
        body.write_bytes(b"".join([gzip.compress(b"?"), self.body(*MINE)]))
        assert run(SESSION, "--yes").exit_code == 0
        assert self.grep(tmp_path) == []

    def test_what_a_living_process_is_writing_is_named(self, place: Spool) -> None:
        unfinished = place.folder / temporary_name(
            "00000000000000000001-1-0123456789abcdef-2.ndjson.gz"
        )
        unfinished.write_bytes(self.body(*MINE)[:-9])
        result = run(SESSION, "--yes")
        assert result.exit_code == 1
        assert (
            f"The id is still found in {unfinished}: process {os.getpid()} is at work on it."
            in result.output
        )

    def test_a_file_that_is_none_of_the_spool_is_named(self, place: Spool) -> None:
        notes = place.folder / "notes.txt"
        notes.write_text(f"look at {SESSION}")
        result = run(SESSION, "--yes")
        assert result.exit_code == 1
        assert f"The id is still found in {notes}: it is no file of the spool." in result.output

    def test_documents_of_others_that_mention_it_stay_and_are_named(self, place: Spool) -> None:
        keep(place, *MINE, OTHERS[1])
        result = run(SESSION, "--yes")
        assert result.exit_code == 0
        assert "documents of other sessions mention it" in result.output

    def test_a_document_that_is_no_json_goes_where_it_names_the_session(
        self, place: Spool, tmp_path: Path
    ) -> None:
        header, _, _ = operation(MINE[0]).partition(b"\n")
        place.write([Operation(header + b'\n{"a":' + SESSION.encode() + b"]}\n")])
        assert run(SESSION, "--yes").exit_code == 0
        assert self.grep(tmp_path) == []

    def test_json_names_what_is_left(self, place: Spool) -> None:
        (place.folder / "notes.txt").write_text(f"look at {SESSION}")
        (told,) = json.loads(run(SESSION, "--json", "--yes").output)
        assert told["remains"] == [f"{place.folder}/notes.txt: it is no file of the spool"]
