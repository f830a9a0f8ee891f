"""Bodies of bulk requests, and what answers mean.

Answers are in the form that Elasticsearch 9.4 gave.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_asayer.documents import Operation
from otel_asayer.elasticsearch.bulk import (
    ITEMS,
    REQUESTS,
    Answer,
    BulkItemResult,
    Cause,
    Disposition,
    MalformedAnswerError,
    bodies,
    judge_request,
    parse_answer,
    target,
)

OPERATIONS = [
    Operation(b"a" * 10),
    Operation(b"b" * 20),
    Operation(b"c" * 30),
    Operation(b"d" * 40),
]


def item(status: int, kind: str = "", reason: str = "", **more: str) -> dict[str, Any]:
    error = {"error": {"type": kind, "reason": reason}} if kind else {}
    return {"create": {"status": status, **error, **more}}


def parsed(*entries: dict[str, Any]) -> Answer:
    errors = any(entry["create"]["status"] >= 300 for entry in entries)
    return parse_answer(
        json.dumps({"errors": errors, "items": entries}, separators=(",", ":")).encode(),
        len(entries),
    )


def finding_of(status: int, kind: str = "", reason: str = "", **more: str) -> BulkItemResult:
    [(position, finding)] = parsed(item(status, kind, reason, **more)).others
    assert position == 0
    return finding


def request_finding(status: int, kind: str, reason: str = "") -> BulkItemResult:
    return judge_request(
        status, json.dumps({"error": {"type": kind, "reason": reason}, "status": status}).encode()
    )


class TestTarget:
    def test_every_request_requires_data_streams_and_asks_only_for_what_is_read(self) -> None:
        assert target() == (
            "/_bulk?require_data_stream=true&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.failure_store"
        )

    def test_a_pipeline_is_named_and_quoted(self) -> None:
        assert target("a&b/c").removeprefix(target()) == "&pipeline=a%26b%2Fc"


class TestBodies:
    @pytest.mark.parametrize(
        ("limit", "sizes"),
        [
            (100, [4]),
            (99, [3, 1]),
            (60, [3, 1]),
            (59, [2, 1, 1]),
            (40, [2, 1, 1]),
            (29, [1, 1, 1, 1]),
            (1, [1, 1, 1, 1]),
        ],
    )
    def test_a_body_is_as_large_as_the_limit_allows_and_one_operation_at_least(
        self, limit: int, sizes: list[int]
    ) -> None:
        assert [len(body) for body in bodies(OPERATIONS, limit)] == sizes

    def test_a_large_operation_goes_alone_between_small_ones(self) -> None:
        assert [
            list(body)
            for body in bodies([Operation(b"a"), Operation(b"b" * 50), Operation(b"c")], 10)
        ] == [
            [b"a"],
            [b"b" * 50],
            [b"c"],
        ]

    @pytest.mark.parametrize("limit", range(1, 102))
    def test_no_operation_is_lost_or_moved(self, limit: int) -> None:
        assert [operation for body in bodies(OPERATIONS, limit) for operation in body] == OPERATIONS


class TestItems:
    @pytest.mark.parametrize(
        ("status", "kind", "disposition"),
        [
            (401, "security_exception", Disposition.CONFIGURATION),
            (403, "security_exception", Disposition.CONFIGURATION),
            (404, "index_not_found_exception", Disposition.CONFIGURATION),
            (404, "document_missing_exception", Disposition.REFUSED),
            (409, "version_conflict_engine_exception", Disposition.DUPLICATE),
            (429, "es_rejected_execution_exception", Disposition.OVERLOADED),
            (500, "illegal_state_exception", Disposition.CONFIGURATION),
            (500, "translog_exception", Disposition.TRANSIENT),
            (501, "unsupported_operation_exception", Disposition.REFUSED),
            (502, "bad_gateway", Disposition.TRANSIENT),
            (503, "unavailable_shards_exception", Disposition.TRANSIENT),
            (504, "process_cluster_event_timeout_exception", Disposition.TRANSIENT),
            (400, "document_parsing_exception", Disposition.UNMAPPED),
            (400, "mapper_parsing_exception", Disposition.UNMAPPED),
            (400, "strict_dynamic_mapping_exception", Disposition.UNMAPPED),
            (400, "illegal_argument_exception", Disposition.UNMAPPED),
            (400, "invalid_index_name_exception", Disposition.REFUSED),
            (422, "", Disposition.REFUSED),
        ],
    )
    def test_the_table_says_what_an_item_means(
        self, status: int, kind: str, disposition: Disposition
    ) -> None:
        assert finding_of(status, kind).disposition is disposition

    @pytest.mark.parametrize("status", range(100, 600))
    def test_every_status_has_a_rule(self, status: int) -> None:
        assert any(rule.fits(status, "", "") for rule in ITEMS)

    def test_an_unknown_pipeline_is_no_fault_of_the_document(self) -> None:
        finding = finding_of(
            400, "illegal_argument_exception", "pipeline with id [nope] does not exist"
        )
        assert finding == BulkItemResult(
            Disposition.CONFIGURATION,
            Cause.of("illegal_argument_exception"),
            "pipeline with id [nope] does not exist",
            "Create the pipeline, or correct OTEL_EXPORTER_ELASTICSEARCH_PIPELINE",
        )

    def test_the_missing_pipeline_of_replay_records_is_a_setup_that_is_missing(self) -> None:
        finding = finding_of(
            400, "illegal_argument_exception", "pipeline with id [asayer-replay] does not exist"
        )
        assert finding.disposition is Disposition.CONFIGURATION
        assert finding.advice.startswith(
            "Elasticsearch is not set up for replay records, whose index template comes before "
            "that pipeline"
        )

    def test_every_problem_of_configuration_has_an_advice(self) -> None:
        rules = [
            rule for rule in (*ITEMS, *REQUESTS) if rule.disposition is Disposition.CONFIGURATION
        ]
        assert [rule for rule in rules if not rule.advice] == []

    def test_the_failure_store_looks_like_success_and_is_none(self) -> None:
        assert finding_of(201, failure_store="used") == BulkItemResult(
            Disposition.UNMAPPED,
            Cause.of("failure_store"),
            "the document is in the data stream's failure store",
        )

    def test_a_failure_store_that_is_not_enabled_changes_nothing(self) -> None:
        assert (
            finding_of(
                400, "document_parsing_exception", "failed", failure_store="not_enabled"
            ).cause.text
            == "document_parsing_exception"
        )

    def test_an_item_without_an_error_type_is_counted_by_its_status(self) -> None:
        assert finding_of(422) == BulkItemResult(Disposition.REFUSED, Cause.of("status 422"))


class TestAnswers:
    def test_all_created(self) -> None:
        assert parsed(item(201), item(201)) == Answer(2)

    def test_positions_are_those_of_the_operations(self) -> None:
        answer = parsed(
            item(201),
            item(429, "es_rejected_execution_exception"),
            item(201),
            item(409, "version_conflict_engine_exception"),
        )
        assert answer.indexed == 2
        assert [(position, finding.disposition) for position, finding in answer.others] == [
            (1, Disposition.OVERLOADED),
            (3, Disposition.DUPLICATE),
        ]

    def test_spaces_in_the_answer_change_nothing(self) -> None:
        assert parse_answer(
            json.dumps({"errors": False, "items": [item(201)]}, indent=2).encode(), 1
        ) == Answer(1)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            b'{"errors":false}',
            b'{"errors":false,"items":[{}]}',
            b'{"errors":true,"items":[{"create":{"statu',
            b'{"items":7}',
            b'{"errors":true,"items":[{"create":{"status":"201"}}]}',
            b'{"errors":true,"items":[{"create":{"status":5000}}]}',
        ],
    )
    def test_what_is_no_answer_to_a_bulk_request_is_said_to_be_none(self, body: bytes) -> None:
        with pytest.raises(MalformedAnswerError, match=r"^the answer is none to a bulk request$"):
            parse_answer(body, 1)

    def test_a_type_of_error_that_is_no_text_is_counted_as_one(self) -> None:
        error = b'{"type":["a"],"reason":"no"}'
        body = b'{"errors":true,"items":[{"create":{"status":400,"error":%b}}]}' % error
        assert parse_answer(body, 1).others[0][1].cause.text == "['a']"

    @pytest.mark.parametrize("number", [1, 3])
    def test_an_answer_with_another_number_of_items_is_none(self, number: int) -> None:
        with pytest.raises(
            MalformedAnswerError, match=rf"^the answer names 2 items, and {number} were sent$"
        ):
            parse_answer(
                b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}',
                number,
            )


class TestReasons:
    @pytest.mark.parametrize(
        ("reason", "kept"),
        [
            (
                (
                    "[1:56] failed to parse field [attributes.n] of type [long] in document with "
                    "id "
                    "'a2'. Preview of field's value: 'secret'"
                ),
                "failed to parse field [attributes.n] of type [long]",
            ),
            (
                "failed to parse field [n] of type [long]. Preview of field's value: 'secret'",
                "failed to parse field [n] of type [long]",
            ),
            (
                (
                    '[1:52] failed to parse: [1:59] bad token\n at [Source: (byte[])"{secret}"; '
                    "line: "
                    "1]"
                ),
                "failed to parse: bad token",
            ),
            (
                (
                    'Document contains at least one immense term in field="x". The prefix of the '
                    "first immense term is: '[115]...'"
                ),
                'Document contains at least one immense term in field="x"',
            ),
            ("line\r\nfeed\x1b[31m", "line feed [31m"),
            ("x" * 1000, "x" * 300),
            (f"failed to parse [{' ' * 500_000}]", "failed to parse ["),
        ],
    )
    def test_a_reason_never_shows_a_value_or_one_documents_place(
        self, reason: str, kept: str
    ) -> None:
        assert finding_of(400, "document_parsing_exception", reason).reason == kept

    def test_refusals_of_two_documents_for_one_field_read_as_one(self) -> None:
        reasons = {
            finding_of(
                400,
                "document_parsing_exception",
                f"[1:{n}] failed to parse field [n] of type [long] in document with id '{n}'",
            ).reason
            for n in range(3)
        }
        assert reasons == {"failed to parse field [n] of type [long]"}


class TestRequests:
    @pytest.mark.parametrize(
        ("status", "disposition"),
        [
            (200, Disposition.INDEXED),
            (302, Disposition.CONFIGURATION),
            (400, Disposition.CONFIGURATION),
            (401, Disposition.CONFIGURATION),
            (403, Disposition.CONFIGURATION),
            (404, Disposition.CONFIGURATION),
            (405, Disposition.CONFIGURATION),
            (408, Disposition.TRANSIENT),
            (413, Disposition.TOO_LARGE),
            (429, Disposition.OVERLOADED),
            (500, Disposition.TRANSIENT),
            (502, Disposition.TRANSIENT),
            (503, Disposition.TRANSIENT),
            (504, Disposition.TRANSIENT),
            (522, Disposition.TRANSIENT),
        ],
    )
    def test_the_table_says_what_a_request_means(
        self, status: int, disposition: Disposition
    ) -> None:
        assert judge_request(status, b"").disposition is disposition

    def test_one_bad_id_is_found_by_halving(self) -> None:
        reason = (
            f"Validation Failed: 1: id [{'0' * 600}] is too long, must be no longer than 512 bytes "
            "but was: 600;"
        )
        assert request_finding(
            400, "action_request_validation_exception", reason
        ) == BulkItemResult(
            Disposition.SPLIT,
            Cause.http(400),
            "action_request_validation_exception: Validation Failed: 1: id",
        )

    def test_one_broken_line_is_found_by_halving(self) -> None:
        assert (
            request_finding(
                400, "illegal_argument_exception", "MalformedAnswerError action/metadata line [1]"
            ).disposition
            is Disposition.SPLIT
        )

    def test_a_parameter_that_an_old_version_does_not_know_is_no_fault_of_any_document(
        self,
    ) -> None:
        reason = "request [/_bulk] contains unrecognized parameter: [require_data_stream]"
        assert request_finding(400, "illegal_argument_exception", reason) == BulkItemResult(
            Disposition.CONFIGURATION,
            Cause.http(400),
            f"illegal_argument_exception: {reason}",
            "Elasticsearch 8.12 or newer is needed",
        )

    def test_an_answer_of_something_in_between_is_not_repeated(self) -> None:
        assert str(judge_request(502, b"<html>Authorization: ApiKey c2VjcmV0")) == "http 502"

    def test_a_refused_key_is_advised_to_be_replaced(self) -> None:
        assert judge_request(401, b"").advice.startswith(
            "Set OTEL_EXPORTER_ELASTICSEARCH_API_KEY, or the file, user or token in its place"
        )

    def test_a_refused_key_is_told_with_elasticsearchs_reason(self) -> None:
        assert str(
            request_finding(401, "security_exception", "missing authentication credentials")
        ) == ("http 401, security_exception: missing authentication credentials")
