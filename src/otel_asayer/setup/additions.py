"""What an owner added to an index template of ours, and keeps when it is upgraded. Pure.

Where both say something, ours counts: an upgrade may have to change it. `setup --restore-templates`
drops the additions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.setup.templates import READERS_ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["with_additions"]

_LISTS: Final = ("composed_of", "ignore_missing_component_templates")


def with_additions(
    ours: Mapping[str, Any], there: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return our template with what an owner added to it, and the names of that.

    Args:
        ours: the template to send, settings by dotted names.
        there: the template as the server has it: `composed_of`, component templates that may be
            missing, settings, aliases, fields and dynamic templates are looked at.
    """
    template, installed = ours["template"], there.get("template", {})
    settings = {
        name: value
        for name, value in _flat(installed.get("settings", {}))
        if name not in template["settings"]
    }
    aliases = {
        name: value for name, value in installed.get("aliases", {}).items() if name != READERS_ALIAS
    }
    mappings, fields = _with_fields(template["mappings"], installed.get("mappings", {}))
    own = {one for entry in mappings.get("dynamic_templates", ()) for one in entry}
    dynamic = [
        entry
        for entry in installed.get("mappings", {}).get("dynamic_templates", ())
        if not own.issuperset(entry)
    ]
    if dynamic:
        mappings["dynamic_templates"] = [*mappings.get("dynamic_templates", ()), *dynamic]
    lists = {
        name: [one for one in there.get(name, ()) if one not in ours.get(name, ())]
        for name in _LISTS
    }
    merged = {
        **ours,
        **{name: [*ours.get(name, ()), *more] for name, more in lists.items() if more},
        "template": {
            **template,
            "settings": {**settings, **template["settings"]},
            "mappings": mappings,
            **({"aliases": {**aliases, **template.get("aliases", {})}} if aliases else {}),
        },
    }
    names = (
        *(f"component {one}" for one in lists["composed_of"]),
        *(f"setting {name}" for name in settings),
        *(f"alias {name}" for name in aliases),
        *(f"field {name}" for name in fields),
        *(f"dynamic template {name}" for entry in dynamic for name in entry),
    )
    return merged, names


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings by dotted names; Elasticsearch returns them as objects."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _with_fields(
    ours: Mapping[str, Any], there: Mapping[str, Any], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Return a mapping or an object field with fields that only the other has, and their names."""
    fields = dict(ours.get("properties", {}))
    added = []
    for name, field in there.get("properties", {}).items():
        if name not in fields:
            fields[name] = field
            added.append(f"{prefix}{name}")
        elif "properties" in fields[name]:
            fields[name], inner = _with_fields(fields[name], field, f"{prefix}{name}.")
            added += inner
    return {**ours, **({"properties": fields} if fields else {})}, added
