"""What this package reports about itself, as OpenTelemetry metrics.

Of each exporter: the metrics of the semantic conventions
(https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/). Under names of our own: what became
of documents, and what waits in the spool. Both are read when somebody collects them, from counts
that exist anyway, and so cost an export nothing. Without a MeterProvider nobody collects.

After a fork the child's own counts are read, because what a delivery counts belongs to its process.
Nothing here raises.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.metrics import (
    CallbackOptions,
    Meter,
    MeterProvider,
    NoOpMeter,
    Observation,
    get_meter,
)

from otel_asayer.config import Config, sdk_disabled
from otel_asayer.delivery.outcomes import NO_CAUSE
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.errors import AsayerError
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otel_asayer.delivery.delivery import Delivery
    from otel_asayer.spool import Spool, SpoolStatus

__all__ = ["INSTRUMENTS", "ExporterMetrics", "Instrument", "meter_of", "observe"]

_logger = logging.getLogger(__name__)

_SCOPE: Final = "otel_asayer"
"""Name of the meter."""

_COMPONENT_NAME: Final = "otel.component.name"
_COMPONENT_TYPE: Final = "otel.component.type"
_ERROR_TYPE: Final = "error.type"
_FOLDER: Final = "otel_asayer.spool.folder"
_OUTCOME: Final = "otel_asayer.outcome"
_STATUS_CODE: Final = "http.response.status_code"
_SERVER_ADDRESS: Final = "server.address"
_SERVER_PORT: Final = "server.port"

_EXPORTER: Final = (_COMPONENT_NAME, _COMPONENT_TYPE, _SERVER_ADDRESS, _SERVER_PORT)

_LOOK_EVERY: Final = 5.0
"""Seconds for which one look at the spool serves its two gauges, and all readers."""


class Instrument(NamedTuple):
    """One metric; `kind` is the method of a `Meter` that makes it, without `create_`."""

    name: str
    kind: str
    unit: str
    attributes: tuple[str, ...]
    description: str

    def create(
        self, meter: Meter, *callbacks: Callable[[CallbackOptions], Iterable[Observation]]
    ) -> Any:
        """Make it; an observable one reads `callbacks`."""
        return getattr(meter, f"create_{self.kind}")(
            self.name,
            unit=self.unit,
            description=self.description,
            **({"callbacks": callbacks} if callbacks else {}),
        )


_RECORDS: Final = (("span", "{span}", "spans"), ("log", "{log_record}", "log records"))
"""Of each signal: its word in names, the unit, and its word in descriptions."""

INSTRUMENTS: Final = {
    instrument.name: instrument
    for instrument in (
        *(
            Instrument(
                f"otel.sdk.exporter.{signal}.exported",
                "counter",
                unit,
                (*_EXPORTER, _ERROR_TYPE),
                f"The number of {what} for which the export has finished: on the disk is "
                "successful, lost or refused is failed.",
            )
            for signal, unit, what in _RECORDS
        ),
        *(
            Instrument(
                f"otel.sdk.exporter.{signal}.inflight",
                "up_down_counter",
                unit,
                _EXPORTER,
                f"The number of {what} which were passed to the exporter, but that have not been "
                "exported yet.",
            )
            for signal, unit, what in _RECORDS
        ),
        Instrument(
            "otel.sdk.exporter.operation.duration",
            "histogram",
            "s",
            (*_EXPORTER, _ERROR_TYPE, _STATUS_CODE),
            "The duration of exporting a batch of telemetry records, all tries together; what a "
            "thread sends later from the disk is not in it.",
        ),
        Instrument(
            "otel_asayer.documents",
            "observable_counter",
            "{document}",
            (_OUTCOME, _ERROR_TYPE, _SERVER_ADDRESS, _SERVER_PORT),
            "What became of documents, as counted by this process.",
        ),
        Instrument(
            "otel_asayer.spool.size",
            "observable_gauge",
            "By",
            (_FOLDER,),
            "What waits in the spool takes on the disk. Processes that share a folder all report "
            "it: take the greatest, not the sum.",
        ),
        Instrument(
            "otel_asayer.spool.documents",
            "observable_gauge",
            "{document}",
            (_FOLDER,),
            "Documents that wait in the spool. Processes that share a folder all report it: take "
            "the greatest, not the sum.",
        ),
    )
}
"""All metrics, by name."""


def meter_of(provider: MeterProvider | None) -> Meter:
    """Return our meter of `provider`; default: the global one, which may be set later."""
    try:
        return NoOpMeter(_SCOPE) if sdk_disabled() else get_meter(_SCOPE, __version__, provider)
    except Exception:  # OTEL_PYTHON_METER_PROVIDER names one that cannot be loaded
        _logger.warning(
            "There is no MeterProvider, and so there are no metrics of otel-asayer.", exc_info=True
        )
        return NoOpMeter(_SCOPE)


class ExportObservation(Counter[Cause]):
    """One export: how many of its spans or log records it lost, by cause."""

    status: int | None = None
    """The status of its last answer; None without any."""


class ExporterMetrics:
    """The metrics of one exporter.

    Args:
        meter: makes the instruments.
        exporter: its class; no type of the semantic conventions applies, so they ask for the name
            of ours.
        signal: `span` or `log`.
        config: where it exports to.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        meter: Meter,
        exporter: type,
        signal: str,
        config: Config,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        kind = f"{exporter.__module__}.{exporter.__qualname__}"
        self._attributes = {
            _COMPONENT_NAME: f"{kind}/{next(_instances[kind])}",
            _COMPONENT_TYPE: kind,
            **_server(config),
        }
        self._exported = INSTRUMENTS[f"otel.sdk.exporter.{signal}.exported"].create(meter)
        self._inflight = INSTRUMENTS[f"otel.sdk.exporter.{signal}.inflight"].create(meter)
        self._duration = INSTRUMENTS["otel.sdk.exporter.operation.duration"].create(meter)
        self._clock = clock

    @contextmanager
    def operation(self, number: int) -> Iterator[ExportObservation]:
        """Observe the export of `number` spans or log records.

        The block counts those that it loses, by cause, in what it is given.
        """
        lost = ExportObservation()
        begin = self._clock()
        self._record(self._inflight.add, number)
        try:
            yield lost
        finally:
            self._record(self._inflight.add, -number)
            if number:
                self._finish(number, lost, self._clock() - begin)

    def _finish(self, number: int, lost: ExportObservation, seconds: float) -> None:
        causes = [cause for cause, lost_number in lost.items() if lost_number]
        self._record(
            self._duration.record,
            seconds,
            *causes[-1:],
            more={} if lost.status is None else {_STATUS_CODE: lost.status},
        )
        for cause in causes:
            self._record(self._exported.add, lost[cause], cause)
        if (exported := number - sum(lost.values())) > 0:
            self._record(self._exported.add, exported)

    def _record(
        self,
        write: Callable[..., None],
        value: float,
        cause: Cause = NO_CAUSE,
        *,
        more: Mapping[str, int] | None = None,
    ) -> None:
        try:
            write(value, {**self._attributes, **_error(cause), **(more or {})})
        except Exception:
            _logger.debug("A metric could not be recorded.", exc_info=True)


def observe(
    meter: Meter,
    deliveries: Callable[[], Iterable[Delivery]],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Observe what becomes of documents, and the spools.

    Those deliveries count that the process has when somebody collects. A second call with the same
    meter changes nothing: the first reads all deliveries.
    """
    spools = _Spools(deliveries, clock)
    INSTRUMENTS["otel_asayer.documents"].create(meter, lambda _: _documents(deliveries()))
    INSTRUMENTS["otel_asayer.spool.size"].create(
        meter, lambda _: spools.observe(lambda status: status.bytes)
    )
    INSTRUMENTS["otel_asayer.spool.documents"].create(
        meter, lambda _: spools.observe(lambda status: status.documents)
    )


def _documents(deliveries: Iterable[Delivery]) -> list[Observation]:
    totals: Counter[tuple[tuple[str, str | int], ...]] = Counter()
    for delivery in deliveries:
        server = _server(delivery.config)
        for counted, number in delivery.counters.snapshot().items():
            totals[
                tuple({_OUTCOME: counted.outcome.value, **_error(counted.cause), **server}.items())
            ] += number
    return [Observation(number, dict(attributes)) for attributes, number in totals.items()]


class _Spools:
    """What waits in the spools.

    It takes no lock, here or there: an export never waits for it.
    """

    def __init__(
        self, deliveries: Callable[[], Iterable[Delivery]], clock: Callable[[], float]
    ) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._seen: Mapping[str, SpoolStatus] = {}
        self._seen_at = float("-inf")

    def observe(self, measure: Callable[[SpoolStatus], int]) -> list[Observation]:
        if self._clock() - self._seen_at >= _LOOK_EVERY:
            spools = {
                str(delivery.spool.folder): delivery.spool
                for delivery in self._deliveries()
                if delivery.spool
            }
            self._seen = {
                folder: status for folder, spool in spools.items() if (status := _status(spool))
            }
            self._seen_at = self._clock()
        return [
            Observation(measure(status), {_FOLDER: folder}) for folder, status in self._seen.items()
        ]


def _status(spool: Spool) -> SpoolStatus | None:
    try:
        return spool.status()
    except AsayerError as error:
        _logger.debug("The spool cannot be observed: %s", error)
        return None


_instances: Final[defaultdict[str, count[int]]] = defaultdict(count)
"""Numbers of the exporters of each class, as the semantic conventions propose for their names."""


def _server(config: Config) -> dict[str, str | int]:
    """Return where `config` exports to, as attributes: its first endpoint.

    There are none for a Cloud ID, and without a destination.
    """
    first = urlsplit(config.endpoint[0]) if config.endpoint else None
    return {_SERVER_ADDRESS: first.hostname or "", _SERVER_PORT: first.port or 0} if first else {}


def _error(cause: Cause) -> dict[str, str]:
    return {_ERROR_TYPE: cause.error_type} if cause.error_type else {}
