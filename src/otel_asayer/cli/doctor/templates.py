"""The check on index templates:

ours are there, are those of this version, and take the data streams and indices that are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.cli.doctor.findings import ok, problem, warning
from otel_asayer.setup.inventory import hidden_reason, stream_name, templates_in
from otel_asayer.setup.templates import REPLAY
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.cli.doctor.findings import Verdict
    from otel_asayer.cli.doctor.subject import Subject
    from otel_asayer.config import Config
    from otel_asayer.setup.inventory import InstalledTemplate
    from otel_asayer.setup.templates import IndexTemplate

__all__ = ["check_templates", "drift", "judge"]

_SETUP: Final = "`otel-asayer setup`, with a user that may manage index templates, installs it"
_MANAGED: Final = "managed"
_SHOWN: Final = 3


def check_templates(subject: Subject) -> Iterator[Verdict]:
    """Ask for all templates, as one of another name may take a stream from ours."""
    listed = subject.reader.expect("GET", "/_index_template", doing="to list index templates")
    verdicts = [judge(template, listed, subject.config) for template in subject.templates]
    yield from (verdict for verdict in verdicts if verdict.remedy)
    if good := [verdict.detail for verdict in verdicts if not verdict.remedy]:
        yield ok("; ".join(dict.fromkeys(good)))


def judge(template: IndexTemplate, listed: Mapping[str, Any], config: Config) -> Verdict:
    """Return how the data stream of `template` is made, from the answer that lists all templates."""
    stream = stream_name(template, config)
    taking = max(
        (one for one in templates_in(listed) if one.matches(stream)),
        key=lambda one: one.priority,
        default=None,
    )
    if taking is None:
        return problem(
            f"No index template makes {stream}: what is sent there waits in the spool", _SETUP
        )
    body = next(
        entry["index_template"]
        for entry in listed["index_templates"]
        if entry["name"] == taking.name
    )
    if taking.name == template.name:
        return _judge_own(template, body, taking.version)
    if template is REPLAY:
        return _judge_rival(stream, taking, body)
    if body.get("_meta", {}).get(_MANAGED):
        return ok(f"{taking.name} is Elasticsearch's own")
    return warning(
        f"The index template {taking.name} takes the data stream {stream}: whether it takes "
        f"attributes of any kind is not known here",
        f"Exclude it from that template's patterns, and `otel-asayer setup` installs "
        f"{template.name}",
    )


def _judge_own(template: IndexTemplate, body: Mapping[str, Any], version: str) -> Verdict:
    if template is REPLAY and "data_stream" in body:
        return problem(
            f"{template.name}, of version {version or 'unknown'}, makes data streams, whose rows "
            f"come out of order",
            _SETUP,
        )
    differences = drift(template.body, body)
    if not differences:
        return ok("ours are as in this version")
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    remedy = f"Compare it: GET /_index_template/{template.name}. `otel-asayer setup --restore-templates` undoes what was changed"
    return warning(
        f"{template.name}, of version {version or 'unknown'}, is not as this version has it: "
        f"{', '.join(differences[:_SHOWN])}{more}",
        remedy if version == __version__ else "`otel-asayer setup` brings it up to date",
    )


def _judge_rival(stream: str, rival: InstalledTemplate, body: Mapping[str, Any]) -> Verdict:
    """Whether replay records are seen that another template's stream holds.

    What its components bring shows in the stream itself.
    """
    if not rival.makes_streams and (rival.has_alias or body.get("composed_of")):
        return ok(f"{rival.name}, of your own, takes {stream}")
    detail, _, remedy = hidden_reason(rival, stream, REPLAY.priority, {}).partition(": ")
    return problem(detail, remedy)


def drift(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the paths of what `theirs` lacks of `ours`, or has with another value.

    What it has besides is its owner's: a retention, replicas.
    """
    wanted, found = (
        dict(_leaves({name: body.get(name) for name in ("index_patterns", "template")}))
        for body in (ours, theirs)
    )
    return [path for path, value in wanted.items() if found.get(path) != value]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value with its path.

    Elasticsearch divides names at their dots and makes texts of settings: neither is a difference.
    """
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    if not items:
        yield path, "" if isinstance(value, (dict, list, tuple)) else str(value).lower()
    for name, inner in items:
        yield from _leaves(inner, f"{path}.{name}" if path else str(name))
