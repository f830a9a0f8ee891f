"""Which propagators are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.propagators.textmap import TextMapPropagator

__all__ = ["propagators"]


def propagators(textmap: TextMapPropagator) -> list[TextMapPropagator]:
    """Return the members of a composite propagator, those of its members included; any other
    propagator is its only member.

    The list has a private name in OpenTelemetry's API; without it a composite counts as one
    propagator.
    """
    members: Iterable[TextMapPropagator] | None = getattr(textmap, "_propagators", None)
    return (
        [textmap]
        if members is None
        else [inner for member in members for inner in propagators(member)]
    )
