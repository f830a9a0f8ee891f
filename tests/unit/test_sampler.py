"""Samplers that keep whole sessions."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_asayer.propagation.context import session, set_session_id
from otel_asayer.propagation.session_id import require_session_id
from otel_asayer.sampler import ParentBasedSessionSampler, SessionSampler

SESSION = "2618307011354435587"
IN_SESSION = set_session_id(require_session_id(SESSION), Context())
LOW, HIGH = 1, (1 << 64) - 1  # trace ids that a ratio keeps first and last
WARNING = (
    "OTEL_TRACES_SAMPLER_ARG, or the sampler's argument: "
    "expected a number from 0 to 1; 1 is used, and every trace is kept."
)


def parent(*, sampled: bool, remote: bool, context: Context | None = None) -> Context:
    span_context = SpanContext(
        HIGH,
        1,
        is_remote=remote,
        trace_flags=TraceFlags(sampled),
        trace_state=TraceState([("vendor", "state")]),
    )
    return set_span_in_context(NonRecordingSpan(span_context), context or Context())


def test_a_span_of_a_session_is_recorded_and_sampled_whatever_the_ratio() -> None:
    assert (
        SessionSampler(0.0).should_sample(IN_SESSION, HIGH, "span").decision
        is Decision.RECORD_AND_SAMPLE
    )


def test_without_an_explicit_context_the_current_session_counts() -> None:
    with session(SESSION):
        assert (
            SessionSampler(0.0).should_sample(None, HIGH, "span").decision
            is Decision.RECORD_AND_SAMPLE
        )


@pytest.mark.parametrize(
    ("trace_id", "decision"), [(LOW, Decision.RECORD_AND_SAMPLE), (HIGH, Decision.DROP)]
)
def test_other_spans_are_sampled_by_their_trace_id(trace_id: int, decision: Decision) -> None:
    assert SessionSampler(0.5).should_sample(Context(), trace_id, "span").decision is decision


def test_a_sampled_span_keeps_its_attributes_and_the_trace_state_of_its_parent() -> None:
    result = SessionSampler(0.0).should_sample(
        parent(sampled=False, remote=True, context=IN_SESSION), HIGH, "span", attributes={"a": 1}
    )
    assert result.trace_state is not None
    assert dict(result.attributes) == {"a": 1}
    assert dict(result.trace_state) == {"vendor": "state"}


def test_a_span_of_a_session_is_sampled_below_an_unsampled_parent() -> None:
    context = parent(sampled=False, remote=True, context=IN_SESSION)
    assert (
        SessionSampler(0.0).should_sample(context, HIGH, "span").decision
        is Decision.RECORD_AND_SAMPLE
    )


@pytest.mark.parametrize("arg", [None, "", "  "])
def test_without_an_argument_every_trace_is_kept(
    arg: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert SessionSampler(arg).get_description() == "SessionSampler{1.0}"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("arg", "ratio"),
    [(0.25, "0.25"), ("0.25", "0.25"), (" 0.25 ", "0.25"), (0, "0.0"), ("1", "1.0")],
)
def test_the_ratio_is_a_number_or_its_text(arg: float | str, ratio: str) -> None:
    assert SessionSampler(arg).get_description() == f"SessionSampler{{{ratio}}}"


@pytest.mark.parametrize("arg", ["a tenth", "1.1", "-0.1", "nan", "inf", 2, [0.5]])
def test_an_argument_that_is_no_ratio_keeps_every_trace_and_is_said_once(
    arg: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = SessionSampler(arg)
    for _ in range(2):
        sampler.should_sample(Context(), HIGH, "span")
    assert sampler.get_description() == "SessionSampler{1.0}"
    assert [record.getMessage() for record in caplog.records] == [WARNING]


def test_the_parent_based_sampler_keeps_the_first_span_of_a_session() -> None:
    assert (
        ParentBasedSessionSampler("0").should_sample(IN_SESSION, HIGH, "span").decision
        is Decision.RECORD_AND_SAMPLE
    )


def test_the_parent_based_sampler_keeps_a_share_of_other_traces() -> None:
    assert (
        ParentBasedSessionSampler("0").should_sample(Context(), LOW, "span").decision
        is Decision.DROP
    )


@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.parametrize(
    ("sampled", "decision"), [(True, Decision.RECORD_AND_SAMPLE), (False, Decision.DROP)]
)
def test_the_parent_based_sampler_follows_the_parent_even_in_a_session(
    remote: bool,  # noqa: FBT001
    sampled: bool,  # noqa: FBT001
    decision: Decision,
) -> None:
    context = parent(sampled=sampled, remote=remote, context=IN_SESSION)
    assert ParentBasedSessionSampler("0").should_sample(context, HIGH, "span").decision is decision


def test_the_parent_based_sampler_describes_its_root() -> None:
    description: str = ParentBasedSessionSampler(0.1).get_description()  # type: ignore[no-untyped-call]
    assert description.startswith("ParentBased{root:SessionSampler{0.1},")


def test_a_whole_session_is_recorded_and_a_request_without_one_is_not() -> None:
    tracer = TracerProvider(
        sampler=ParentBasedSessionSampler(0.0), shutdown_on_exit=False
    ).get_tracer("test")
    with (
        session(SESSION),
        tracer.start_as_current_span("server") as server,
        tracer.start_as_current_span("child") as child,
    ):
        pass
    with tracer.start_as_current_span("server") as other:
        pass
    assert [span.get_span_context().trace_flags.sampled for span in (server, child, other)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("group", ["opentelemetry_traces_sampler", "opentelemetry_sampler"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("asayer_session", SessionSampler), ("parentbased_asayer_session", ParentBasedSessionSampler)],
)
def test_the_samplers_are_found_by_name(group: str, name: str, kind: type) -> None:
    (entry_point,) = entry_points(group=group, name=name)
    assert isinstance(entry_point.load()(), kind)
