"""Salvages documents that contradict a mapping: the refused value is set aside, the rest indexed.

Elasticsearch refuses a whole document for one value, and names that value's field in its reason.
Salvaging goes in rounds:

1. The first round sets aside the attribute that the reason names: one of the document, its
   resource, its scope or a link, or its body. Where the reason names none (`Limit of total fields
   [1000] has been exceeded`), every attribute of the document.
2. A document from which something is set aside already was refused again. The second round sets
   aside everything that it can.

The session id always stays, and in the second round the service's name: people find documents by
them.

The values set aside go into one attribute, `otel_asayer.unmapped`, as the JSON text of one map. Its
keys are the names of attributes; keys for the rest are paths (`resource.attributes.<name>`,
`links.0.attributes.<name>`, `body.structured`). An attribute whose own name begins like a path gets
`attributes.` before it.
"""

from __future__ import annotations

import re
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from otel_asayer.attributes import SESSION_ID, UNMAPPED
from otel_asayer.documents.operations import Operation, mentions, source_of, with_source
from otel_asayer.documents.values import json_object
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["is_salvaged", "salvage"]

_SERVICE_NAME: Final = "service.name"
_ATTRIBUTES: Final = "attributes."
_PATHS: Final = (_ATTRIBUTES, "resource.attributes.", "scope.attributes.", "links.", "body.")
_KEPT: Final = frozenset((_ATTRIBUTES + SESSION_ID, _ATTRIBUTES + UNMAPPED))
_MARK: Final = f'"{UNMAPPED}"'.encode()
_FIELD: Final = re.compile(r"failed to parse field \[(.+)\] of type \[")


class _Field(NamedTuple):
    """A value that can be set aside.

    Attributes:
        holder: The map that it is in.
        name: Its name there.
        path: As Elasticsearch writes it in a reason, and sanitized as reasons are.
        key: Its key in `otel_asayer.unmapped`.
    """

    holder: dict[str, Any]
    name: str
    path: str
    key: str


def salvage(operation: Operation, reason: str) -> Operation | None:
    """Return a refused operation with the refused value set aside, or None if nothing is left.

    If its result is refused as well, call it again with that: it sets aside all that it can. The
    third time it returns None.

    Args:
        operation: as `Encoder` makes it. Its first line stays as it is, `_id` included.
        reason: Elasticsearch's reason for refusing the document; it may be cut, and has gone
            through `sanitize_line`.
    """
    document = json_object(source_of(operation))
    # A log record without attributes has a body that can be refused.
    attributes = document.setdefault("attributes", {})
    if not isinstance(attributes, dict) or _is_beyond_help(reason):
        return None
    fields = list(_fields(document, attributes))
    chosen = _everything(fields) if UNMAPPED in attributes else _refused(fields, reason)
    if not chosen:
        return None
    moved = {field.key: field.holder.pop(field.name) for field in chosen}
    attributes[UNMAPPED] = orjson.dumps(_merged(attributes.get(UNMAPPED), moved)).decode()
    return with_source(operation, document)


def is_salvaged(operation: Operation) -> bool:
    """Whether something of the document is set aside already."""
    return mentions(operation, _MARK)


def _is_beyond_help(reason: str) -> bool:
    """Whether the refused value is one that always stays: an id, a time, a name."""
    named = _FIELD.search(reason)
    return named is not None and (named[1] in _KEPT or not named[1].startswith(_PATHS))


def _fields(document: dict[str, Any], attributes: dict[str, Any]) -> Iterator[_Field]:
    for name in attributes:
        if name not in (SESSION_ID, UNMAPPED):
            yield _field(
                attributes,
                _ATTRIBUTES,
                name,
                _ATTRIBUTES + name if name.startswith(_PATHS) else name,
            )
    for part in ("resource", "scope"):
        yield from _within(_map(document.get(part)).get("attributes"), f"{part}.attributes.")
    yield from _within(document.get("body"), "body.")
    links = document.get("links")
    for index, link in enumerate(links if isinstance(links, list) else ()):
        of_link = _map(_map(link).get("attributes"))
        yield from (
            _field(of_link, "links.attributes.", name, f"links.{index}.attributes.{name}")
            for name in of_link
        )


def _within(holder: Any, prefix: str) -> Iterator[_Field]:
    return (_field(holder, prefix, name, prefix + name) for name in _map(holder))


def _field(holder: dict[str, Any], prefix: str, name: str, key: str) -> _Field:
    return _Field(holder, name, sanitize_line(prefix + name), key)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _everything(fields: Iterable[_Field]) -> list[_Field]:
    """Return what the second round sets aside.

    The text of a body stays: it fits any mapping of a text.
    """
    return [
        field
        for field in fields
        if field.key not in (f"resource.attributes.{_SERVICE_NAME}", "body.text")
    ]


def _refused(fields: Sequence[_Field], reason: str) -> list[_Field]:
    """Return what the first round sets aside: the fields that the reason names most clearly."""
    for named in zip(*(_namings(field, reason) for field in fields), strict=True):
        if any(named):
            return list(compress(fields, named))
    return [field for field in fields if field.path.startswith(_ATTRIBUTES)] or _everything(fields)


def _namings(field: _Field, reason: str) -> tuple[bool, ...]:
    """Whether a reason names a field in each of the ways that there are, the clearest first."""
    path, name = field.path, sanitize_line(field.name)
    start = len(next(filter(path.startswith, ("links.attributes.", *_PATHS))))
    _, _, rest = reason.rpartition("[")
    return (
        f"[{path}]" in reason,
        # The refused value is inside the attribute's: `Limit of mapping depth [20] has been
        # exceeded due to object field [attributes.a.a.a]`.
        f"[{path}." in reason,
        # `attributes.a` was refused for an attribute `a.b`, as in mappings with objects.
        any(f"[{path[:dot]}]" in reason for dot in range(start, len(path)) if path[dot] == "."),
        # Reasons are cut, this one in the middle of the name.
        rest.startswith(("links.", *_PATHS)) and "]" not in rest and path.startswith(rest),
        # Without the path.
        reason.endswith((f": ['{name}']", f": [{name}]", f" value for {name}", f"] for {name}"))
        or f" introduction of [{name}] within [" in reason,
    )


def _merged(present: Any, moved: dict[str, Any]) -> dict[str, Any]:
    """Return `moved` together with what was set aside before.

    Anything else in that attribute is the application's own, and is kept as it is.
    """
    before = json_object(present) if isinstance(present, str) else {}
    if present is None or (before and before.keys().isdisjoint(moved)):
        return {**before, **moved}
    return {UNMAPPED: present, **moved}
