from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling

from otel_asayer.config import config
from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.processors import SessionSpanProcessor
from otel_asayer.propagation.context import (
    get_session_id,
    remember_exception,
    remove_session_id,
    session,
    session_of_exception,
    set_session_id,
)
from otel_asayer.propagation.session_id import SessionId, require_session_id

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION_ID = SessionId("2618307011354435587")
OTHER_ID = SessionId("17")
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


@pytest.fixture
def opaque_ids(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OTEL_ASAYER_OPAQUE_SESSION_IDS", "true")
    config.environment_config.cache_clear()
    yield
    monkeypatch.undo()
    config.environment_config.cache_clear()


def with_baggage(value: object) -> Context:
    return baggage.set_baggage("session.id", value, Context())


def test_a_context_has_no_session_at_first() -> None:
    assert get_session_id(Context()) is None


def test_a_context_gives_back_the_session_set_on_it() -> None:
    assert get_session_id(set_session_id(SESSION_ID, Context())) is SESSION_ID


def test_the_session_travels_as_the_baggage_entry_session_id() -> None:
    assert baggage.get_all(set_session_id(SESSION_ID, Context())) == {"session.id": SESSION_ID}


def test_setting_leaves_other_baggage_alone() -> None:
    context = baggage.set_baggage("tenant", "7", Context())
    assert baggage.get_all(set_session_id(SESSION_ID, context)) == {
        "tenant": "7",
        "session.id": SESSION_ID,
    }


def test_removing_takes_the_session_alone() -> None:
    context = baggage.set_baggage("tenant", "7", set_session_id(SESSION_ID, Context()))
    assert baggage.get_all(remove_session_id(context)) == {"tenant": "7"}


def test_removing_where_there_is_none_is_harmless() -> None:
    assert get_session_id(remove_session_id(Context())) is None


def test_text_in_baggage_is_parsed() -> None:
    assert get_session_id(with_baggage("17")) == OTHER_ID


def test_a_token_in_baggage_is_reduced_to_its_id() -> None:
    assert get_session_id(with_baggage(TOKEN)) == SESSION_ID


@pytest.mark.parametrize("value", ["secret", "17\r\nX: y", 17, b"17", None, object(), ["17"]])
def test_anything_else_in_baggage_is_no_session(value: Any) -> None:
    assert get_session_id(with_baggage(value)) is None


def test_an_opaque_id_in_baggage_is_no_session_unless_admitted() -> None:
    assert get_session_id(with_baggage("user-7")) is None


@pytest.mark.usefixtures("opaque_ids")
def test_an_opaque_id_in_baggage_is_one_where_the_environment_admits_them() -> None:
    assert get_session_id(with_baggage("user-7")) == "user-7"


def test_without_a_context_the_current_one_is_asked() -> None:
    with session(SESSION_ID):
        assert get_session_id() == SESSION_ID


def test_a_block_yields_its_session() -> None:
    with session("17") as session_id:
        assert type(session_id) is SessionId
        assert session_id == "17"


def test_a_block_takes_a_number() -> None:
    with session(17):
        assert get_session_id() == "17"


def test_a_block_keeps_only_the_id_of_a_token() -> None:
    with session(TOKEN):
        assert dict(baggage.get_all()) == {"session.id": SESSION_ID}


def test_the_session_ends_with_its_block() -> None:
    before = get_current()
    with session(17):
        pass
    assert get_current() == before


def test_the_inner_block_counts() -> None:
    with session(17), session(18):
        assert get_session_id() == "18"


def test_after_the_inner_block_the_outer_one_counts_again() -> None:
    with session(17):
        with session(18):
            pass
        assert get_session_id() == "17"


def test_a_block_refuses_what_is_no_id() -> None:
    with pytest.raises(InvalidSessionIdError), session("secret"):
        pass


def test_a_block_refuses_an_opaque_id_unless_admitted() -> None:
    with pytest.raises(InvalidSessionIdError), session("user-7"):
        pass


def test_a_block_and_the_type_take_the_same_values() -> None:
    for take in (SessionId, lambda value: session(value).__enter__()):
        with pytest.raises(InvalidSessionIdError):
            take("user-7")


@pytest.mark.usefixtures("opaque_ids")
def test_the_type_takes_an_opaque_id_where_the_environment_admits_them() -> None:
    assert SessionId("user-7").is_opaque


def test_a_block_takes_the_session_of_another_block_whatever_its_form() -> None:
    known = require_session_id("user-7", opaque=True)
    with session(known) as session_id:
        assert session_id is known


@pytest.mark.usefixtures("opaque_ids")
def test_a_block_takes_an_opaque_id_where_the_environment_admits_them() -> None:
    with session("user-7"):
        assert get_session_id() == "user-7"


def test_the_session_ends_with_an_exception_too() -> None:
    with pytest.raises(KeyError), session(17):
        raise KeyError
    assert get_session_id() is None


def test_an_exception_that_leaves_a_block_knows_its_session() -> None:
    error = KeyError()
    with pytest.raises(KeyError), session(17):
        raise error
    assert session_of_exception(error) == "17"


def test_an_exception_keeps_the_session_it_arose_in() -> None:
    error = KeyError()
    with pytest.raises(KeyError), session(17), session(18):
        raise error
    assert session_of_exception(error) == "18"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_an_interruption_knows_its_session_too(error: BaseException) -> None:
    with pytest.raises(type(error)), session(17):
        raise error
    assert session_of_exception(error) == "17"


def test_an_exception_from_elsewhere_has_no_session() -> None:
    assert session_of_exception(KeyError()) is None


def test_a_session_can_be_noted_on_an_exception() -> None:
    error = KeyError()
    remember_exception(error, OTHER_ID)
    assert session_of_exception(error) is OTHER_ID


def test_a_forged_note_is_not_believed() -> None:
    error = KeyError()
    error.__dict__["__otel_asayer_session__"] = "secret"
    assert session_of_exception(error) is None


def test_an_exception_class_with_slots_can_be_noted() -> None:
    class Slotted(Exception):  # noqa: N818 (a name is no matter here)
        __slots__ = ("detail",)

    error = Slotted()
    remember_exception(error, OTHER_ID)
    assert session_of_exception(error) is OTHER_ID


class TestTheSessionOfASpan:
    """Where the baggage has no session, that of the current span counts."""

    def test_a_span_that_was_started_in_a_session_is_in_it_without_baggage(self) -> None:
        assert get_session_id(under(stamped())) is SESSION_ID

    def test_an_attribute_that_the_application_set_counts(self) -> None:
        span = started()
        span.set_attribute("session.id", "17")
        assert get_session_id(under(span)) == OTHER_ID

    def test_the_baggage_goes_before_the_span(self) -> None:
        assert get_session_id(under(stamped(), set_session_id(OTHER_ID, Context()))) == OTHER_ID

    def test_the_session_it_was_started_in_goes_before_what_the_application_wrote(self) -> None:
        span = stamped()
        span.set_attribute("session.id", "17")
        assert get_session_id(under(span)) == SESSION_ID

    def test_what_is_no_session_in_baggage_does_not_hide_that_of_the_span(self) -> None:
        assert get_session_id(under(stamped(), with_baggage("secret"))) == SESSION_ID

    @pytest.mark.parametrize("value", ["secret", "17\r\nX: y", 17, True, ["17"], "user-7"])
    def test_anything_else_in_the_attribute_is_no_session(self, value: Any) -> None:
        assert get_session_id(under(started(attributes={"session.id": value}))) is None

    @pytest.mark.usefixtures("opaque_ids")
    def test_an_opaque_id_in_the_attribute_is_one_where_the_environment_admits_them(self) -> None:
        assert get_session_id(under(started(attributes={"session.id": "user-7"}))) == "user-7"

    def test_an_attribute_that_may_have_been_cut_is_no_session(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10")
        assert (
            get_session_id(under(started(SpanLimits(), attributes={"session.id": str(SESSION_ID)})))
            is None
        )

    def test_a_limit_does_not_cut_what_the_span_was_started_in(self) -> None:
        assert (
            get_session_id(
                under(stamped(SpanLimits(max_span_attributes=0, max_attribute_length=3)))
            )
            == SESSION_ID
        )

    def test_a_remote_parent_has_no_session(self) -> None:
        assert (
            get_session_id(under(trace.NonRecordingSpan(trace.SpanContext(1, 1, is_remote=True))))
            is None
        )

    def test_a_span_that_says_it_is_remote_has_no_session(self) -> None:
        span: Any = started(attributes={"session.id": "17"})
        span._context = trace.SpanContext(1, 1, is_remote=True)
        assert get_session_id(under(span)) is None

    def test_a_span_that_is_not_recorded_has_no_session(self) -> None:
        assert get_session_id(under(started(sampler=sampling.ALWAYS_OFF))) is None

    def test_a_span_without_a_session_has_none(self) -> None:
        assert get_session_id(under(started(attributes={"a": 1}))) is None

    def test_a_span_that_has_ended_is_still_in_its_session(self) -> None:
        span = stamped()
        span.end()
        assert get_session_id(under(span)) == SESSION_ID


def provider_with(limits: SpanLimits | None, sampler: sampling.Sampler) -> TracerProvider:
    return TracerProvider(
        shutdown_on_exit=False, sampler=sampler, span_limits=limits or SpanLimits()
    )


def started(
    limits: SpanLimits | None = None, sampler: sampling.Sampler = sampling.ALWAYS_ON, **options: Any
) -> trace.Span:
    return (
        provider_with(limits, sampler)
        .get_tracer("test")
        .start_span("span", context=Context(), **options)
    )


def stamped(limits: SpanLimits | None = None) -> trace.Span:
    """A span that was started in the session, under our processor."""
    provider = provider_with(limits, sampling.ALWAYS_ON)
    provider.add_span_processor(SessionSpanProcessor())
    return provider.get_tracer("test").start_span(
        "span", context=set_session_id(SESSION_ID, Context())
    )


def under(span: trace.Span, context: Context | None = None) -> Context:
    return trace.set_span_in_context(span, Context() if context is None else context)
