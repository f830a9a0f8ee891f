"""What stands on a server, read from its answers: index templates, and who bears the readers' alias. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.elasticsearch.template_bodies import MANAGED_BY, READERS_ALIAS, IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = ["BEARERS", "TEMPLATES", "Clash", "Template", "clash_of", "hidden_sentence", "mapping_gap", "rival_of", "stream_of", "templates_in"]

_TEMPLATE_FIELDS: Final = ("index_patterns", "priority", "_meta", "template.aliases", "template.lifecycle")
TEMPLATES: Final = "/_index_template?filter_path=index_templates.name," + ",".join(
    f"index_templates.index_template.{field}" for field in _TEMPLATE_FIELDS
)
"""Where to GET what `templates_in` reads."""
BEARERS: Final = f"/_resolve/index/{READERS_ALIAS}"
"""Where to GET what `clash_of` reads; 404 when nothing has the name."""

_OUR_STREAM: Final = re.compile(r"(?:\.ds-)?asayer-logs-.*")
_BACKING_INDEX: Final = re.compile(r"\.ds-(?P<stream>.+)-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{6}")
_DECISIVE: Final = ("type", "similarity", "path", "subobjects")
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

    @property
    def stranger(self) -> str:
        """Why it is not for us to change, where it has a name of ours: a sentence, or nothing."""
        return "" if self.managed_by == MANAGED_BY else f"Somebody else made it: its _meta does not say managed_by: {MANAGED_BY}."

    def matches(self, stream: str) -> bool:
        """Whether one of its patterns fits a data stream of this name."""
        return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), stream) for pattern in self.patterns)


def templates_in(content: Mapping[str, Any]) -> tuple[Template, ...]:
    """Return the templates of the answer to GET `TEMPLATES`."""
    return tuple(_template(entry["name"], entry["index_template"]) for entry in content.get("index_templates", ()))


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
    )


def stream_of(template: IndexTemplate, config: Config) -> str:
    """Return the data stream of a template that these settings write to."""
    return template.stream.format(dataset=config.dataset.removesuffix(".otel"), namespace=config.namespace)


def rival_of(template: IndexTemplate, stream: str, present: Iterable[Template]) -> str | None:
    """Return the name of the template that takes `stream` before ours: Elasticsearch's own, or the user's."""
    rivals = [other for other in present if other.priority > template.priority and other.matches(stream)]
    return max(rivals, key=lambda rival: rival.priority).name if rivals else None


def hidden_sentence(rival: str, stream: str, priority: int, simulated: Mapping[str, Any]) -> str:
    """Say what is wrong when `rival` takes a stream of replay records, without the last full stop; nothing when it brings the alias.

    Args:
        rival: name of the template.
        stream: name of the data stream.
        priority: of our template.
        simulated: the answer to POST `/_index_template/_simulate_index/<stream>`.
    """
    if READERS_ALIAS in simulated.get("template", {}).get("aliases", {}):
        return ""
    return (
        f"The index template {rival} takes the data stream {stream} without the alias {READERS_ALIAS!r}, so Asayer / OpenReplay would never "
        f"see what is written there: exclude it from that template's patterns, or give that template a priority below {priority}"
    )


class Clash(NamedTuple):
    """Something that is not ours has the readers' alias, or its very name."""

    kind: str
    """What is called so: `index`, `data stream`, or `alias`."""
    bearers: tuple[str, ...] = ()
    """Of an alias: the indices and data streams under it that are not ours."""

    def __str__(self) -> str:
        """The first half of a sentence that says so, and what to do."""
        if self.kind != "alias":
            return (
                f"An index or data stream is called {READERS_ALIAS!r}, which has to be an alias of the replay records, for Asayer / OpenReplay "
                "reads nothing else: move its documents to another name (POST /_reindex) and delete it"
            )
        return (
            f"The alias {READERS_ALIAS!r}, which Asayer / OpenReplay reads, stands on {', '.join(self.bearers)}, whose documents its panel cannot "
            "show: take the alias away there (POST /_aliases)"
        )


def clash_of(resolved: Mapping[str, Any]) -> Clash | None:
    """Return who else bears the readers' alias, from the answer to GET `BEARERS`."""
    for kind, entries in (("index", resolved.get("indices", ())), ("data stream", resolved.get("data_streams", ()))):
        if any(entry["name"] == READERS_ALIAS for entry in entries):
            return Clash(kind)
    strangers = _strangers(index for alias in resolved.get("aliases", ()) for index in alias["indices"])
    return Clash("alias", strangers) if strangers else None


def _strangers(indices: Iterable[str]) -> tuple[str, ...]:
    """The names of indices and streams that are not ours."""
    strangers = (index for index in indices if not _OUR_STREAM.fullmatch(index))
    return tuple(sorted({_BACKING_INDEX.sub(r"\g<stream>", index) for index in strangers}))


def mapping_gap(wanted: Mapping[str, Any], there: Mapping[str, Any], path: str = "") -> tuple[dict[str, Any], Sequence[str]]:
    """Compare the `properties` of two mappings.

    Returns:
        What `there` lacks, in the form of `properties`; and the paths of fields that contradict, which no request can change.
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
            lacking, contradicting = mapping_gap(field["properties"], present.get("properties", {}), f"{path}{name}.")
            contradictions += contradicting
            if lacking:
                missing[name] = {**field, "properties": lacking}
    return missing, contradictions


def _decisive(field: Mapping[str, Any], key: str) -> Any:
    """A parameter of a field's mapping; an object may leave its type out."""
    return field.get(key, "object" if key == "type" else None)
