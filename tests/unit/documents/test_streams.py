"""Data streams: names, and what chooses them."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind

from golden.recording import START, Recording, documents
from otel_asayer.config import Config
from otel_asayer.documents import Encoder
from otel_asayer.documents.operations import dataset_of, namespace_of, streams_of

DATASET = "data_stream.dataset"
NAMESPACE = "data_stream.namespace"


@pytest.mark.parametrize(
    ("asked", "dataset"),
    [
        ("shop", "shop.otel"),
        ("shop.otel", "shop.otel"),
        ("Check-Out", "check_out.otel"),
        ('a\\b/c*d?e"f<g>h|i j,k#l:m-n', "a_b_c_d_e_f_g_h_i_j_k_l_m_n.otel"),
        ("x" * 200, "x" * 95 + ".otel"),
        ("x" * 97 + ".otel", "x" * 95 + ".otel"),
        ("ü" * 60, "ü" * 47 + ".otel"),
        ("ÜBER", "über.otel"),
    ],
    ids=repr,
)
def test_a_dataset_is_made_valid(asked: str, dataset: str) -> None:
    assert dataset_of(asked, "generic") == dataset


@pytest.mark.parametrize(
    ("asked", "namespace"),
    [
        ("eu-1", "eu-1"),
        ("EU 1", "eu_1"),
        ("a:b#c", "a_b_c"),
        ("x" * 101, "x" * 100),
        ("team.otel", "team.otel"),
    ],
    ids=repr,
)
def test_a_namespace_is_made_valid(asked: str, namespace: str) -> None:
    assert namespace_of(asked, "default") == namespace


IMPOSSIBLE = [None, "", 17, True, ["a"], "a\nb", "\x00", "a\ud800"]


@pytest.mark.parametrize("asked", [*IMPOSSIBLE, ".otel"], ids=repr)
def test_a_dataset_that_is_not_possible_is_the_configured_one(asked: object) -> None:
    assert dataset_of(asked, "generic") == "generic.otel"


@pytest.mark.parametrize("asked", IMPOSSIBLE, ids=repr)
def test_a_namespace_that_is_not_possible_is_the_configured_one(asked: object) -> None:
    assert namespace_of(asked, "default") == "default"


def test_a_name_of_a_stream_is_escaped_in_the_first_line() -> None:
    assert (
        streams_of("a\nb", "default").logs.operation("1", {})
        == b'{"create":{"_index":"logs-a\\nb-default","_id":"1"}}\n{}\n'
    )


def recorded(resource: Resource, scope: dict[str, str], span: dict[str, str]) -> Recording:
    recording = Recording(resource, attributes=scope)
    attributes = {"session.id": "2618307011354435587", **span}
    recording.tracer.start_span(
        "GET", kind=SpanKind.SERVER, attributes=attributes, start_time=START
    ).end(START)
    return recording


@pytest.mark.parametrize(
    ("resource", "scope", "span", "streams"),
    [
        ({}, {}, {}, ["traces-generic.otel-default", "asayer-logs-default-2026.11.24"]),
        (
            {DATASET: "r", NAMESPACE: "rn"},
            {},
            {},
            ["traces-r.otel-rn", "asayer-logs-rn-2026.11.24"],
        ),
        (
            {DATASET: "r", NAMESPACE: "rn"},
            {DATASET: "s"},
            {},
            ["traces-s.otel-rn", "asayer-logs-rn-2026.11.24"],
        ),
        (
            {DATASET: "r"},
            {DATASET: "s"},
            {DATASET: "d", NAMESPACE: "dn"},
            ["traces-d.otel-dn", "asayer-logs-dn-2026.11.24"],
        ),
        ({}, {}, {DATASET: ""}, ["traces-generic.otel-default", "asayer-logs-default-2026.11.24"]),
    ],
    ids=repr,
)
def test_the_record_goes_before_the_scope_and_the_scope_before_the_resource(
    resource: dict[str, str], scope: dict[str, str], span: dict[str, str], streams: list[str]
) -> None:
    assert [
        document.stream for document in documents(recorded(Resource(resource), scope, span))
    ] == streams


def test_what_chooses_the_stream_vanishes_from_the_attributes() -> None:
    chosen = {"data_stream.type": "logs", DATASET: "d", NAMESPACE: "n"}
    span, _ = documents(
        recorded(Resource({"a": 1, **chosen}), {"b": "2", **chosen}, {"c": "3", **chosen})
    )
    assert span.source["attributes"] == {"session.id": "2618307011354435587", "c": "3"}
    assert span.source["resource"] == {"attributes": {"a": 1}}
    assert span.source["scope"] == {"name": "shop.web", "version": "1.0", "attributes": {"b": "2"}}


def test_the_second_document_is_routed_like_the_first() -> None:
    recording = recorded(Resource({}), {}, {DATASET: "d"})
    recording.tracer.start_span("GET", attributes={DATASET: "d", "new": "1"}, start_time=START).end(
        START
    )
    first, _, second = documents(recording)
    assert [first.stream, second.stream] == ["traces-d.otel-default"] * 2


def test_a_span_event_goes_where_its_own_attributes_say() -> None:
    recording = Recording()
    span = recording.tracer.start_span("GET", attributes={DATASET: "span"}, start_time=START)
    span.add_event("happened", {DATASET: "event"}, START)
    span.end(START)
    assert [document.stream for document in documents(recording)] == [
        "traces-span.otel-default",
        "logs-event.otel-default",
    ]


def test_streams_are_those_of_the_settings() -> None:
    recording = recorded(Resource({}), {}, {})
    assert [
        document.stream for document in documents(recording, dataset="shop", namespace="eu")
    ] == [
        "traces-shop.otel-eu",
        "asayer-logs-eu-2026.11.24",
    ]


def asking(number: int) -> Recording:
    """Spans that ask for so many namespaces, one each."""
    recording = Recording()
    for place in range(number):
        recording.tracer.start_span(
            "GET", attributes={NAMESPACE: f"n{place}"}, start_time=START
        ).end(START)
    return recording


def test_a_process_writes_to_a_bounded_number_of_data_streams() -> None:
    streams = [document.stream for document in documents(asking(5), max_data_streams=3)]
    assert streams == [
        "traces-generic.otel-n0",
        "traces-generic.otel-n1",
        *["traces-generic.otel-default"] * 3,
    ]


def test_what_is_known_stays_possible_when_the_bound_is_reached() -> None:
    recording = asking(4)
    recording.tracer.start_span("GET", attributes={NAMESPACE: "n0"}, start_time=START).end(START)
    assert documents(recording, max_data_streams=2)[-1].stream == "traces-generic.otel-n0"


def test_scopes_and_resources_are_bounded_with_the_rest() -> None:
    recording = Recording(Resource({NAMESPACE: "r"}))
    recording.tracer.start_span("GET", start_time=START).end(START)
    assert [document.stream for document in documents(recording, max_data_streams=1)] == [
        "traces-generic.otel-default"
    ]


def test_each_document_that_goes_elsewhere_is_counted_once() -> None:
    encoder = Encoder(Config(max_data_streams=3), lambda: "1")
    encoder.spans(asking(5).spans)
    assert (encoder.take_diverted(), encoder.take_diverted()) == (3, 0)


def test_each_document_of_a_resource_that_goes_elsewhere_is_counted() -> None:
    recording = Recording(Resource({NAMESPACE: "r"}))
    for _ in range(3):
        recording.tracer.start_span("GET", start_time=START).end(START)
    encoder = Encoder(Config(max_data_streams=1), lambda: "1")
    encoder.spans(recording.spans)
    assert encoder.take_diverted() == 3


@pytest.mark.parametrize("is_root", [True, False])
def test_a_link_that_a_span_brings_never_stands_where_there_are_links_of_our_own(
    *, is_root: bool
) -> None:
    recording = Recording()
    parent = recording.tracer.start_span("outer", start_time=START)
    context = None if is_root else trace.set_span_in_context(parent)
    span = recording.tracer.start_span(
        "GET", context, attributes={"asayer.replay.url": "https://evil.example/"}, start_time=START
    )
    span.add_event("happened", {"asayer.replay.url": "https://evil.example/"}, START)
    span.end(START)
    assert "evil" not in repr(
        documents(recording, replay_url="https://replay.example/{session_id}")
    )


def test_without_links_of_our_own_an_application_may_have_its_own() -> None:
    recording = Recording()
    recording.tracer.start_span(
        "GET", attributes={"asayer.replay.url": "https://replay.example/1"}, start_time=START
    ).end(START)
    assert documents(recording)[0].source["attributes"] == {
        "asayer.replay.url": "https://replay.example/1"
    }
