"""The propagator `asayer`: session id and W3C baggage, in from requests and out to allowed hosts.

It replaces the propagator `baggage`. It needs the OpenTelemetry API only: `opentelemetry.propagate`
loads it in every process.

Incoming, the first of these that holds a session id counts; anything else is skipped:

1. the configured headers, in their order. A token is reduced to its id, and no opaque id is read
   from a header for tokens;
2. the baggage entry `session.id`, which never reaches the context in any other form;
3. the cookie, when `Sec-Fetch-Mode` is `navigate` or absent: page navigations and form posts, to
   which no tracker can add a header.

A carrier without a session leaves the context's own.

Outgoing, the session id goes to hosts that are targets, as `x-session-id` and in baggage; for any
other host it is removed from baggage. Only a span of kind CLIENT or PRODUCER tells where a call
goes. The address on a SERVER or CONSUMER span is this process's own or its caller's, and
`rpc.system` there says how it was called; an INTERNAL span's attributes are the application's own.
Under those, as under a span that is not recorded, the destination is unknown. Messaging and RPC
need no known one, but only CLIENT and PRODUCER spans say so.

With `OTEL_ASAYER_ENABLED=false` it only carries baggage, without `session.id`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import Span, SpanKind, get_current_span

from otel_asayer.attributes import BAGGAGE_SESSION_ID
from otel_asayer.config import (
    Config,
    attribute_length_limit,
    declared_config,
    environment_config,
)
from otel_asayer.config.targets import host_of
from otel_asayer.once import warn_once
from otel_asayer.propagation.baggage_header import (
    MAX_BYTES,
    is_too_large,
    read_baggage,
    without_session,
)
from otel_asayer.propagation.carriers import (
    HeaderReader,
    marked_entries,
    report_failure,
    spelling_of,
)
from otel_asayer.propagation.context import (
    get_session_id,
    keep_inside,
    remove_session_id,
    session_of_span,
    set_session_id,
)
from otel_asayer.propagation.session_id import SessionId, parse_session_id

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from otel_asayer.config.options import Options

__all__ = ["SESSION_HEADER", "AsayerPropagator", "DeclaredPropagator"]

SESSION_HEADER: Final = "x-session-id"
"""Header that passes the session id on; in lower case, as carriers of queues and RPC require."""

_BAGGAGE: Final = "baggage"
_COOKIE: Final = "cookie"
_SEC_FETCH_MODE: Final = "sec-fetch-mode"
_SESSION_ENTRY: Final = f"{BAGGAGE_SESSION_ID}="
# Callers choose what they send, and how often: the warnings quote nothing, and are logged once.
_TOO_LARGE: Final = (
    f"A request's baggage was ignored, because W3C Baggage allows {MAX_BYTES} bytes and it has "
    "more; this is logged once."
)
_REFUSED: Final = (
    "Entries of a request's baggage were ignored, because W3C Baggage does not allow them; this is "
    "logged once."
)

_CALLS: Final = (SpanKind.CLIENT, SpanKind.PRODUCER)
_DOUBTFUL: Final = ""
"""A host that only the target `*` covers."""

_logger = logging.getLogger(__name__)


class AsayerPropagator(TextMapPropagator):
    """Carries the session id and W3C baggage; neither method ever raises.

    Args:
        options: fields of `otel_asayer.config.Config`, which go before the environment's variables.

    Raises:
        ConfigurationError: an option does not exist, or its value cannot be used.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        self._follow(Config.from_environment(**options) if options else environment_config())

    def _follow(self, config: Config) -> None:
        self._enabled = config.enabled
        self._opaque = config.opaque_session_ids
        self._to_unknown = config.propagate_to_unknown
        self._targets = config.propagation_targets
        self._length_limit = attribute_length_limit()
        self._w3c = W3CBaggagePropagator()
        self._headers = (
            tuple((name, self._opaque and "token" not in name) for name in config.session_headers)
            if self._enabled
            else ()
        )
        self._cookie = config.session_cookie if self._enabled else ""
        self._reader = HeaderReader(
            (
                _BAGGAGE,
                *(name for name, _ in self._headers),
                *((_COOKIE, _SEC_FETCH_MODE) if self._cookie else ()),
            )
        )

    @property
    def accepts_opaque_ids(self) -> bool:
        """Whether ids of other systems count as session ids."""
        return self._opaque

    @property
    def fields(self) -> set[str]:
        """Names of the fields that `inject` may set."""
        return {SESSION_HEADER, _BAGGAGE} if self._enabled else {_BAGGAGE}

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Return `context` (default: an empty one) with the session and baggage of `carrier`.

        If `carrier` cannot be read, the context is unchanged.
        """
        context = Context() if context is None else context
        try:
            extracted = self._extract(self._reader.read(carrier, getter), context)
            return extracted or _never_falsy(extracted)
        except Exception as error:
            report_failure("extract from", error)
            return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write the baggage of `context` (default: the current one) to `carrier`.

        The session goes with it if the destination may learn it.
        """
        try:
            context = get_current() if context is None else context
            if type(carrier) is list:
                with marked_entries(cast("list[Any]", carrier)):
                    self._inject(carrier, context, setter)
            else:
                self._inject(carrier, context, setter)
        except Exception as error:
            report_failure("inject into", error)

    def withdraw(self, headers: MutableMapping[str, Any], url: str | None) -> None:
        """Remove the session from `headers` that go to `url` (None: unknown), unless allowed there.

        For clients that follow a redirect below their instrumentation: they send to the next host
        what was injected for the first. Never raises.
        """
        try:
            if not (
                self._to_unknown if url is None else self._targets.allow(host_of(url) or _DOUBTFUL)
            ):
                key = spelling_of(headers, SESSION_HEADER)
                _withdraw(headers, None if key is None else self._valid(headers[key]))
        except Exception as error:
            report_failure("withdraw from", error)

    def _extract(self, found: Mapping[str, Sequence[str]], context: Context) -> Context:
        if not found:
            return self._settled(context)
        session_id = self._from_headers(found)
        if _BAGGAGE in found:
            context, values = self._merge_baggage(found[_BAGGAGE], context)
            session_id = session_id or self._first_valid(values)
        if session_id is None and _COOKIE in found:
            session_id = self._from_cookie(found)
        return (
            set_session_id(session_id, context)
            if session_id is not None and self._enabled
            else self._settled(context)
        )

    def _from_headers(self, found: Mapping[str, Sequence[str]]) -> SessionId | None:
        for name, opaque in self._headers:
            for value in found.get(name, ()):
                if session_id := parse_session_id(value, opaque=opaque):
                    return session_id
        return None

    def _from_cookie(self, found: Mapping[str, Sequence[str]]) -> SessionId | None:
        headers = [header for header in found[_COOKIE] if self._cookie in header]
        if not headers or any(
            mode.strip().lower() != "navigate" for mode in found.get(_SEC_FETCH_MODE, ())
        ):
            return None
        cookies = (
            cookie.strip().partition("=") for header in headers for cookie in header.split(";")
        )
        return self._first_valid(value for name, _, value in cookies if name == self._cookie)

    def _first_valid(self, values: Iterable[str]) -> SessionId | None:
        return next(filter(None, map(self._valid, values)), None)

    def _valid(self, value: object) -> SessionId | None:
        """Return the session id that `value` holds; baggage may hold anything."""
        if type(value) is SessionId:  # parsed already
            return value
        return parse_session_id(value, opaque=self._opaque) if isinstance(value, str) else None

    def _merge_baggage(
        self, headers: Sequence[str], context: Context
    ) -> tuple[Context, Sequence[str]]:
        """Return `context` with the other entries of the baggage, and the values of `session.id`.

        Only the first header counts, as in the W3C propagator.
        """
        header = next(iter(headers), "")
        if is_too_large(header):
            warn_once(_logger, _TOO_LARGE)
            return context, ()
        incoming = read_baggage(header)
        if incoming.refused:
            warn_once(_logger, _REFUSED)
        for name, value in incoming.entries:
            context = baggage.set_baggage(name, value, context)
        return context, incoming.sessions

    def _settled(self, context: Context) -> Context:
        """Return `context` with a valid session id or none.

        A propagator `baggage` before this one, or the application, may have set anything.
        """
        value = baggage.get_baggage(BAGGAGE_SESSION_ID, context)
        if value is None or type(value) is SessionId or not self._enabled:
            return context
        session_id = self._valid(value)
        return set_session_id(session_id, context) if session_id else remove_session_id(context)

    def _inject(self, carrier: CarrierT, context: Context, setter: Setter[CarrierT]) -> None:
        entries = baggage.get_all(context)
        span = get_current_span(context)
        session_id = (
            (
                self._valid(entries.get(BAGGAGE_SESSION_ID))
                or session_of_span(span, opaque=self._opaque)
            )
            if self._enabled
            else None
        )
        if session_id is None:
            if entries:
                self._w3c.inject(
                    carrier,
                    remove_session_id(context) if BAGGAGE_SESSION_ID in entries else context,
                    setter,
                )
            return
        host = _destination(span, self._length_limit)
        if not (
            self._to_unknown or _needs_no_address(span)
            if host is None
            else self._targets.allow(host)
        ):
            _withdraw(carrier, session_id)
            self._w3c.inject(carrier, remove_session_id(context), setter)
            return
        keep_inside()
        _set_header(carrier, setter, session_id)
        # Without other entries: what the W3C propagator writes, in a tenth of the time.
        if len(entries) == (BAGGAGE_SESSION_ID in entries):
            setter.set(carrier, _BAGGAGE, _SESSION_ENTRY + session_id)
        else:
            self._w3c.inject(carrier, set_session_id(session_id, context), setter)


class DeclaredPropagator(AsayerPropagator):
    """The propagator as OpenTelemetry loads it by its name.

    A bad value in the file of declarative configuration does not raise: it is one of `problems`,
    which the hook reports.

    Args:
        **block: Settings, from the file; none where variables configure OpenTelemetry.
    """

    def __init__(self, **block: Any) -> None:
        config = declared_config(block) if block else environment_config()
        self.problems = config.problems
        self._follow(config)


def _never_falsy(context: Context) -> Context:
    """Return an empty `context`, with empty baggage where the current context has a session.

    For an empty one, Celery's instrumentation takes the current context, which in a worker is that
    of whoever started it.
    """
    return remove_session_id(context) if get_session_id() else context


def _destination(span: Span, length_limit: int) -> str | None:
    """Return the host that the call of `span` goes to.

    It is `_DOUBTFUL` where parsers could disagree about it, and None where the span does not say.
    """
    if getattr(span, "kind", None) not in _CALLS:
        return None
    attributes = getattr(span, "attributes", None)
    if attributes is None:
        return None
    # Instrumentations write the first unless told otherwise; where both are, they are equal.
    for name in ("http.url", "url.full"):
        if url := attributes.get(name):
            return _host_of_url(url, length_limit)
    for name in ("server.address", "net.peer.name", "http.host", "net.peer.ip"):
        if host := attributes.get(name):
            return _host_of_address(host, length_limit, may_have_port=name == "http.host")
    return None


def _host_of_url(url: object, length_limit: int) -> str:
    if not isinstance(url, str):
        return _DOUBTFUL
    host = host_of(url)
    if host is None or len(url) < length_limit:
        return host or _DOUBTFUL
    # The SDK may have cut the URL. If something follows the host, the host is whole; if not, one
    # more character would make it another host.
    return host if host_of(f"{url}0") == host else _DOUBTFUL


def _host_of_address(address: object, length_limit: int, *, may_have_port: bool) -> str:
    if not isinstance(address, str) or len(address) >= length_limit:
        return _DOUBTFUL
    return host_of(f"http://{address}") or _DOUBTFUL if may_have_port else address


def _needs_no_address(span: Span) -> bool:
    """Whether a recording span says that its call is messaging or RPC.

    Those instrumentations state no address.
    """
    kind = getattr(span, "kind", None)
    if kind not in _CALLS or not span.is_recording():
        return False
    attributes = getattr(span, "attributes", None) or {}
    if (
        "grpc" in (attributes.get("rpc.system"), attributes.get("rpc.system.name"))
        and not _is_grpc_guarded()
    ):
        return False
    return kind is SpanKind.PRODUCER or any(
        name in attributes for name in ("messaging.system", "rpc.system", "rpc.system.name")
    )


def _is_grpc_guarded() -> bool:
    from otel_asayer.propagation.grpc_calls import is_guarded  # only with gRPC

    return is_guarded()


def _set_header(carrier: CarrierT, setter: Setter[CarrierT], session_id: SessionId) -> None:
    """Set the header, unless the application has set it to something that is no session id.

    Such a header is the application's own, for example a login to the host.
    """
    # `isinstance` is quicker for `dict` than for `Mapping`.
    key = spelling_of(carrier, SESSION_HEADER) if isinstance(carrier, (dict, Mapping)) else None
    value: Any = "" if key is None else carrier[key]  # type: ignore[index]
    if key is None or (
        isinstance(value, str) and parse_session_id(value, opaque=session_id.is_opaque)
    ):
        setter.set(carrier, key or SESSION_HEADER, str(session_id))


def _withdraw(carrier: CarrierT, session_id: SessionId | None) -> None:
    """Remove the session id from `carrier`.

    A redirect has the headers of the request before it, which may have gone to a target.
    """
    if not isinstance(carrier, MutableMapping):
        return
    key = spelling_of(carrier, SESSION_HEADER)
    if key is not None and carrier[key] == session_id:
        del carrier[key]
    key = spelling_of(carrier, _BAGGAGE)
    header = None if key is None else carrier[key]
    if isinstance(header, str) and BAGGAGE_SESSION_ID in header:
        others = without_session(header)
        del carrier[key]
        if others:
            carrier[key] = others
