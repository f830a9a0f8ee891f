"""An invented shop of three services: what its backend records of a visitor, by a real SDK."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from otel_asayer.attributes import SESSION_ID

if TYPE_CHECKING:
    import random

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from otel_asayer.documents import Encoded, Encoder, Operation
    from otel_asayer.propagation.session_id import SessionId

__all__ = ["Shop"]

_NS_PER_MS: Final = 1_000_000
_SCARCE: Final = 0.2
"""The share of products of which few are left."""
_PRODUCTS: Final = ("lamp", "sofa", "table", "chair", "shelf", "rug")
_STACK: Final = """Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/flask/app.py", line 880, in full_dispatch_request
    rv = self.dispatch_request()
         ^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/flask/app.py", line 865, in dispatch_request
    return self.ensure_sync(self.view_functions[rule.endpoint])(**view_args)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/storefront/checkout.py", line 52, in checkout
    charge(total)
  File "/srv/shop/storefront/payment.py", line 31, in charge
    raise PaymentDeclinedError(f"card declined for {total:.2f} EUR")
storefront.payment.PaymentDeclinedError: card declined for 349.80 EUR
"""


class PaymentDeclinedError(Exception):
    """The bank said no."""


class _Service:
    """One service's tracer and logger."""

    def __init__(self, name: str, session_id: SessionId, ids: IdGenerator | None) -> None:
        resource = Resource(
            {
                "service.name": name,
                "service.version": "4.2.0",
                "deployment.environment.name": "demo",
                "host.name": f"{name}-7",
            }
        )
        self._session = {SESSION_ID: session_id}
        self._spans, self._records = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        # A sampler by name, as the variables may ask for another one.
        tracers = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=ids
        )
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._records))
        self._tracer = tracers.get_tracer("opentelemetry.instrumentation.flask", "0.66b1")
        self._logger = loggers.get_logger(f"shop.{name}")

    def start(
        self,
        name: str,
        at_ms: float,
        kind: SpanKind,
        context: Context | None = None,
        **attributes: Any,
    ) -> Span:
        named = {name.replace("_", "."): value for name, value in attributes.items()}
        return self._tracer.start_span(
            name, context, kind, {**named, **self._session}, start_time=int(at_ms * _NS_PER_MS)
        )

    def log(
        self, level: SeverityNumber, text: str, at_ms: float, span: Span, **attributes: Any
    ) -> None:
        body = LogRecord(
            timestamp=int(at_ms * _NS_PER_MS),
            context=set_span_in_context(span),
            severity_number=level,
            severity_text=level.name,
            body=text,
            attributes={"code.function.name": "view", **attributes, **self._session},
        )
        self._logger.emit(body)

    def encoded(self, encoder: Encoder) -> list[Encoded]:
        return [
            encoder.spans(self._spans.get_finished_spans()),
            encoder.log_records(self._records.get_finished_logs()),
        ]


class Shop:
    """Records requests of one session. Times are in milliseconds since 1970.

    Args:
        session_id: the session.
        chance: what the visitor does, and how long it takes, in so far as it is not fixed.
        ids: of spans and traces; default, the SDK's own.
    """

    def __init__(
        self, session_id: SessionId, chance: random.Random, ids: IdGenerator | None = None
    ) -> None:
        self._chance = chance
        service = partial(_Service, session_id=session_id, ids=ids)
        self._storefront, self._pricing, self._payments = map(
            service, ("storefront", "pricing", "payments")
        )

    def visit(self, at_ms: float) -> float:
        """Record a page of a product; return when it ends."""
        sku = self._chance.choice(_PRODUCTS)
        root = _enter(self._storefront, "GET", f"/products/{sku}", at_ms)
        self._storefront.log(SeverityNumber.INFO, f"Showing {sku}", at_ms + 2, root)
        end = self._price(sku, at_ms + 4, root)
        if self._chance.random() < _SCARCE:
            self._storefront.log(
                SeverityNumber.WARN,
                f"Only {self._chance.randint(1, 3)} of {sku} left",
                end + 1,
                root,
            )
        return _end(root, end + 3, 200)

    def pay(self, at_ms: float) -> float:
        """Record a checkout whose payment is declined; return when it ends."""
        root = _enter(self._storefront, "POST", "/checkout", at_ms)
        end = self._price("sofa", self._price("lamp", at_ms + 3, root), root)
        self._storefront.log(SeverityNumber.INFO, "Charging 349.80 EUR", end + 1, root)
        call = self._call("POST", "http://payments/charges", end + 2, root)
        bank = _enter(self._payments, "POST", "/charges", end + 4, call)
        query = self._payments.start(
            "SELECT cards",
            end + 6,
            SpanKind.CLIENT,
            set_span_in_context(bank),
            db_system="postgresql",
        )
        query.end(int((end + 11) * _NS_PER_MS))
        self._payments.log(
            SeverityNumber.ERROR, "The bank declines: insufficient funds", end + 60, bank
        )
        _end(bank, end + 64, 402)
        _end(call, end + 66, 402)
        declined = PaymentDeclinedError("card declined for 349.80 EUR")
        raised = {
            "exception.type": "storefront.payment.PaymentDeclinedError",
            "exception.stacktrace": _STACK,
        }
        root.record_exception(declined, raised, timestamp=int((end + 67) * _NS_PER_MS))
        root.set_status(
            Status(StatusCode.ERROR, "PaymentDeclinedError: card declined for 349.80 EUR")
        )
        return _end(root, end + 70, 500)

    def operations(self, encoder: Encoder) -> list[Operation]:
        """Return all that was recorded as the exporter would send it."""
        encoded = [
            part
            for service in (self._storefront, self._pricing, self._payments)
            for part in service.encoded(encoder)
        ]
        return [operation for part in encoded for operation in part.operations]

    def _call(self, method: str, url: str, at_ms: float, inside: Span) -> Span:
        return self._storefront.start(
            method,
            at_ms,
            SpanKind.CLIENT,
            set_span_in_context(inside),
            http_method=method,
            http_url=url,
        )

    def _price(self, sku: str, at_ms: float, inside: Span) -> float:
        took = self._chance.uniform(12, 60)
        call = self._call("GET", f"http://pricing/prices/{sku}", at_ms, inside)
        served = _enter(self._pricing, "GET", f"/prices/{sku}", at_ms + 2, call)
        query = self._pricing.start(
            "SELECT prices",
            at_ms + 3,
            SpanKind.CLIENT,
            set_span_in_context(served),
            db_system="postgresql",
        )
        self._pricing.log(
            SeverityNumber.DEBUG,
            f"Price of {sku} from the table of today",
            at_ms + took - 3,
            served,
        )
        query.end(int((at_ms + took - 4) * _NS_PER_MS))
        _end(served, at_ms + took - 2, 200)
        return _end(call, at_ms + took, 200)


def _enter(
    service: _Service, method: str, path: str, at_ms: float, caller: Span | None = None
) -> Span:
    context = set_span_in_context(caller) if caller else None
    return service.start(
        f"{method} {path}",
        at_ms,
        SpanKind.SERVER,
        context,
        http_request_method=method,
        http_route=path,
        url_path=path,
    )


def _end(span: Span, at_ms: float, status: int) -> float:
    span.set_attribute("http.response.status_code", status)
    span.end(int(at_ms * _NS_PER_MS))
    return at_ms
