"""What a server has, read from its answers: templates, alias, indices and mappings. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents import day_of_index
from otel_asayer.setup.templates import READERS_ALIAS, IndexTemplate, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = [
    "ALIAS",
    "REPLAY_INDICES",
    "TEMPLATES",
    "AliasConflict",
    "InstalledTemplate",
    "alias_conflict",
    "hidden_reason",
    "legacy_streams",
    "legacy_streams_sentence",
    "mapping_difference",
    "overriding_template",
    "replay_indices",
    "stream_name",
    "templates_in",
]

TEMPLATES: Final = "/_index_template?filter_path=index_templates.name," + ",".join(
    f"index_templates.index_template.{field}"
    for field in (
        "index_patterns",
        "priority",
        "_meta",
        "data_stream",
        "template.aliases",
        "template.lifecycle",
        "template.settings.index.lifecycle.name",
    )
)
"""Target of the GET request whose answer `templates_in` reads."""
ALIAS: Final = f"/_resolve/index/{READERS_ALIAS}"
"""Target of the GET request whose answer `alias_conflict` reads; 404 when nothing has the name."""
REPLAY_INDICES: Final = "/_resolve/index/asayer-logs-*"
"""Target of the GET request whose answer `legacy_streams` and `replay_indices` read."""
_LEGACY_STREAM: Final = re.compile(r"asayer-logs-.*")
_BACKING_INDEX: Final = re.compile(r"\.ds-(?P<stream>.+)-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{6}")
# Parameters of a field's mapping that our searches need, and Elasticsearch cannot change later.
_DECISIVE: Final = ("type", "similarity", "path", "subobjects", "index")


class InstalledTemplate(NamedTuple):
    """An index template that the server has.

    Attributes:
        name: Its name.
        patterns: Patterns of the names that get it.
        priority: The highest of several that match wins.
        is_ours: Whether its `_meta` says that otel-asayer made it.
        version: Version of the software that made it, where `_meta` has it.
        retention: How long its data streams keep documents, `30d`; empty for ever.
        has_alias: Whether its indices get the readers' alias.
        makes_streams: Whether it makes data streams, not plain indices.
        policy: The policy of index lifecycle management that its indices follow.
    """

    name: str
    patterns: tuple[str, ...]
    priority: int
    is_ours: bool = False
    version: str = ""
    retention: str = ""
    has_alias: bool = False
    makes_streams: bool = False
    policy: str = ""

    def matches(self, stream: str) -> bool:
        """Whether one of its patterns matches a data stream of this name."""
        # Only stars are special. `fnmatch` does not take forever for a hostile server's dozens.
        return any(
            fnmatchcase(stream, re.sub(r"[?[]", r"[\g<0>]", pattern)) for pattern in self.patterns
        )


def templates_in(content: Mapping[str, Any]) -> tuple[InstalledTemplate, ...]:
    """Return the templates of the answer to GET `TEMPLATES`."""
    return tuple(
        _template(entry["name"], entry["index_template"])
        for entry in content.get("index_templates", ())
    )


def _template(name: str, body: Mapping[str, Any]) -> InstalledTemplate:
    template = body.get("template", {})
    return InstalledTemplate(
        name,
        tuple(body["index_patterns"]),
        body.get("priority", 0),
        is_ours(body),
        str(body.get("_meta", {}).get("version", "")),
        str(template.get("lifecycle", {}).get("data_retention", "")),
        READERS_ALIAS in template.get("aliases", {}),
        "data_stream" in body,
        str(template.get("settings", {}).get("index", {}).get("lifecycle", {}).get("name", "")),
    )


def stream_name(template: IndexTemplate, config: Config) -> str:
    """Return the data stream of a template that these settings write to.

    Of replay records, return the pattern of their indices.
    """
    return template.stream.format(
        dataset=config.dataset.removesuffix(".otel"), namespace=config.namespace
    )


def overriding_template(
    template: IndexTemplate, stream: str, present: Iterable[InstalledTemplate]
) -> InstalledTemplate | None:
    """Return the template that `stream` gets instead of ours, because its priority is higher.

    It is Elasticsearch's own, or the user's.
    """
    return max(
        (one for one in present if one.priority > template.priority and one.matches(stream)),
        key=lambda overriding: overriding.priority,
        default=None,
    )


def hidden_reason(
    taker: InstalledTemplate, indices: str, priority: int, simulated: Mapping[str, Any]
) -> str:
    """Say why readers would not see replay records, or not in order, in a template's indices.

    Args:
        taker: The template that makes the indices of replay records instead of ours.
        indices: The pattern of their names.
        priority: Priority of our template.
        simulated: The answer to POST `/_index_template/_simulate_index/<one of the indices>`.

    Returns:
        A sentence without its full stop; nothing where the template does what ours would do.
    """
    remedy = (
        "exclude them from that template's patterns, or give that template a priority below "
        f"{priority}"
    )
    if taker.makes_streams:
        return (
            f"The index template {taker.name} makes data streams of {indices}, and Asayer / "
            f"OpenReplay would show their rows out of order: {remedy}"
        )
    if READERS_ALIAS in simulated.get("template", {}).get("aliases", {}):
        return ""
    return (
        f"The index template {taker.name} takes the indices {indices} without the alias "
        f"{READERS_ALIAS!r}, so Asayer / OpenReplay would never see what is written there: {remedy}"
    )


def legacy_streams(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the data streams of replay records that an earlier version of otel-asayer made.

    Args:
        resolved: The answer to GET `REPLAY_INDICES` or `ALIAS`.
    """
    listed = {stream["name"] for stream in resolved.get("data_streams", ())}
    return tuple(
        sorted(filter(_LEGACY_STREAM.fullmatch, listed.union(_streams_with_alias(resolved))))
    )


def legacy_streams_sentence(streams: Sequence[str]) -> str:
    """Say that such data streams have to go, without the full stop."""
    names = ", ".join(streams)
    what, them = ("The data stream", "it") if len(streams) == 1 else ("The data streams", "them")
    return (
        f"{what} {names} of an earlier version of otel-asayer cannot share templates and alias "
        f"with the plain indices that replay records go to now: delete {them} and "
        f"everything in {them} (DELETE /_data_stream/{','.join(streams)})"
    )


def replay_indices(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the indices of replay records, from the answer to GET `REPLAY_INDICES`."""
    return tuple(
        sorted(
            index["name"]
            for index in resolved.get("indices", ())
            if "data_stream" not in index and day_of_index(index["name"])
        )
    )


class AliasConflict(NamedTuple):
    """Something of somebody else's has the readers' alias, or its very name.

    Attributes:
        kind: What has the name: `index`, `data stream`, or `alias`.
        streams: The data streams that an alias points to. It may point to plain indices.
    """

    kind: str
    streams: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say so, and what to do, as the first half of a sentence."""
        if self.kind != "alias":
            return (
                f"An index or data stream is called {READERS_ALIAS!r}, but Asayer / OpenReplay "
                "reads replay records only through an alias of that name: move its documents to "
                "another name (POST /_reindex) and delete it"
            )
        return (
            f"The alias {READERS_ALIAS!r}, which Asayer / OpenReplay reads, points to the data "
            f"streams {', '.join(self.streams)}, and in Elasticsearch no alias can point to both "
            "data streams and plain indices: remove the alias there (POST /_aliases)"
        )


def alias_conflict(resolved: Mapping[str, Any]) -> AliasConflict | None:
    """Return what keeps replay records from having the readers' alias.

    Args:
        resolved: The answer to GET `ALIAS`.
    """
    for kind, entries in (("index", "indices"), ("data stream", "data_streams")):
        if any(entry["name"] == READERS_ALIAS for entry in resolved.get(entries, ())):
            return AliasConflict(kind)
    streams = {
        stream for stream in _streams_with_alias(resolved) if not _LEGACY_STREAM.fullmatch(stream)
    }
    return AliasConflict("alias", tuple(sorted(streams))) if streams else None


def _streams_with_alias(resolved: Mapping[str, Any]) -> Iterator[str]:
    """The data streams that an alias points to; the answer names their backing indices."""
    for alias in resolved.get("aliases", ()):
        for index in alias["indices"]:
            if backing := _BACKING_INDEX.fullmatch(index):
                yield backing["stream"]


def mapping_difference(
    wanted: Mapping[str, Any], there: Mapping[str, Any], path: str = ""
) -> tuple[dict[str, Any], Sequence[str]]:
    """Compare the `properties` of two mappings.

    Returns:
        The fields that `there` lacks, in the form of `properties`; and the paths of fields that
        contradict, which no request can change.
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
            lacking, contradicting = mapping_difference(
                field["properties"], present.get("properties", {}), f"{path}{name}."
            )
            contradictions += contradicting
            if lacking:
                missing[name] = {**field, "properties": lacking}
    return missing, contradictions


def _decisive(field: Mapping[str, Any], key: str) -> Any:
    """A parameter of a field's mapping, or its default."""
    return field.get(key, {"type": "object", "index": True}.get(key))
