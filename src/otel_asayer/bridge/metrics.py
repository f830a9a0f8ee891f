"""What the bridge reports about itself, as OpenTelemetry metrics; see `delivery.metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Meter, Observation

from otel_asayer.delivery.metrics import Instrument

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_asayer.bridge.bridge import Counts

__all__ = ["INSTRUMENTS", "observe"]

_OUTCOME: Final = "otel_asayer.outcome"
_REASON: Final = "otel_asayer.bridge.reason"

INSTRUMENTS: Final = {
    instrument.name: instrument
    for instrument in (
        Instrument(
            "otel_asayer.bridge.documents",
            "observable_counter",
            "{document}",
            (),
            "Documents that the bridge has read: spans, log records and exceptions.",
        ),
        Instrument(
            "otel_asayer.bridge.records",
            "observable_counter",
            "{record}",
            (_OUTCOME,),
            "Replay records that the bridge has written (indexed), that were there already "
            "(duplicate), or that Elasticsearch refused for good (rejected).",
        ),
        Instrument(
            "otel_asayer.bridge.skipped",
            "observable_counter",
            "{document}",
            (_REASON,),
            "Documents without a record: their session or ids are not valid (invalid), or an "
            "exception's span has no session (no_session) or did not come in time (no_span).",
        ),
        Instrument(
            "otel_asayer.bridge.waiting",
            "observable_gauge",
            "{document}",
            (),
            "Exceptions that wait for their span.",
        ),
    )
}
"""All metrics of the bridge, by name."""


def observe(meter: Meter, counts: Callable[[], Counts]) -> None:
    """Observe what a bridge counts."""

    def by(attribute: str, values: Callable[[Counts], dict[str, int]]) -> list[Observation]:
        return [Observation(number, {attribute: name}) for name, number in values(counts()).items()]

    INSTRUMENTS["otel_asayer.bridge.documents"].create(
        meter, lambda _: [Observation(counts().read)]
    )
    INSTRUMENTS["otel_asayer.bridge.records"].create(
        meter,
        lambda _: by(
            _OUTCOME,
            lambda one: {
                "indexed": one.written,
                "duplicate": one.present,
                "rejected": one.refused,
            },
        ),
    )
    INSTRUMENTS["otel_asayer.bridge.skipped"].create(
        meter,
        lambda _: by(
            _REASON,
            lambda one: {
                "invalid": one.ignored,
                "no_session": one.without_session,
                "no_span": one.without_span,
            },
        ),
    )
    INSTRUMENTS["otel_asayer.bridge.waiting"].create(
        meter, lambda _: [Observation(counts().waiting)]
    )
