"""`otel-asayer forget` and failure stores: what was refused goes where the key may, and is named
where it may not.

No Elasticsearch of the tests has failure stores. The double here answers as the reference
describes: `GET /_data_stream` lists them, `::failures` is read with `read_failure_store`, and a
document is deleted from its `.fs-` index. What is proven is what `forget` does with such answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli import forget as forget_module
from otel_asayer.cli.commands import otel_asayer
from otel_asayer.spool import LOCAL, Spool
from otel_asayer.testing import ElasticsearchDouble, Exchange, status
from unit.timeline.support import SESSION, log, operation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.elasticsearch.client import Response

STREAM = "logs-generic.otel-default"
INDEX = f".fs-{STREAM}-2026.11.24-000002"
DENIED = status(
    403,
    {
        "error": {
            "reason": "action is unauthorized, this action is granted by the index privileges "
            "[read,all] for data access"
        }
    },
)
LISTED = "/_data_stream/traces-*.otel-*,logs-*.otel-*,logs.otel*"


def refused_document(session_id: object, **source: Any) -> dict[str, Any]:
    return {"document": {"source": {"attributes": {"session.id": session_id}, **source}}}


class Refusing(ElasticsearchDouble):
    """With no document in its data streams, and some in a failure store."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "9.4.3"
        self.refused: dict[str, dict[str, Any]] = {
            "a": refused_document(SESSION),
            "b": refused_document("7"),
            "c": refused_document(int(SESSION)),
        }
        self.listing = status(
            200,
            {
                "data_streams": [
                    {
                        "name": STREAM,
                        "failure_store": {"enabled": True, "indices": [{"index_name": INDEX}]},
                    }
                ]
            },
        )
        self.read: Response | None = None
        self.delete = 200
        self.asked: list[str] = []
        self.fields: list[str] = []
        self.targets: list[str] = []

    def answer(self, exchange: Exchange) -> Response:
        path = exchange.target.partition("?")[0].replace("%3A", ":")
        self.targets.append(exchange.target)
        self.asked.append(f"{exchange.method} {path}")
        known = {
            "/": status(200, {"cluster_name": "double", "version": {"number": self.version}}),
            "/_security/_authenticate": status(
                200, {"username": "ann", "authentication_type": "api_key"}
            ),
            "/_security/user/_has_privileges": status(
                200, {"index": {"logs-*": {"read": True, "delete": True}}}
            ),
            LISTED: self.listing,
            f"/{STREAM}::failures/_refresh": DENIED,
            f"/{STREAM}::failures/_pit": self.read or status(200, {"id": "pit"}),
        }
        if path in known:
            return known[path]
        if path.endswith("/_count"):
            return status(200, {"count": 0, "_shards": {"failed": 0}})
        if path == "/_search":
            return self._page(json.loads(exchange.content))
        if path == "/_bulk":
            return self._delete(
                [json.loads(line)["delete"] for line in exchange.content.splitlines()]
            )
        return status(200, {"id": "nothing"})

    def _page(self, asked: dict[str, Any]) -> Response:
        if asked["pit"]["id"] != "pit":
            return status(200, {"hits": {"hits": []}})
        self.fields = asked["_source"]
        start = asked.get("search_after", [-1])[0] + 1
        names = list(self.refused)[start : start + asked["size"]]
        hits: list[dict[str, Any]] = [
            {"_index": INDEX, "_id": name, "_source": self.refused[name], "sort": [start + at, 0]}
            for at, name in enumerate(names)
        ]
        return status(200, {"pit_id": "pit", "hits": {"hits": hits}})

    def _delete(self, wanted: list[dict[str, str]]) -> Response:
        for one in wanted if self.delete == 200 else []:
            assert one["_index"] == INDEX
            del self.refused[one["_id"]]
        error = (
            {"error": {"type": "security_exception", "reason": "no"}} if self.delete != 200 else {}
        )
        return status(
            200, {"items": [{"delete": {"status": self.delete, **error}} for _ in wanted]}
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Refusing]:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path))
    with Refusing() as running:
        yield running


def run(server: Refusing, *words: str) -> Result:
    return CliRunner().invoke(
        otel_asayer, ["forget", SESSION, *words, "--endpoint", server.url], env={"COLUMNS": "300"}
    )


def told(server: Refusing, *words: str) -> dict[str, Any]:
    *_, last = json.loads(run(server, "--json", *words).output)
    assert isinstance(last, dict)
    return last


def test_documents_of_the_session_are_deleted_from_their_failure_index_and_no_others(
    server: Refusing,
) -> None:
    result = run(server, "--yes")
    assert result.output.splitlines()[-1] == "2 documents deleted; none is left."
    assert result.exit_code == 0
    assert list(server.refused) == ["b"]


def test_the_failure_store_is_a_place_of_its_own(server: Refusing) -> None:
    place = f"{server.url}, failure store of {STREAM}"
    assert told(server, "--yes") == {
        "place": place,
        "found": 2,
        "deleted": 2,
        "left": 0,
        "remains": [],
    }


def test_a_dry_run_deletes_nothing(server: Refusing) -> None:
    assert told(server, "--dry-run")["found"] == 2
    assert len(server.refused) == 3


def test_only_the_attributes_of_what_was_refused_are_fetched(server: Refusing) -> None:
    run(server, "--dry-run")
    assert server.fields == ["document.source.attributes"]


def test_what_is_on_a_later_page_is_found(server: Refusing) -> None:
    server.refused = {str(number): refused_document("7") for number in range(500)} | {
        "last": refused_document(SESSION)
    }
    assert told(server, "--dry-run")["found"] == 1


@pytest.mark.parametrize(
    "content",
    [{}, {"document": "?"}, {"document": {"source": None}}, {"document": {"source": log("x").id}}],
)
def test_what_is_no_document_is_of_no_session(server: Refusing, content: dict[str, Any]) -> None:
    server.refused = {"a": content}
    assert told(server, "--dry-run")["found"] == 0


def test_a_failure_store_that_may_not_be_read_is_named_with_the_privilege(server: Refusing) -> None:
    server.read = DENIED
    result = run(server, "--yes")
    assert result.output.splitlines() == [
        (
            f"It is not known whether the failure store of {STREAM} holds documents of it: not "
            f"allowed to look there, which takes the index "
            f"privilege 'read_failure_store' on {STREAM}."
        ),
        f"Nothing is stored of session {SESSION}, as far as that was seen.",
    ]
    assert result.exit_code == 1
    assert told(server, "--yes")["remains"] == result.output.splitlines()[:1]


def test_a_dry_run_that_may_not_look_says_so_and_is_no_failure(server: Refusing) -> None:
    server.read = DENIED
    result = run(server, "--dry-run")
    assert "not allowed to look there" in result.output
    assert result.exit_code == 0


def test_a_failure_store_that_does_not_exist_any_more_is_not_taken_for_an_empty_one(
    server: Refusing,
) -> None:
    server.read = status(404, {"error": {"reason": "no such index"}})
    result = run(server, "--yes")
    assert "It is not known whether the failure store" in result.output
    assert result.exit_code == 1


def test_what_may_not_be_deleted_is_named_with_number_index_and_privilege(server: Refusing) -> None:
    server.delete = 403
    result = run(server, "--yes")
    assert result.output.splitlines()[-2:] == [
        (
            f"Of session {SESSION}, the failure store of {STREAM} held 2 documents, in {INDEX}, "
            f"and not all could be deleted: deleting takes the "
            f"index privilege 'delete' on .fs-{STREAM}-*."
        ),
        "0 documents deleted, and 2 still there, for the reason above.",
    ]
    assert result.exit_code == 1


def test_json_names_what_may_not_be_deleted(server: Refusing) -> None:
    server.delete = 403
    place = told(server, "--yes")
    assert (place["found"], place["deleted"], place["left"]) == (2, 0, 2)
    assert f"'delete' on .fs-{STREAM}-*" in place["remains"][0]


def test_another_failure_of_deleting_is_told_too(server: Refusing) -> None:
    server.delete = 500
    result = run(server, "--yes")
    assert "not all could be deleted: Elasticsearch answered 500" in result.output
    assert result.exit_code == 1


def test_a_failure_store_with_too_much_in_it_is_named(
    server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "_MAX_REFUSED", 2)
    place = told(server, "--yes")
    assert (place["found"], place["deleted"]) == (1, 1)
    assert list(server.refused) == ["b", "c"]


def test_as_many_documents_as_are_looked_through_are_not_too_many(
    server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "_MAX_REFUSED", 3)
    assert told(server, "--dry-run")["remains"] == []


def test_one_document_more_than_are_looked_through_is_said(
    server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "_MAX_REFUSED", 2)
    assert told(server, "--dry-run")["remains"] == [
        (
            f"The failure store of {STREAM} holds more than 2 documents: those that came later "
            f"were "
            f"not looked at."
        )
    ]


def test_data_streams_that_may_not_be_listed_are_said_once(server: Refusing) -> None:
    server.listing = DENIED
    place = told(server, "--yes")
    assert place["place"] == f"{server.url}, failure stores"
    (sentence,) = place["remains"]
    assert sentence.startswith(
        "It is not known whether failure stores hold documents of it. Not allowed to list "
        "traces-*.otel-*, logs-*.otel-*, logs.otel*"
    )
    assert run(server, "--yes").exit_code == 1


@pytest.mark.parametrize(
    "listing",
    [
        status(200, {}),
        status(200, {"data_streams": [{"name": STREAM}]}),
        status(
            200,
            {"data_streams": [{"name": STREAM, "failure_store": {"enabled": True, "indices": []}}]},
        ),
        status(200, {"data_streams": [{"name": STREAM, "failure_store": {"enabled": False}}]}),
        status(400, {"error": "no handler found for uri"}),
        status(404, {}),
        status(405, {"error": "Incorrect HTTP method"}),
    ],
)
def test_where_there_is_no_failure_store_nothing_is_said_of_it(
    server: Refusing, listing: Response
) -> None:
    server.listing = listing
    result = run(server, "--yes")
    assert result.output == f"Nothing is stored of session {SESSION}.\n"
    assert result.exit_code == 0
    assert not [line for line in server.asked if "::failures" in line]


def test_one_that_was_switched_off_still_holds_what_it_held(server: Refusing) -> None:
    server.listing = status(
        200,
        {
            "data_streams": [
                {
                    "name": STREAM,
                    "failure_store": {"enabled": False, "indices": [{"index_name": INDEX}]},
                }
            ]
        },
    )
    assert told(server, "--dry-run")["found"] == 2


@pytest.mark.parametrize(
    ("version", "asks"), [("8.18.3", 0), ("8.19.0", 1), ("9.0.4", 0), ("9.1.0", 1)]
)
def test_versions_without_failure_stores_are_asked_nothing_more(
    server: Refusing, version: str, asks: int
) -> None:
    server.version = version
    run(server, "--dry-run")
    assert server.asked.count(f"GET {LISTED}") == asks


def test_a_name_that_the_key_may_not_see_is_asked_for_so_that_it_is_an_error(
    server: Refusing,
) -> None:
    run(server, "--dry-run")
    (opened,) = [target for target in server.targets if "failures/_pit" in target]
    assert "ignore_unavailable=false" in opened


def test_a_look_that_ends_early_gives_its_moment_back(
    server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "_MAX_REFUSED", 1)
    run(server, "--dry-run")
    assert server.asked[-1] == "DELETE /_pit"


def test_what_waits_in_the_spool_goes_though_the_failure_store_may_not_be_read(
    server: Refusing, tmp_path: Path
) -> None:
    Spool(tmp_path, LOCAL, max_bytes=2**30).write([operation(log("a"))])
    server.read = DENIED
    result = run(server, "--yes")
    assert (
        result.output.splitlines()[-1]
        == "1 document deleted; none is left, as far as that was seen."
    )
    assert result.exit_code == 1
