"""A server that refuses some of the settings which put rows in order, as Elastic's serverless one may: they are left out, and that is said. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.setup.template_bodies import ORDERING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUT_OF_ORDER", "Lesser", "without_refused"]

OUT_OF_ORDER: Final = "rows may come out of order in OpenReplay"
_SORT: Final = "index.sort."


class Lesser(NamedTuple):
    """An index template without the settings that a server refuses."""

    body: Mapping[str, Any]
    refused: tuple[str, ...]

    def __str__(self) -> str:
        """Say which those are."""
        return f"Elasticsearch refuses {', '.join(self.refused)}, without which the index template of replay records is installed"


def without_refused(
    body: Mapping[str, Any], reason: str, before: Lesser | None = None
) -> Lesser | None:
    """Return an index template without those of `ORDERING` that the reason for refusing it names;
    None where it names none that it has.

    Field and order of the sort belong together. `before` is what the same template was made less by
    before: a reason may name one at a time.
    """
    body, refused = (before.body, before.refused) if before else (body, ())
    settings = body["template"].get("settings", {})
    named = {
        name
        for name in settings
        if name in ORDERING and re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", reason)
    }
    if any(name.startswith(_SORT) for name in named):
        named |= {name for name in settings if name.startswith(_SORT)}
    if not named:
        return None
    kept = {name: value for name, value in settings.items() if name not in named}
    return Lesser(
        {**body, "template": {**body["template"], "settings": kept}},
        tuple(sorted({*refused, *named})),
    )
