"""The form that Kibana's import wants of every saved object.

The import migrates an older object, and refuses one of a version that it does not know. So each
bears the version of its type in Kibana 8.9, which 8.12 and everything newer reads; without any
version it would be taken for one of Kibana 6 and be migrated from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PREFIX", "compact", "reference", "saved_object"]

PREFIX: Final = "otel-asayer-"
"""How every id begins. Ids are fixed: a second import replaces what the first one brought."""

_CORE_VERSION: Final = "8.8.0"
_TYPE_VERSIONS: Final = {
    "index-pattern": "8.0.0",
    "search": "8.0.0",
    "lens": "8.9.0",
    "dashboard": "8.9.0",
}


def saved_object(
    kind: str,
    identifier: str,
    attributes: Mapping[str, Any],
    references: Iterable[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return one saved object; `kind` is Kibana's name of its type."""
    return {
        "type": kind,
        "id": identifier,
        "attributes": attributes,
        "references": list(references),
        "managed": False,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[kind],
    }


def reference(name: str, kind: str, identifier: str) -> dict[str, str]:
    """Return the entry through which an object uses another: inside of it, only `name` stands."""
    return {"name": name, "type": kind, "id": identifier}


def compact(value: Any) -> str:
    """Return `value` as JSON in one line. Kibana keeps many an attribute as a string of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
