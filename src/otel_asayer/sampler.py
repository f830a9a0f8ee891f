"""Samplers that keep whole sessions, so that a replay shows every request.

Selected by `OTEL_TRACES_SAMPLER=asayer_session` or `parentbased_asayer_session`, with
`OTEL_TRACES_SAMPLER_ARG` as the ratio of all other traces, and by the same names in declarative
configuration, which passes no ratio.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

from otel_asayer.propagation.context import get_session_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

__all__ = ["ParentBasedSessionSampler", "SessionSampler"]

_logger = logging.getLogger(__name__)


class SessionSampler(Sampler):
    """Records and samples every span of a session, and of all other traces a share.

    It ignores the parent's decision: a span of a session is kept even if the caller dropped the
    trace, which then lacks its beginning. `ParentBasedSessionSampler` follows the parent.

    Args:
        arg: the share of traces without a session to keep, from 0 to 1, as a number or text. None
            and an empty text mean 1. Any other value means 1, too, with a warning: the SDK would
            replace a sampler that raises by its default one.
    """

    def __init__(self, arg: float | str | None = None) -> None:
        self._others = TraceIdRatioBased(_ratio(arg))

    def should_sample(  # noqa: PLR0913, PLR0917 (the SDK's signature)
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on a span that is about to start, from the session of its parent context."""
        return (
            self._others if get_session_id(parent_context) is None else ALWAYS_ON
        ).should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Name and ratio, as the SDK's samplers show them."""
        return f"SessionSampler{{{self._others.rate}}}"


class ParentBasedSessionSampler(ParentBased):
    """`SessionSampler` for the first span of a trace; every other span follows its parent.

    A request that arrives with a session *and* with an unsampled parent from another service stays
    unsampled: the caller has decided.

    Args:
        arg: the share of traces that start without a session to keep, as for `SessionSampler`.
    """

    def __init__(self, arg: float | str | None = None) -> None:
        super().__init__(root=SessionSampler(arg))


def _ratio(arg: float | str | None) -> float:
    try:
        ratio = 1.0 if arg is None or (isinstance(arg, str) and not arg.strip()) else float(arg)
    except (TypeError, ValueError):
        ratio = -1.0
    if 0.0 <= ratio <= 1.0:  # NaN is not
        return ratio
    _logger.warning(
        "OTEL_TRACES_SAMPLER_ARG, or the sampler's argument: expected a number from 0 to 1; 1 is "
        "used, and every trace is kept."
    )
    return 1.0
