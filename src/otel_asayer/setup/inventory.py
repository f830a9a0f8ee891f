"""What stands on a server, read from its answers:

index templates, who bears the readers' alias, and what is left of earlier versions. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents import day_of_index
from otel_asayer.setup.template_bodies import MANAGED_BY, READERS_ALIAS, IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = [
    "BEARERS",
    "REPLAY_INDICES",
    "TEMPLATES",
    "Clash",
    "Template",
    "clash_of",
    "days_in",
    "example_of",
    "former_sentence",
    "former_streams",
    "hidden_sentence",
    "mapping_gap",
    "rival_of",
    "stream_of",
    "templates_in",
]

_TEMPLATE_FIELDS: Final = (
    "index_patterns",
    "priority",
    "_meta",
    "data_stream",
    "template.aliases",
    "template.lifecycle",
    "template.settings.index.lifecycle.name",
)
TEMPLATES: Final = "/_index_template?filter_path=index_templates.name," + ",".join(
    f"index_templates.index_template.{field}" for field in _TEMPLATE_FIELDS
)
"""Where to GET what `templates_in` reads."""
BEARERS: Final = f"/_resolve/index/{READERS_ALIAS}"
"""Where to GET what `clash_of` reads; 404 when nothing has the name."""

REPLAY_INDICES: Final = "/_resolve/index/asayer-logs-*"
"""Where to GET what `former_streams` and `days_in` read."""
_FORMER_STREAM: Final = re.compile(r"asayer-logs-.*")
_BACKING_INDEX: Final = re.compile(r"\.ds-(?P<stream>.+)-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{6}")
_ANY_DAY: Final = "2000.01.01"
_DECISIVE: Final = ("type", "similarity", "path", "subobjects", "index")
"""Of a field's mapping: what Elasticsearch cannot change later, and what our searches rest on."""


class Template(NamedTuple):
    """An index template that the server has."""

    name: str
    patterns: tuple[str, ...]
    priority: int
    managed_by: str = ""
    version: str = ""
    """Of its owner's software, where `_meta` tells."""
    retention: str = ""
    has_alias: bool = False
    """Whether its streams bear the readers' alias."""
    is_of_streams: bool = False
    """Whether it makes data streams, and no plain indices."""
    policy: str = ""
    """The policy of index lifecycle management that it gives to its indices."""

    @property
    def stranger(self) -> str:
        """Why it is not for us to change, where it has a name of ours: a sentence, or nothing."""
        return (
            ""
            if self.managed_by == MANAGED_BY
            else f"Somebody else made it: its _meta does not say managed_by: {MANAGED_BY}."
        )

    def matches(self, stream: str) -> bool:
        """Whether one of its patterns fits a data stream of this name."""
        return any(_fits(pattern, stream) for pattern in self.patterns)


def _fits(pattern: str, name: str) -> bool:
    """Whether a pattern with stars fits a name.

    As a regular expression, a dozen stars of a hostile server's would take for ever.
    """
    head, *parts = pattern.split("*")
    if not parts:
        return pattern == name
    place = len(head)
    for part in parts[:-1]:
        found = name.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return (
        name.startswith(head) and name.endswith(parts[-1]) and len(name) - len(parts[-1]) >= place
    )


def templates_in(content: Mapping[str, Any]) -> tuple[Template, ...]:
    """Return the templates of the answer to GET `TEMPLATES`."""
    return tuple(
        _template(entry["name"], entry["index_template"])
        for entry in content.get("index_templates", ())
    )


def _template(name: str, body: Mapping[str, Any]) -> Template:
    meta, template = body.get("_meta", {}), body.get("template", {})
    return Template(
        name,
        tuple(body["index_patterns"]),
        body.get("priority", 0),
        str(meta.get("managed_by", "")),
        str(meta.get("version", "")),
        str(template.get("lifecycle", {}).get("data_retention", "")),
        READERS_ALIAS in template.get("aliases", {}),
        "data_stream" in body,
        str(template.get("settings", {}).get("index", {}).get("lifecycle", {}).get("name", "")),
    )


def stream_of(template: IndexTemplate, config: Config) -> str:
    """Return the data stream of a template that these settings write to; of replay records, the pattern of their indices."""
    return template.stream.format(
        dataset=config.dataset.removesuffix(".otel"), namespace=config.namespace
    )


def example_of(stream: str) -> str:
    """Return the name of one index that a pattern fits, for requests that take no pattern."""
    return stream.replace("*", _ANY_DAY)


def rival_of(template: IndexTemplate, stream: str, present: Iterable[Template]) -> Template | None:
    """Return the template that takes `stream` before ours: Elasticsearch's own, or the user's."""
    rivals = [
        other for other in present if other.priority > template.priority and other.matches(stream)
    ]
    return max(rivals, key=lambda rival: rival.priority, default=None)


def hidden_sentence(
    rival: Template, indices: str, priority: int, simulated: Mapping[str, Any]
) -> str:
    """Say what is wrong when `rival` takes the indices of replay records, without the last full
    stop; nothing when it does what ours would do.

    Args:
        rival: the template.
        indices: the pattern of their names.
        priority: of our template.
        simulated: the answer to POST `/_index_template/_simulate_index/<one of the indices>`.
    """
    way_out = f"exclude them from that template's patterns, or give that template a priority below {priority}"
    if rival.is_of_streams:
        return f"The index template {rival.name} makes data streams of {indices}, whose rows Asayer / OpenReplay would show out of order: {way_out}"
    if READERS_ALIAS in simulated.get("template", {}).get("aliases", {}):
        return ""
    return (
        f"The index template {rival.name} takes the indices {indices} without the alias "
        f"{READERS_ALIAS!r}, so Asayer / OpenReplay would never "
        f"see what is written there: {way_out}"
    )


def former_streams(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the data streams of replay records that an earlier version made, from the answer to GET `REPLAY_INDICES` or `BEARERS`."""
    listed = {stream["name"] for stream in resolved.get("data_streams", ())}
    aliased = {
        _stream_of_backing(index)
        for alias in resolved.get("aliases", ())
        for index in alias["indices"]
        if _is_of_stream(index)
    }
    return tuple(sorted(filter(_FORMER_STREAM.fullmatch, listed | aliased)))


def former_sentence(streams: Sequence[str]) -> str:
    """Say that such data streams are in the way, and what to do, without the last full stop."""
    names = ", ".join(streams)
    what, them = ("The data stream", "it") if len(streams) == 1 else ("The data streams", "them")
    return (
        f"{what} {names} of an earlier version of otel-asayer cannot share templates and alias "
        f"with the plain indices that replay records go to "
        f"now: delete {them}, with what was recorded (DELETE /_data_stream/{','.join(streams)})"
    )


def days_in(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the indices of replay records, from the answer to GET `REPLAY_INDICES`."""
    names = (index["name"] for index in resolved.get("indices", ()) if "data_stream" not in index)
    return tuple(sorted(name for name in names if day_of_index(name)))


class Clash(NamedTuple):
    """Something that is not ours has the readers' alias, or its very name."""

    kind: str
    """What is called so: `index`, `data stream`, or `alias`."""
    bearers: tuple[str, ...] = ()
    """Of an alias: the data streams under it. Plain indices may share it."""

    def __str__(self) -> str:
        """The first half of a sentence that says so, and what to do."""
        if self.kind != "alias":
            return (
                f"An index or data stream is called {READERS_ALIAS!r}, which has to be an alias of "
                f"the replay records, for Asayer / OpenReplay "
                "reads nothing else: move its documents to another name (POST /_reindex) and "
                "delete it"
            )
        return (
            f"The alias {READERS_ALIAS!r}, which Asayer / OpenReplay reads, stands on the data "
            f"streams {', '.join(self.bearers)}, and Elasticsearch "
            "lets no alias stand on data streams and on plain indices: take the alias away there "
            "(POST /_aliases)"
        )


def clash_of(resolved: Mapping[str, Any]) -> Clash | None:
    """Return who bears the readers' alias so that replay records cannot, from the answer to GET `BEARERS`."""
    for kind, entries in (
        ("index", resolved.get("indices", ())),
        ("data stream", resolved.get("data_streams", ())),
    ):
        if any(entry["name"] == READERS_ALIAS for entry in entries):
            return Clash(kind)
    backing = (
        index
        for alias in resolved.get("aliases", ())
        for index in alias["indices"]
        if _is_of_stream(index)
    )
    streams = sorted(
        {
            stream
            for stream in map(_stream_of_backing, backing)
            if not _FORMER_STREAM.fullmatch(stream)
        }
    )
    return Clash("alias", tuple(streams)) if streams else None


def _is_of_stream(index: str) -> bool:
    return _BACKING_INDEX.fullmatch(index) is not None


def _stream_of_backing(index: str) -> str:
    return _BACKING_INDEX.sub(r"\g<stream>", index)


def mapping_gap(
    wanted: Mapping[str, Any], there: Mapping[str, Any], path: str = ""
) -> tuple[dict[str, Any], Sequence[str]]:
    """Compare the `properties` of two mappings.

    Returns:
        What `there` lacks, in the form of `properties`; and the paths of fields that contradict,
        which no request can change.
    """
    missing: dict[str, Any] = {}
    contradictions: list[str] = []
    for name, field in wanted.items():
        present = there.get(name)
        if present is None:
            missing[name] = field
        elif any(_decisive(field, key) != _decisive(present, key) for key in _DECISIVE):
            contradictions.append(f"{path}{name}")
        elif "properties" in field:
            lacking, contradicting = mapping_gap(
                field["properties"], present.get("properties", {}), f"{path}{name}."
            )
            contradictions += contradicting
            if lacking:
                missing[name] = {**field, "properties": lacking}
    return missing, contradictions


def _decisive(field: Mapping[str, Any], key: str) -> Any:
    """A parameter of a field's mapping; an object may leave its type out, and what is indexed need not say so."""
    return field.get(key, {"type": "object", "index": True}.get(key))
