from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.aiohttp_server import AiohttpGetter
from opentelemetry.instrumentation.asgi import ASGIGetter, asgi_getter
from opentelemetry.instrumentation.celery import celery_getter
from opentelemetry.instrumentation.wsgi import WSGIGetter, wsgi_getter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator, default_setter
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.trace import SpanKind
from requests.structures import CaseInsensitiveDict

from otel_asayer.config import environment_config
from otel_asayer.errors import ConfigurationError
from otel_asayer.propagation import carriers
from otel_asayer.propagation.context import get_session_id, set_session_id
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SESSION_ID = SessionId("2618307011354435587")
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TARGET = "http://cart.shop.svc:8080/items"
STRANGER = "https://api.example.com/items"

PLAIN = AsayerPropagator(enabled=True)
OPAQUE = AsayerPropagator(opaque_session_ids=True)
DISABLED = AsayerPropagator(enabled=False)

IN_SESSION = set_session_id(SESSION_ID, Context())
WITH_TENANT = baggage.set_baggage("tenant", "7", IN_SESSION)

PASSED = {"x-session-id": SESSION_ID, "baggage": f"session.id={SESSION_ID}"}


def extracted(
    carrier: Any,
    context: Context | None = None,
    getter: Getter[Any] | None = None,
    propagator: TextMapPropagator = PLAIN,
) -> dict[str, object]:
    """The baggage after `extract`; the session is in it."""
    options = {} if getter is None else {"getter": getter}
    return dict(
        baggage.get_all(
            propagator.extract(carrier, Context() if context is None else context, **options)
        )
    )


def session_of(
    carrier: Any, getter: Getter[Any] | None = None, propagator: TextMapPropagator = PLAIN
) -> object:
    return extracted(carrier, None, getter, propagator).get("session.id")


def span(
    kind: SpanKind = SpanKind.CLIENT,
    sampler: sampling.Sampler = sampling.ALWAYS_ON,
    **attributes: Any,
) -> trace.Span:
    names = {name.replace("__", "."): value for name, value in attributes.items()}
    return (
        TracerProvider(sampler=sampler, shutdown_on_exit=False)
        .get_tracer("test")
        .start_span("call", kind=kind, attributes=names)
    )


def injected(
    call: trace.Span | None = None,
    context: Context = IN_SESSION,
    propagator: TextMapPropagator = PLAIN,
    carrier: Any = None,
    setter: Setter[Any] = default_setter,
) -> Any:
    """The headers after `inject` under `call`, which goes to a target unless given."""
    headers = {} if carrier is None else carrier
    propagator.inject(
        headers,
        trace.set_span_in_context(span(http__url=TARGET) if call is None else call, context),
        setter,
    )
    return headers


def environ(**headers: object) -> dict[str, Any]:
    """A WSGI environment."""
    return {"REQUEST_METHOD": "GET", "wsgi.version": (1, 0)} | {
        f"HTTP_{name.upper()}": value for name, value in headers.items()
    }


def scope(*headers: tuple[str, str | bytes]) -> dict[str, Any]:
    """An ASGI scope."""
    return {
        "type": "http",
        "headers": [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in headers
        ],
    }


class TestSessionHeaders:
    @pytest.mark.parametrize(
        "name",
        [
            "x-session-id",
            "x-openreplay-sessiontoken",
            "x-openreplay-session-token",
            "openreplaysession.id",
        ],
    )
    def test_each_name_in_the_wild_is_read(self, name: str) -> None:
        assert session_of({name: SESSION_ID}) == SESSION_ID

    def test_the_session_in_the_context_is_of_the_type_that_only_the_parser_makes(self) -> None:
        assert type(session_of({"x-session-id": str(SESSION_ID)})) is SessionId

    def test_it_is_the_session_that_the_context_functions_give(self) -> None:
        assert (
            get_session_id(PLAIN.extract({"x-session-id": str(SESSION_ID)}, Context()))
            == SESSION_ID
        )

    def test_a_token_is_reduced_to_its_id(self) -> None:
        assert extracted({"x-openreplay-sessiontoken": TOKEN}) == {"session.id": SESSION_ID}

    def test_the_first_configured_header_counts(self) -> None:
        assert session_of({"openreplaysession.id": "18", "x-session-id": "17"}) == "17"

    def test_a_header_that_holds_no_session_is_passed_over(self) -> None:
        assert (
            session_of({"x-session-id": "a login's secret", "openreplaysession.id": "18"}) == "18"
        )

    def test_what_is_no_session_id_does_not_reach_the_context(self) -> None:
        assert extracted({"x-session-id": "a login's secret"}) == {}

    def test_configured_headers_replace_the_defaults(self) -> None:
        own = AsayerPropagator(session_headers=["X-Replay"])
        assert [
            session_of({"x-replay": "17"}, propagator=own),
            session_of({"x-session-id": "17"}, propagator=own),
        ] == ["17", None]

    def test_of_joined_values_the_first_counts(self) -> None:
        assert session_of({"x-session-id": "17, 17"}) == "17"

    def test_of_several_values_the_first_that_is_one_counts(self) -> None:
        assert session_of({"x-session-id": ["", "secret", "17", "18"]}) == "17"

    @pytest.mark.parametrize("name", ["X-Session-Id", "X-SESSION-ID", "x-Session-id"])
    def test_a_plain_dict_may_spell_the_name_in_any_case(self, name: str) -> None:
        assert session_of({"Host": "shop", name: "17"}) == "17"

    @pytest.mark.parametrize(
        "value",
        ["17\r\nX: y", "17\n", "\x0017", "17 18", "1" * 600, "", None, 17, b"\xff17", object()],
    )
    def test_hostile_values_are_ignored(self, value: Any) -> None:
        assert extracted({"x-session-id": [value]}) == {}

    def test_an_opaque_id_is_ignored_unless_admitted(self) -> None:
        assert extracted({"x-session-id": UUID}) == {}

    def test_an_opaque_id_is_read_where_admitted(self) -> None:
        assert session_of({"x-session-id": UUID}, propagator=OPAQUE) == UUID

    @pytest.mark.parametrize("name", ["x-openreplay-sessiontoken", "x-openreplay-session-token"])
    def test_an_opaque_id_is_never_read_from_a_header_for_tokens(self, name: str) -> None:
        assert extracted({name: UUID}, propagator=OPAQUE) == {}

    def test_a_token_is_reduced_where_opaque_ids_are_admitted_too(self) -> None:
        assert session_of({"x-session-id": TOKEN}, propagator=OPAQUE) == SESSION_ID


class TestIncomingBaggage:
    def test_all_of_it_is_carried(self) -> None:
        assert extracted({"baggage": "tenant=7,region=eu%20west"}) == {
            "tenant": "7",
            "region": "eu west",
        }

    def test_its_session_is_read(self) -> None:
        assert extracted({"baggage": f"tenant=7,session.id={SESSION_ID}"}) == {
            "tenant": "7",
            "session.id": SESSION_ID,
        }

    def test_its_session_is_parsed(self) -> None:
        assert type(session_of({"baggage": f"session.id={SESSION_ID}"})) is SessionId

    def test_a_header_goes_before_it(self) -> None:
        assert session_of({"x-session-id": "17", "baggage": "session.id=18"}) == "17"

    def test_it_goes_before_the_cookie(self) -> None:
        assert session_of({"baggage": "session.id=18", "cookie": "asayer_session_id=19"}) == "18"

    def test_a_token_in_it_is_reduced_to_its_id(self) -> None:
        assert extracted({"baggage": f"session.id={TOKEN}"}) == {"session.id": SESSION_ID}

    @pytest.mark.parametrize(
        "value",
        [
            "secret",
            "17%0d%0aX-Evil:%20y",
            "%0017",
            "0",
            "",
            "17%2018",
            "1" * 600,
            "18446744073709551616",
            "%ff",
            "%ed%a0%80",
            UUID,
        ],
    )
    def test_a_session_that_is_none_is_taken_out(self, value: Any) -> None:
        assert extracted({"baggage": f"tenant=7,session.id={value}"}) == {"tenant": "7"}

    @pytest.mark.parametrize(
        "key", ["session%2Eid", "session.id%20", "%73ession.id", " session.id "]
    )
    def test_another_spelling_of_its_key_does_not_get_past(self, key: str) -> None:
        assert extracted({"baggage": f"{key}=secret"}) == {}

    def test_another_spelling_of_its_key_does_not_displace_a_session(self) -> None:
        assert extracted({"baggage": "session%2Eid=secret"}, IN_SESSION) == {
            "session.id": SESSION_ID
        }

    def test_a_session_with_properties_is_read(self) -> None:
        assert extracted({"baggage": "session.id=17;secret=1"}) == {"session.id": "17"}

    def test_of_two_sessions_the_first_that_is_one_counts(self) -> None:
        assert extracted({"baggage": "session.id=secret,session.id=17,session.id=18"}) == {
            "session.id": "17"
        }

    def test_only_the_key_session_id_is_ours(self) -> None:
        assert extracted({"baggage": "token=a.b.c.d,Session.Id=x"}) == {
            "token": "a.b.c.d",
            "Session.Id": "x",
        }

    def test_an_opaque_session_is_read_where_admitted(self) -> None:
        assert session_of({"baggage": f"session.id={UUID}"}, propagator=OPAQUE) == UUID

    def test_what_the_w3c_propagator_refuses_is_refused(self) -> None:
        assert extracted({"baggage": "no pair,tenant=7"}) == {"tenant": "7"}

    def test_too_much_of_it_is_refused(self) -> None:
        assert extracted({"baggage": f"session.id=17,tenant={'7' * 8192}"}) == {}

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("7" * 8171, "17"), ("7" * 8172, None), ("é" * 4085, "17"), ("é" * 4086, None)],
    )
    def test_no_more_than_8192_bytes_of_it_are_read(self, value: str, expected: str | None) -> None:
        assert session_of({"baggage": f"session.id=17,tenant={value}"}) == expected

    def test_too_much_of_it_is_said_once_as_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            extracted({"baggage": f"tenant={'7' * 8192}"})
        assert [(record.levelname, record.message) for record in caplog.records] == [
            (
                "WARNING",
                (
                    "A request's baggage was ignored, because W3C Baggage allows 8192 bytes and it "
                    "has more; this is logged once."
                ),
            )
        ]

    def test_entries_that_are_none_are_said_once_without_a_word_of_theirs(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        for entry in (
            "s3cret",
            "s3cret\x1b[2J=1",
            's3cret="1"',
            "s3crét=1",
            f"s3cret={'1' * 4096}",
        ):
            extracted({"baggage": entry})
        assert [record.message for record in caplog.records] == [
            (
                "Entries of a request's baggage were ignored, because W3C Baggage does not allow "
                "them; this is logged once."
            )
        ]

    def test_no_name_that_arrived_is_logged_when_it_leaves(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        injected(context=PLAIN.extract({"baggage": f"s3cret{'!' * 2000}=1"}, Context()))
        assert "s3cret" not in caplog.text

    def test_a_secret_in_its_session_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        extracted({"baggage": 'session.id="s3cret"'})
        extracted({"baggage": f"session.id=s3cret,x={'x' * 9000}"})
        assert "s3cret" not in caplog.text

    def test_a_plain_dict_may_spell_its_name_in_any_case(self) -> None:
        assert extracted({"Baggage": "tenant=7"}) == {"tenant": "7"}


class TestSessionCookie:
    def test_it_is_read_on_a_page_navigation(self) -> None:
        assert (
            session_of(
                {"cookie": "theme=dark; asayer_session_id=17; x=1", "sec-fetch-mode": "navigate"}
            )
            == "17"
        )

    def test_it_is_read_where_the_browser_says_nothing_of_the_mode(self) -> None:
        assert session_of({"cookie": "asayer_session_id=17"}) == "17"

    @pytest.mark.parametrize(
        "mode", ["cors", "no-cors", "same-origin", "websocket", "", "navigate,cors"]
    )
    def test_it_is_not_read_on_other_requests(self, mode: str) -> None:
        assert extracted({"cookie": "asayer_session_id=17", "sec-fetch-mode": mode}) == {}

    def test_a_header_goes_before_it(self) -> None:
        assert session_of({"x-session-id": "17", "cookie": "asayer_session_id=19"}) == "17"

    @pytest.mark.parametrize(
        "cookie",
        [
            "my_asayer_session_id=17",
            "asayer_session_id2=17",
            "a=asayer_session_id=17",
            "asayer_session_id",
            "asayer_session_id:17",
        ],
    )
    def test_only_a_cookie_of_that_very_name_counts(self, cookie: str) -> None:
        assert extracted({"cookie": cookie}) == {}

    def test_a_token_in_it_is_reduced_to_its_id(self) -> None:
        assert extracted({"cookie": f"asayer_session_id={TOKEN}"}) == {"session.id": SESSION_ID}

    @pytest.mark.parametrize("value", ["secret", "", "17%0d%0a", '"17"', "1" * 600])
    def test_a_cookie_that_is_no_session_is_ignored(self, value: Any) -> None:
        assert extracted({"cookie": f"asayer_session_id={value}"}) == {}

    def test_of_two_cookies_the_first_that_is_one_counts(self) -> None:
        assert session_of({"cookie": "asayer_session_id=secret; asayer_session_id=17"}) == "17"

    def test_it_may_be_in_the_second_of_two_headers(self) -> None:
        assert (
            session_of(
                scope(("cookie", "theme=dark"), ("cookie", "asayer_session_id=17")), asgi_getter
            )
            == "17"
        )

    def test_its_name_can_be_configured(self) -> None:
        assert (
            session_of({"cookie": "sid=17"}, propagator=AsayerPropagator(session_cookie="sid"))
            == "17"
        )

    def test_no_cookie_is_read_without_a_name(self) -> None:
        assert (
            extracted(
                {"cookie": "asayer_session_id=17; =17"},
                propagator=AsayerPropagator(session_cookie=" "),
            )
            == {}
        )

    def test_an_opaque_id_is_read_where_admitted(self) -> None:
        assert session_of({"cookie": f"asayer_session_id={UUID}"}, propagator=OPAQUE) == UUID


class TestTheContextBefore:
    def test_a_carrier_without_a_session_leaves_it(self) -> None:
        assert extracted({"host": "shop"}, IN_SESSION) == {"session.id": SESSION_ID}

    def test_a_carrier_with_a_bad_session_leaves_it(self) -> None:
        assert extracted(
            {"x-session-id": "secret", "baggage": "session.id=secret"}, IN_SESSION
        ) == {"session.id": SESSION_ID}

    def test_a_carrier_with_a_session_replaces_it(self) -> None:
        assert extracted({"x-session-id": "17"}, IN_SESSION) == {"session.id": "17"}

    def test_baggage_adds_to_it(self) -> None:
        assert extracted({"baggage": "region=eu"}, WITH_TENANT) == {
            "tenant": "7",
            "session.id": SESSION_ID,
            "region": "eu",
        }

    def test_it_is_not_changed_itself(self) -> None:
        extracted({"x-session-id": "17", "baggage": "tenant=8"}, WITH_TENANT)
        assert dict(baggage.get_all(WITH_TENANT)) == {"session.id": SESSION_ID, "tenant": "7"}

    def test_it_is_the_very_same_where_there_is_nothing_to_add(self) -> None:
        assert PLAIN.extract({"host": "shop"}, WITH_TENANT) is WITH_TENANT

    def test_a_session_that_a_baggage_propagator_left_raw_is_parsed(self) -> None:
        both = CompositePropagator([W3CBaggagePropagator(), PLAIN])
        assert type(session_of({"baggage": "session.id=17"}, propagator=both)) is SessionId

    def test_a_secret_that_a_baggage_propagator_left_is_taken_out(self) -> None:
        assert (
            extracted(
                {"baggage": "session.id=secret"},
                propagator=CompositePropagator([W3CBaggagePropagator(), PLAIN]),
            )
            == {}
        )

    @pytest.mark.parametrize("value", [17, b"17", object()])
    def test_what_the_application_put_there_and_is_no_text_is_taken_out(self, value: Any) -> None:
        assert extracted({}, baggage.set_baggage("session.id", value, Context())) == {}

    def test_an_empty_one_is_the_default(self) -> None:
        token = attach(WITH_TENANT)
        context = PLAIN.extract({"x-session-id": "17"})
        detach(token)
        assert dict(baggage.get_all(context)) == {"session.id": "17"}

    def test_a_message_without_anything_is_not_in_the_session_of_its_consumer(self) -> None:
        """Celery's instrumentation takes the current context in place of an empty one."""
        token = attach(WITH_TENANT)
        context = PLAIN.extract({}) or None
        session_id = get_session_id(context)
        detach(token)
        assert session_id is None


class KafkaSetter(Setter[list[tuple[str, bytes]]]):
    """As in contrib's instrumentations of Kafka, which the fleet's tests install."""

    def set(self, carrier: list[tuple[str, bytes]], key: str, value: str) -> None:
        carrier.append((key, value.encode()))


class TestListsOfHeaders:
    """Kafka's instrumentations inject into the list that the application gives."""

    def injected(self, carrier: list[tuple[str, bytes]], context: Context) -> dict[str, bytes]:
        """Return the headers that count in a list: the first of each name."""
        context = trace.set_span_in_context(span(SpanKind.PRODUCER), context)
        PLAIN.inject(carrier, context, KafkaSetter())
        return dict(reversed(carrier))

    def test_a_list_that_is_used_again_has_the_last_session(self) -> None:
        carrier = [("schema", b"7")]
        self.injected(carrier, IN_SESSION)
        found = self.injected(carrier, set_session_id(SessionId("17"), Context()))
        assert found == {"schema": b"7", "x-session-id": b"17", "baggage": b"session.id=17"}

    def test_a_list_that_is_used_again_without_a_session_has_none(self) -> None:
        carrier = [("schema", b"7")]
        self.injected(carrier, IN_SESSION)
        assert self.injected(carrier, Context()) == {"schema": b"7"}

    def test_the_headers_of_a_message_that_is_passed_on_stay(self) -> None:
        received = [("x-session-id", b"17")]
        assert self.injected(received, Context()) == {"x-session-id": b"17"}


class TestCarriers:
    def test_a_wsgi_environment_is_read(self) -> None:
        assert extracted(environ(x_session_id="17", baggage="tenant=7"), getter=wsgi_getter) == {
            "tenant": "7",
            "session.id": "17",
        }

    def test_a_wsgi_server_joins_double_headers(self) -> None:
        assert session_of(environ(x_session_id="17,18"), wsgi_getter) == "17"

    def test_the_cookie_of_a_wsgi_environment_is_read(self) -> None:
        assert (
            session_of(
                environ(cookie="asayer_session_id=17", sec_fetch_mode="navigate"), wsgi_getter
            )
            == "17"
        )

    def test_a_wsgi_environment_without_headers_has_no_session(self) -> None:
        assert extracted(environ(), getter=wsgi_getter) == {}

    def test_an_asgi_scope_is_read(self) -> None:
        assert extracted(
            scope(("x-session-id", "17"), ("baggage", "tenant=7")), getter=asgi_getter
        ) == {"tenant": "7", "session.id": "17"}

    def test_an_asgi_scope_keeps_double_headers_apart(self) -> None:
        assert (
            session_of(scope(("x-session-id", "secret"), ("x-session-id", "17")), asgi_getter)
            == "17"
        )

    def test_an_asgi_scope_may_spell_names_in_any_case(self) -> None:
        assert session_of(scope(("X-Session-Id", "17")), asgi_getter) == "17"

    @pytest.mark.parametrize("value", [b"\xff\\x0d\\x0a17", b"\xff\\N{", b"\xff\xfe", b"17\xff"])
    def test_bytes_that_the_asgi_getter_stumbles_over_are_ignored(self, value: Any) -> None:
        assert extracted(
            scope(("baggage", value), ("x-session-id", value), ("x-session-id", "17")),
            getter=asgi_getter,
        ) == {"session.id": "17"}

    @pytest.mark.parametrize("headers", [[], None, ()])
    def test_an_asgi_scope_without_headers_has_no_session(self, headers: Any) -> None:
        assert extracted({"type": "lifespan", "headers": headers}, getter=asgi_getter) == {}

    @pytest.mark.parametrize("getter", [WSGIGetter, ASGIGetter, AiohttpGetter])
    def test_the_getters_that_are_read_past_are_called_so_still(self, getter: Any) -> None:
        assert f"{getter.__module__}.{getter.__qualname__}" in (
            carriers._ASGI_GETTER,
            carriers._WSGI_GETTER,
            carriers._AIOHTTP_GETTER,
        )

    @pytest.mark.parametrize("getter", [WSGIGetter, ASGIGetter])
    def test_a_getter_derived_from_those_is_asked_itself(self, getter: Any) -> None:
        class Careful(getter):  # type: ignore[misc]  # the class is a parameter
            def get(self, _carrier: Any, _key: str) -> list[str] | None:
                return None

            def keys(self, _carrier: Any) -> list[str]:
                return []

        assert (
            extracted(
                {**environ(x_session_id="17"), **scope(("x-session-id", "17"))}, getter=Careful()
            )
            == {}
        )

    def test_a_celery_request_is_read_though_its_getter_lists_no_names(self) -> None:
        assert session_of(SimpleNamespace(**{"x-session-id": "17"}), celery_getter) == "17"

    def test_the_baggage_of_a_celery_request_is_read(self) -> None:
        assert extracted(SimpleNamespace(baggage="tenant=7"), getter=celery_getter) == {
            "tenant": "7"
        }

    @pytest.mark.parametrize("names", [[], None, 5, [b"x-session-id"], [None], [5]])
    def test_a_getter_that_lists_no_usable_names_is_asked_for_each(self, names: Any) -> None:
        assert session_of({"x-session-id": "17"}, TableGetter(names)) == "17"

    def test_a_getter_that_cannot_list_names_is_asked_for_each(self) -> None:
        assert session_of({"x-session-id": "17"}, TableGetter(NotImplementedError())) == "17"

    def test_a_getter_is_asked_only_for_names_that_are_there(self) -> None:
        getter = TableGetter(["host", "x-session-id", "accept"])
        session_of({"x-session-id": "17"}, getter)
        assert getter.asked == ["x-session-id"]

    def test_names_may_come_one_by_one(self) -> None:
        assert (
            session_of({"x-session-id": "17"}, TableGetter(iter(["host", "x-session-id"]))) == "17"
        )

    def test_values_may_be_bytes(self) -> None:
        assert session_of({"x-session-id": [b"17"]}) == "17"

    @pytest.mark.parametrize("value", ["17", b"17"])
    def test_a_getter_may_return_a_bare_value(self, value: Any) -> None:
        assert session_of({"x-session-id": value}, TableGetter(["x-session-id"])) == "17"

    def test_values_may_be_a_tuple(self) -> None:
        assert session_of({"x-session-id": ("17", "18")}, TableGetter(["x-session-id"])) == "17"


class AiohttpRequest(dict[str, object]):
    """What the getter of aiohttp's server is given:

    a mapping of what the application keeps on the request, with its headers beside.
    """

    def __init__(self, *headers: tuple[str, str], **kept: object) -> None:
        super().__init__(kept)
        self.headers = CIMultiDictProxy(CIMultiDict(headers))


class TestRequestsOfAiohttp:
    @pytest.mark.parametrize(
        "kept", [{}, {"user": 7}], ids=["as it comes", "with what the application keeps on it"]
    )
    def test_the_session_is_read(self, kept: dict[str, object]) -> None:
        assert session_of(AiohttpRequest(("X-Session-Id", "17"), **kept), AiohttpGetter()) == "17"

    def test_of_several_headers_the_first_that_holds_one_counts(self) -> None:
        assert (
            session_of(
                AiohttpRequest(("X-Session-Id", "secret"), ("x-session-id", "17")), AiohttpGetter()
            )
            == "17"
        )

    def test_without_a_session_there_is_none(self) -> None:
        assert extracted(AiohttpRequest(("Host", "shop")), None, AiohttpGetter()) == {}


class TableGetter(Getter[Any]):
    """Returns what the carrier holds as it is, and lists given names."""

    def __init__(self, names: Any) -> None:
        self.names = names
        self.asked: list[str] = []

    def get(self, carrier: Any, key: str) -> Any:
        self.asked.append(key)
        return carrier.get(key)

    def keys(self, _carrier: Any) -> Any:
        if isinstance(self.names, Exception):
            raise self.names
        return self.names


class TestTargets:
    def test_a_target_learns_the_session(self) -> None:
        assert injected() == PASSED

    def test_other_baggage_goes_with_it(self) -> None:
        assert injected(context=WITH_TENANT) == {
            "x-session-id": SESSION_ID,
            "baggage": f"session.id={SESSION_ID},tenant=7",
        }

    def test_a_stranger_learns_nothing(self) -> None:
        assert injected(span(http__url=STRANGER)) == {}

    def test_a_stranger_gets_the_other_baggage(self) -> None:
        assert injected(span(http__url=STRANGER), WITH_TENANT) == {"baggage": "tenant=7"}

    def test_the_header_is_a_plain_string(self) -> None:
        assert {name: type(value) for name, value in injected().items()} == {
            "x-session-id": str,
            "baggage": str,
        }

    def test_without_a_session_there_is_only_baggage(self) -> None:
        assert injected(context=baggage.set_baggage("tenant", "7", Context())) == {
            "baggage": "tenant=7"
        }

    def test_without_either_there_is_nothing(self) -> None:
        assert injected(context=Context()) == {}

    def test_an_opaque_id_passes_the_same_way(self) -> None:
        context = PLAIN.extract({}, OPAQUE.extract({"x-session-id": UUID}, Context()))
        assert injected(context=context, propagator=OPAQUE) == {
            "x-session-id": UUID,
            "baggage": f"session.id={UUID}",
        }

    def test_configured_targets_count(self) -> None:
        own = AsayerPropagator(propagation_targets="*.example.com")
        assert [injected(span(http__url=url), propagator=own) for url in (TARGET, STRANGER)] == [
            {},
            PASSED,
        ]

    def test_everybody_may_be_a_target(self) -> None:
        assert (
            injected(span(http__url=STRANGER), propagator=AsayerPropagator(propagation_targets="*"))
            == PASSED
        )

    def test_nobody_may_be_one(self) -> None:
        assert injected(propagator=AsayerPropagator(propagation_targets="")) == {}

    def test_what_comes_in_goes_out_as_an_id(self) -> None:
        assert (
            injected(context=PLAIN.extract({"x-openreplay-sessiontoken": TOKEN}, Context()))
            == PASSED
        )

    def test_a_single_session_is_written_as_the_w3c_propagator_writes_it(self) -> None:
        expected: dict[str, str] = {}
        W3CBaggagePropagator().inject(expected, IN_SESSION)
        assert injected()["baggage"] == expected["baggage"]

    def test_the_current_context_is_the_default(self) -> None:
        carrier: dict[str, str] = {}
        token = attach(trace.set_span_in_context(span(http__url=TARGET), IN_SESSION))
        PLAIN.inject(carrier)
        detach(token)
        assert carrier == PASSED

    def test_the_setter_is_used(self) -> None:
        carrier: list[tuple[str, str]] = []
        PLAIN.inject(
            carrier, trace.set_span_in_context(span(http__url=TARGET), IN_SESSION), PairSetter()
        )
        assert carrier == [("x-session-id", SESSION_ID), ("baggage", f"session.id={SESSION_ID}")]

    def test_both_fields_are_named(self) -> None:
        assert PLAIN.fields == {"x-session-id", "baggage"}


class PairSetter(Setter[Any]):
    """Appends, as Kafka's does."""

    def set(self, carrier: Any, key: str, value: str) -> None:
        carrier.append((key, value))


class TestDestinations:
    @pytest.mark.parametrize(
        "attributes",
        [
            {"url__full": TARGET},
            {"http__url": TARGET},
            {"server__address": "cart"},
            {"net__peer__name": "cart"},
            {"http__host": "cart"},
            {"http__host": "cart:8080"},
            {"http__host": "[::1]:8080"},
            {"net__peer__ip": "10.0.0.7"},
            {"net__peer__ip": "::1"},
        ],
    )
    def test_each_attribute_of_the_conventions_tells_a_target(
        self, attributes: Mapping[str, Any]
    ) -> None:
        assert injected(span(**attributes)) == PASSED

    @pytest.mark.parametrize(
        "attributes",
        [
            {"url__full": STRANGER},
            {"http__url": STRANGER},
            {"server__address": "api.example.com"},
            {"net__peer__name": "api.example.com"},
            {"http__host": "api.example.com:443"},
            {"net__peer__ip": "203.0.113.7"},
        ],
    )
    def test_each_attribute_of_the_conventions_tells_a_stranger(
        self, attributes: Mapping[str, Any]
    ) -> None:
        assert injected(span(**attributes)) == {}

    def test_a_url_goes_before_an_address(self) -> None:
        assert injected(span(url__full=STRANGER, server__address="cart")) == {}

    def test_an_address_goes_before_the_host_header(self) -> None:
        assert injected(span(net__peer__name="api.example.com", http__host="cart")) == {}

    @pytest.mark.parametrize(
        "url",
        [
            "cart",
            "/items",
            "http://evil.example\\@cart/",
            "http://cart evil/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://cärt/",
        ],
    )
    def test_a_doubtful_url_is_a_strangers(self, url: str) -> None:
        assert injected(span(http__url=url)) == {}

    @pytest.mark.parametrize(
        "address", ["/run/cart.sock", "cart:80", "cart/evil", "2130706433", 17, True, ["cart"]]
    )
    def test_a_doubtful_address_is_a_strangers(self, address: Any) -> None:
        assert injected(span(server__address=address)) == {}

    @pytest.mark.parametrize("url", [17, ["http://cart/"]])
    def test_a_url_of_another_type_is_a_strangers(self, url: str) -> None:
        assert injected(span(http__url=url)) == {}

    def test_a_doubtful_url_is_a_target_where_everybody_is(self) -> None:
        assert (
            injected(
                span(http__url="unix:/run/cart.sock"),
                propagator=AsayerPropagator(propagation_targets="*"),
            )
            == PASSED
        )

    @pytest.mark.parametrize(
        "rpc",
        [{"rpc__system": "grpc"}, {"rpc__system__name": "grpc"}, {"messaging__system": "rabbitmq"}],
    )
    def test_messaging_and_rpc_need_no_address(self, rpc: Mapping[str, Any]) -> None:
        assert injected(span(**rpc)) == PASSED

    def test_a_producer_needs_no_address(self) -> None:
        assert injected(span(SpanKind.PRODUCER)) == PASSED

    def test_an_address_of_messaging_or_rpc_counts(self) -> None:
        assert (
            injected(
                span(
                    SpanKind.PRODUCER,
                    messaging__system="rabbitmq",
                    net__peer__name="broker.example.com",
                )
            )
            == {}
        )

    def test_a_call_without_an_address_goes_to_a_stranger(self) -> None:
        assert injected(span(db__system="redis")) == {}

    @pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.INTERNAL])
    def test_the_url_of_a_span_that_is_no_call_tells_no_destination(self, kind: SpanKind) -> None:
        assert injected(span(kind, http__url=TARGET, server__address="cart")) == {}

    @pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.INTERNAL])
    def test_a_span_that_is_no_call_does_not_say_that_the_call_is_messaging_or_rpc(
        self, kind: SpanKind
    ) -> None:
        assert injected(span(kind, rpc__system="grpc", messaging__system="kafka")) == {}

    def test_no_span_tells_no_destination(self) -> None:
        assert injected(trace.INVALID_SPAN) == {}

    @pytest.mark.parametrize("kind", [SpanKind.CLIENT, SpanKind.PRODUCER])
    def test_a_span_that_is_not_sampled_tells_no_destination(self, kind: SpanKind) -> None:
        assert injected(span(kind, sampling.ALWAYS_OFF, http__url=TARGET, rpc__system="grpc")) == {}

    def test_a_span_that_has_ended_does_not_say_that_it_is_messaging(self) -> None:
        call = span(SpanKind.PRODUCER)
        call.end()
        assert injected(call) == {}

    @pytest.mark.parametrize(
        "call",
        [
            trace.INVALID_SPAN,
            span(SpanKind.SERVER, http__url=STRANGER),
            span(sampler=sampling.ALWAYS_OFF),
            span(),
        ],
    )
    def test_unknown_destinations_may_be_allowed(self, call: Any) -> None:
        assert injected(call, propagator=AsayerPropagator(propagate_to_unknown=True)) == PASSED

    def test_a_known_stranger_stays_one_then(self) -> None:
        assert (
            injected(
                span(http__url=STRANGER), propagator=AsayerPropagator(propagate_to_unknown=True)
            )
            == {}
        )

    def test_an_unknown_destination_gets_the_other_baggage(self) -> None:
        assert injected(trace.INVALID_SPAN, WITH_TENANT) == {"baggage": "tenant=7"}

    def test_a_span_of_another_tracer_tells_what_it_has(self) -> None:
        assert injected(ForeignSpan(SpanKind.CLIENT, {"http.url": TARGET})) == PASSED

    @pytest.mark.parametrize(
        "call",
        [
            ("CLIENT", {"http.url": TARGET}),
            (None, None),
            (SpanKind.CLIENT, None),
            (SpanKind.CLIENT, {}),
        ],
    )
    def test_a_span_of_another_tracer_may_tell_nothing(self, call: Any) -> None:
        assert injected(ForeignSpan(*call)) == {}


class TestTheSessionOfTheSpan:
    """Where the context has no session, that of its span counts, as long as it is one of this
    process."""

    def test_it_is_passed_on(self) -> None:
        assert injected(under_session(), Context()) == PASSED

    def test_other_baggage_goes_along(self) -> None:
        headers = injected(under_session(), baggage.set_baggage("tenant", "7", Context()))
        assert headers == {
            "x-session-id": SESSION_ID,
            "baggage": f"tenant=7,session.id={SESSION_ID}",
        }

    def test_it_is_not_passed_on_to_a_stranger(self) -> None:
        assert injected(under_session(STRANGER), Context()) == {}

    def test_that_of_the_context_goes_before_it(self) -> None:
        assert (
            injected(under_session(), set_session_id(SessionId("17"), Context()))["x-session-id"]
            == "17"
        )

    def test_what_is_no_session_is_not_passed_on(self) -> None:
        assert injected(span(http__url=TARGET, session__id="secret"), Context()) == {}

    def test_an_opaque_id_is_passed_on_where_admitted(self) -> None:
        assert (
            injected(span(http__url=TARGET, session__id=UUID), Context(), OPAQUE)["x-session-id"]
            == UUID
        )

    def test_switched_off_it_is_not_passed_on(self) -> None:
        assert injected(under_session(), Context(), DISABLED) == {}


def under_session(url: str = TARGET) -> trace.Span:
    return span(http__url=url, session__id=str(SESSION_ID))


class ForeignSpan(trace.NonRecordingSpan):
    """A span as another implementation of the API may have it."""

    def __init__(self, kind: object, attributes: object) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.kind = kind
        self.attributes = attributes


class TestAttributesThatAreCut:
    """A limit of the SDK cuts values: `http://cart.evil.example/` may read `http://cart`."""

    @pytest.fixture
    def cut(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Mapping[str, str]]:
        def passed(limit: int, **attributes: Any) -> Any:
            monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", str(limit))
            return injected(span(**attributes), propagator=AsayerPropagator(enabled=True))

        return passed

    def test_a_host_that_touches_the_end_of_a_cut_url_is_a_strangers(
        self, cut: Callable[..., Mapping[str, str]]
    ) -> None:
        assert cut(11, http__url="http://cart.evil.example/") == {}

    def test_a_host_with_its_port_behind_it_is_whole(
        self, cut: Callable[..., Mapping[str, str]]
    ) -> None:
        assert cut(13, http__url="http://cart:8080/") == PASSED

    def test_a_host_with_its_path_behind_it_is_whole(
        self, cut: Callable[..., Mapping[str, str]]
    ) -> None:
        assert cut(12, http__url="http://cart/items") == PASSED

    def test_an_address_that_may_be_cut_is_a_strangers(
        self, cut: Callable[..., Mapping[str, str]]
    ) -> None:
        assert cut(4, server__address="cart.evil.example") == {}

    def test_a_host_header_that_may_be_cut_is_a_strangers(
        self, cut: Callable[..., Mapping[str, str]]
    ) -> None:
        assert cut(4, http__host="cart.evil.example") == {}

    def test_shorter_values_are_whole(self, cut: Callable[..., Mapping[str, str]]) -> None:
        assert cut(12, http__url="http://cart") == PASSED


class TestHeadersOfTheApplication:
    @pytest.mark.parametrize("name", ["x-session-id", "X-Session-Id", "X-session-id"])
    def test_a_header_of_our_name_that_holds_something_else_stays(self, name: str) -> None:
        assert injected(carrier={name: "login"}) == {
            name: "login",
            "baggage": f"session.id={SESSION_ID}",
        }

    @pytest.mark.parametrize("value", [b"login", 17, None, {"StringValue": "17"}])
    def test_a_header_of_our_name_of_another_type_stays(self, value: Any) -> None:
        assert injected(carrier={"x-session-id": value})["x-session-id"] == value

    @pytest.mark.parametrize("name", ["x-session-id", "X-Session-Id"])
    def test_the_session_of_a_request_before_is_replaced(self, name: str) -> None:
        assert injected(carrier={name: "17"}) == {
            name: SESSION_ID,
            "baggage": f"session.id={SESSION_ID}",
        }

    def test_a_token_that_the_application_hands_through_is_reduced(self) -> None:
        assert injected(carrier={"X-Session-Id": TOKEN})["X-Session-Id"] == SESSION_ID

    def test_an_opaque_session_of_a_request_before_is_replaced(self) -> None:
        context = OPAQUE.extract({"x-session-id": UUID}, Context())
        assert (
            injected(context=context, propagator=OPAQUE, carrier={"x-session-id": "other"})[
                "x-session-id"
            ]
            == UUID
        )

    def test_carriers_that_are_no_mappings_are_appended_to(self) -> None:
        carrier = [("x-session-id", "login")]
        PLAIN.inject(
            carrier, trace.set_span_in_context(span(http__url=TARGET), IN_SESSION), PairSetter()
        )
        assert carrier == [("x-session-id", "login"), *PASSED.items()]

    def test_nothing_is_taken_out_of_carriers_that_are_no_mappings(self) -> None:
        carrier = [*PASSED.items()]
        PLAIN.inject(
            carrier, trace.set_span_in_context(span(http__url=STRANGER), IN_SESSION), PairSetter()
        )
        assert carrier == [*PASSED.items()]

    @pytest.mark.parametrize(
        "headers", [{None: "a", 5: "b", b"x-session-id": "c"}, {"accept": "*/*"}]
    )
    def test_other_headers_stay(self, headers: Any) -> None:
        assert injected(carrier=dict(headers)) == headers | PASSED


@pytest.mark.parametrize("make", [dict, CaseInsensitiveDict, httpx.Headers, CIMultiDict])
class TestRedirects:
    """A client sends a redirect with the headers of the request before it, and asks for injection
    again."""

    def test_the_session_does_not_go_along_to_a_stranger(self, make: Callable[..., Any]) -> None:
        assert dict(
            injected(span(http__url=STRANGER), carrier=injected(carrier=make({"accept": "*/*"})))
        ) == {"accept": "*/*"}

    def test_other_baggage_goes_along(self, make: Callable[..., Any]) -> None:
        carrier = injected(context=WITH_TENANT, carrier=make())
        assert dict(injected(span(http__url=STRANGER), WITH_TENANT, carrier=carrier)) == {
            "baggage": "tenant=7"
        }

    def test_baggage_that_the_application_wrote_loses_the_session_only(
        self, make: Callable[..., Any]
    ) -> None:
        carrier = make({"baggage": f"a=1,session.id={SESSION_ID},b=2"})
        assert dict(injected(span(http__url=STRANGER), carrier=carrier)) == {"baggage": "a=1,b=2"}

    def test_a_header_of_the_applications_own_goes_along(self, make: Callable[..., Any]) -> None:
        assert dict(
            injected(span(http__url=STRANGER), carrier=make({"x-session-id": "login"}))
        ) == {"x-session-id": "login"}

    def test_a_redirect_to_a_target_keeps_the_session(self, make: Callable[..., Any]) -> None:
        assert dict(injected(carrier=injected(carrier=make()))) == PASSED

    def test_the_session_does_not_go_along_where_the_next_destination_is_unknown(
        self, make: Callable[..., Any]
    ) -> None:
        assert dict(injected(trace.INVALID_SPAN, carrier=make(PASSED))) == {}


class TestContextsThatOthersMade:
    @pytest.mark.parametrize(
        "value",
        ["secret", "17\r\nX-Evil: y", "17\x00", "1" * 600, "", UUID, 17, b"17", object(), None],
    )
    def test_what_is_no_session_does_not_leave(self, value: Any) -> None:
        assert injected(
            context=baggage.set_baggage(
                "session.id", value, baggage.set_baggage("tenant", "7", Context())
            )
        ) == {"baggage": "tenant=7"}

    def test_a_token_leaves_as_its_id(self) -> None:
        assert injected(context=baggage.set_baggage("session.id", TOKEN, Context())) == PASSED

    def test_a_token_among_other_baggage_leaves_as_its_id(self) -> None:
        context = baggage.set_baggage(
            "session.id", TOKEN, baggage.set_baggage("tenant", "7", Context())
        )
        assert injected(context=context) == {
            "x-session-id": SESSION_ID,
            "baggage": f"tenant=7,session.id={SESSION_ID}",
        }

    def test_line_ends_in_other_baggage_are_encoded(self) -> None:
        context = baggage.set_baggage("te\r\nnant", "7\r\nX-Evil: y", Context())
        assert injected(context=context) == {"baggage": "te%0D%0Anant=7%0D%0AX-Evil%3A+y"}

    def test_other_baggage_that_cannot_be_encoded_does_not_hold_the_session_back(self) -> None:
        assert injected(context=baggage.set_baggage("tenant", "\ud800", IN_SESSION)) == {
            "x-session-id": SESSION_ID
        }

    def test_baggage_that_is_none_is_none(self) -> None:
        carrier: dict[str, str] = {}
        PLAIN.inject(carrier, Context({baggage._BAGGAGE_KEY: "no mapping"}))
        assert carrier == {}


class TestSwitchedOff:
    def test_no_session_is_extracted(self) -> None:
        carrier = {
            "x-session-id": "17",
            "baggage": "session.id=18,tenant=7",
            "cookie": "asayer_session_id=19",
        }
        assert extracted(carrier, propagator=DISABLED) == {"tenant": "7"}

    @pytest.mark.parametrize("key", ["session.id", "session%2Eid"])
    def test_no_session_is_carried_in_baggage(self, key: str) -> None:
        assert extracted({"baggage": f"{key}=17"}, propagator=DISABLED) == {}

    def test_the_contexts_own_baggage_is_left_alone(self) -> None:
        assert extracted(
            {}, baggage.set_baggage("session.id", "anything", Context()), propagator=DISABLED
        ) == {"session.id": "anything"}

    def test_no_session_is_injected(self) -> None:
        assert injected(context=WITH_TENANT, propagator=DISABLED) == {"baggage": "tenant=7"}

    def test_only_baggage_is_named(self) -> None:
        assert DISABLED.fields == {"baggage"}


class Hostile:
    """Raises at whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise RuntimeError("s3cret")


class HostileGetter(Getter[Any]):
    def get(self, _carrier: Any, _key: str) -> list[str] | None:
        raise RuntimeError("s3cret")

    def keys(self, _carrier: Any) -> list[str]:
        raise RuntimeError("s3cret")


class HostileSetter(Setter[Any]):
    def set(self, _carrier: Any, _key: str, _value: str) -> None:
        raise RuntimeError("s3cret")


class TestFailures:
    @pytest.mark.parametrize("make", [type(None), int, str, bytes, list, object, Hostile])
    @pytest.mark.parametrize(
        "getter", [None, wsgi_getter, asgi_getter, celery_getter, HostileGetter()]
    )
    def test_extract_never_raises(self, make: Callable[..., Any], getter: Any) -> None:
        options = {} if getter is None else {"getter": getter}
        assert PLAIN.extract(make(), IN_SESSION, **options) == IN_SESSION

    @pytest.mark.parametrize("getter", [5, object()])
    def test_extract_never_raises_for_what_is_no_getter(self, getter: Any) -> None:
        assert PLAIN.extract({}, IN_SESSION, getter) is IN_SESSION

    def test_extract_leaves_the_context_where_a_header_cannot_be_read(self) -> None:
        assert PLAIN.extract(environ(x_session_id=5), IN_SESSION, wsgi_getter) is IN_SESSION

    @pytest.mark.parametrize("make", [type(None), int, str, tuple, object, Hostile])
    def test_inject_never_raises(self, make: Callable[..., Any]) -> None:
        carrier = make()
        PLAIN.inject(carrier, trace.set_span_in_context(span(http__url=TARGET), IN_SESSION))
        assert carrier.__class__ is make

    def test_inject_never_raises_for_a_setter_that_does(self) -> None:
        assert injected(propagator=PLAIN, carrier={}, setter=HostileSetter()) == {}

    def test_inject_never_raises_for_a_span_that_does(self) -> None:
        assert injected(ForeignSpan(SpanKind.CLIENT, Hostile())) == {}

    def test_inject_never_raises_for_headers_that_cannot_be_changed(self) -> None:
        class Frozen(dict[str, str]):
            def __delitem__(self, key: str) -> None:
                raise TypeError("s3cret")

        assert injected(span(http__url=STRANGER), carrier=Frozen(PASSED)) == PASSED

    def test_a_failure_is_logged_for_who_looks_for_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "otel_asayer")
        PLAIN.extract({}, IN_SESSION, HostileGetter())
        PLAIN.inject(
            {}, trace.set_span_in_context(span(http__url=TARGET), IN_SESSION), HostileSetter()
        )
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("DEBUG", "Could not list the names of a carrier: RuntimeError"),
            ("DEBUG", "Could not extract from a carrier: RuntimeError"),
            ("DEBUG", "Could not inject into a carrier: RuntimeError"),
        ]


class TestConstruction:
    def test_without_options_the_environment_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_ASAYER_SESSION_HEADERS", "x-replay")
        environment_config.cache_clear()
        propagator = AsayerPropagator()
        environment_config.cache_clear()
        assert session_of({"x-replay": "17"}, propagator=propagator) == "17"

    def test_options_go_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_ASAYER_SESSION_HEADERS", "x-replay")
        assert (
            session_of({"x-other": "17"}, propagator=AsayerPropagator(session_headers="x-other"))
            == "17"
        )

    def test_a_bad_variable_does_not_raise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_ASAYER_PROPAGATION_TARGETS", "http://cart")
        assert injected(propagator=AsayerPropagator(enabled=True)) == {}

    def test_a_bad_option_raises(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"^The argument session_headers cannot be used: "
        ):
            AsayerPropagator(session_headers="a b")
