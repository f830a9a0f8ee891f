"""A session of a shop, made by a real SDK and written by the exporter's own encoder: three services, bursts of requests, pauses, a failed payment."""

from __future__ import annotations

import random
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from otel_asayer.documents import DocumentSettings, Encoder
from otel_asayer.session_id import EPOCH_MS
from otel_asayer.spool import LOCAL, Spool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opentelemetry.context import Context

    from otel_asayer.documents import Encoded

REPLAY_URL: Final = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"
MS: Final = 1_000_000
_BATCH: Final = 512
_PRODUCTS: Final = ("lamp", "sofa", "table", "chair", "shelf", "rug")
STACK: Final = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/flask/app.py", line 880, in full_dispatch_request
    rv = self.dispatch_request()
         ^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/.venv/lib/python3.12/site-packages/flask/app.py", line 865, in dispatch_request
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


class _Ids(IdGenerator):
    """Ids of a seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def generate_trace_id(self) -> int:
        return self._chance.getrandbits(127) + 1

    def generate_span_id(self) -> int:
        return self._chance.getrandbits(63) + 1


class _Service:
    """One service's tracer and logger."""

    def __init__(self, name: str, session_id: str, ids: IdGenerator) -> None:
        resource = Resource({"service.name": name, "service.version": "4.2.0", "deployment.environment.name": "production", "host.name": f"{name}-7"})
        self._session = {"session.id": session_id}
        self._spans, self._records = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._records))
        self._tracer = tracers.get_tracer("opentelemetry.instrumentation.flask", "0.66b1")
        self._logger = loggers.get_logger(f"shop.{name}")

    def start(self, name: str, at_ms: float, kind: SpanKind, context: Context | None = None, **attributes: Any) -> Span:
        named = {name.replace("_", "."): value for name, value in attributes.items()}
        return self._tracer.start_span(name, context, kind, {**named, **self._session}, start_time=int(at_ms * MS))

    def log(self, level: SeverityNumber, text: str, at_ms: float, span: Span, **attributes: Any) -> None:
        body = LogRecord(
            timestamp=int(at_ms * MS),
            context=set_span_in_context(span),
            severity_number=level,
            severity_text=level.name,
            body=text,
            attributes={"code.function.name": "view", **attributes, **self._session},
        )
        self._logger.emit(body)

    def encoded(self, encoder: Encoder) -> list[Encoded]:
        return [encoder.spans(self._spans.get_finished_spans()), encoder.log_records(self._records.get_finished_logs())]


class Shop:
    """Records requests of one session.

    Args:
        started_at_ms: when the session starts, milliseconds since 1970.
        seed: the same makes the same.
    """

    def __init__(self, started_at_ms: int, seed: int = 7) -> None:
        self.session_id = str((started_at_ms - EPOCH_MS) << 24 | 1 << 8 | 5)
        self._chance = random.Random(seed)
        service = partial(_Service, session_id=self.session_id, ids=_Ids(self._chance))
        self._storefront, self._pricing, self._payments = map(service, ("storefront", "pricing", "payments"))

    def visit(self, at_ms: float) -> float:
        """Record a page of a product; return when it ends."""
        sku = self._chance.choice(_PRODUCTS)
        root = _enter(self._storefront, "GET", f"/products/{sku}", at_ms)
        self._storefront.log(SeverityNumber.INFO, f"Showing {sku}", at_ms + 2, root)
        end = self._price(sku, at_ms + 4, root)
        if self._chance.random() < 0.2:
            self._storefront.log(SeverityNumber.WARN, f"Only {self._chance.randint(1, 3)} of {sku} left", end + 1, root)
        return _end(root, end + 3, 200)

    def pay(self, at_ms: float) -> float:
        """Record a checkout whose payment is declined; return when it ends."""
        root = _enter(self._storefront, "POST", "/checkout", at_ms)
        end = self._price("sofa", self._price("lamp", at_ms + 3, root), root)
        self._storefront.log(SeverityNumber.INFO, "Charging 349.80 EUR", end + 1, root)
        call = self._call("POST", "http://payments/charges", end + 2, root)
        bank = _enter(self._payments, "POST", "/charges", end + 4, call)
        query = self._payments.start("SELECT cards", end + 6, SpanKind.CLIENT, set_span_in_context(bank), db_system="postgresql")
        query.end(int((end + 11) * MS))
        self._payments.log(SeverityNumber.ERROR, "The bank declines: insufficient funds", end + 60, bank)
        _end(bank, end + 64, 402)
        _end(call, end + 66, 402)
        declined = PaymentDeclinedError("card declined for 349.80 EUR")
        root.record_exception(
            declined, {"exception.type": "storefront.payment.PaymentDeclinedError", "exception.stacktrace": STACK}, timestamp=int((end + 67) * MS)
        )
        root.set_status(Status(StatusCode.ERROR, "PaymentDeclinedError: card declined for 349.80 EUR"))
        return _end(root, end + 70, 500)

    def operations(self) -> list[bytes]:
        """Return all of it as the exporter writes it."""
        ids = count()
        encoder = Encoder(DocumentSettings(replay_url=REPLAY_URL), lambda: f"log{next(ids):017}")
        encoded = [part for service in (self._storefront, self._pricing, self._payments) for part in service.encoded(encoder)]
        return [operation for part in encoded for operation in part.operations]

    def _call(self, method: str, url: str, at_ms: float, inside: Span) -> Span:
        return self._storefront.start(method, at_ms, SpanKind.CLIENT, set_span_in_context(inside), http_method=method, http_url=url)

    def _price(self, sku: str, at_ms: float, inside: Span) -> float:
        took = self._chance.uniform(12, 60)
        call = self._call("GET", f"http://pricing/prices/{sku}", at_ms, inside)
        served = _enter(self._pricing, "GET", f"/prices/{sku}", at_ms + 2, call)
        query = self._pricing.start("SELECT prices", at_ms + 3, SpanKind.CLIENT, set_span_in_context(served), db_system="postgresql")
        self._pricing.log(SeverityNumber.DEBUG, f"Price of {sku} from the table of today", at_ms + took - 3, served)
        query.end(int((at_ms + took - 4) * MS))
        _end(served, at_ms + took - 2, 200)
        return _end(call, at_ms + took, 200)


def write(root: Path, operations: Sequence[bytes]) -> None:
    """Write operations into the local store, in bodies of the size of a batch."""
    store = Spool(root, LOCAL, max_bytes=2**30)
    for start in range(0, len(operations), _BATCH):
        store.write(operations[start : start + _BATCH])


def small(started_at_ms: int) -> Shop:
    """Ten minutes: five bursts of visits, and a payment that is declined."""
    shop = Shop(started_at_ms)
    for burst, requests in enumerate((2, 3, 2, 3)):
        at_ms = started_at_ms + 3_000 + burst * 131_000.0
        for _ in range(requests):
            at_ms = shop.visit(at_ms) + 40
    shop.pay(started_at_ms + 571_000)
    return shop


def large(started_at_ms: int, documents: int = 10_000) -> Shop:
    """Forty minutes with about so many documents."""
    shop = Shop(started_at_ms)
    for number in range(documents // 6):  # a visit is six documents, and one in five has a warning
        shop.visit(started_at_ms + 2_400_000 * number / (documents / 6))
    shop.pay(started_at_ms + 2_410_000)
    return shop


def _enter(service: _Service, method: str, path: str, at_ms: float, caller: Span | None = None) -> Span:
    context = set_span_in_context(caller) if caller else None
    return service.start(f"{method} {path}", at_ms, SpanKind.SERVER, context, http_request_method=method, http_route=path, url_path=path)


def _end(span: Span, at_ms: float, status: int) -> float:
    span.set_attribute("http.response.status_code", status)
    span.end(int(at_ms * MS))
    return at_ms
