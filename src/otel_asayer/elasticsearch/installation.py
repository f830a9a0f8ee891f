"""What setup brings about on an Elasticsearch besides keys: index templates, the alias `logs`, retention, and a first replay record.

Planned by reading alone. What is not ours is left alone, and said: a template of our name that somebody else manages, a newer one, whoever bears
the alias, Elasticsearch's own OTel templates and what users add to those.
"""

from __future__ import annotations

import http
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents.streams import streams_of
from otel_asayer.documents.timestamps import iso_timestamp
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.inventory import (
    BEARERS,
    TEMPLATES,
    Clash,
    Template,
    clash_of,
    hidden_sentence,
    rival_of,
    stream_of,
    templates_in,
)
from otel_asayer.elasticsearch.repair import additions, repair, streams_on
from otel_asayer.elasticsearch.retention import plan_retention
from otel_asayer.elasticsearch.steps import Request, Step
from otel_asayer.elasticsearch.template_bodies import LOGS, READERS_ALIAS, REPLAY, TRACES, IndexTemplate
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Api

__all__ = ["FIRST_RECORD_ID", "Wishes", "plan_installation"]

FIRST_RECORD_ID: Final = "otel-asayer-setup"
"""The same each time: what is there already is not written again."""
_FIRST_MESSAGE: Final = "otel-asayer is set up"
_FORMER: Final = "former-logs"
_UNTIL: Final = "Until then no replay records can be delivered"
_OTHER_INDEX: Final = "Or leave it, where only Asayer or OpenReplay 1.5 - 1.20 reads: --no-alias, and the index pattern asayer-logs-* in their form"


class Wishes(NamedTuple):
    """What is asked for.

    Attributes:
        retention: How long data streams of our templates keep what they hold, in Elasticsearch's notation (`30d`); None changes nothing.
        alias: Whether replay records bear the alias `logs`, without which OpenReplay from 1.21 on finds nothing.
        restore: Whether templates of ours become again what they are in this version, whoever changed them.
    """

    retention: str | None = None
    alias: bool = True
    restore: bool = False


def plan_installation(api: Api, config: Config, wishes: Wishes, now_ns: int) -> tuple[Step, ...]:
    """Return the steps that bring all about.

    Args:
        api: The server.
        config: The data streams that will be written, and whether replay records are.
        wishes: What is asked for.
        now_ns: The first record's time, in nanoseconds since 1970.

    Raises:
        ElasticsearchError: the server cannot be looked at; the message says why.
    """
    plan = _Plan(api, config, wishes, _look(api, wishes))
    steps = [plan.template(template) for template in (TRACES, LOGS)]
    if config.replay_records:
        replay = plan.replay_template()
        steps += [replay, *plan.replay_streams(), plan.first_record(replay, now_ns)]
    return (*steps, *(plan_retention(api, wishes.retention) if wishes.retention else ()))


class _Found(NamedTuple):
    """How the server stands."""

    templates: tuple[Template, ...]
    streams: Mapping[str, tuple[str, ...]]
    """Those of replay records."""
    with_alias: frozenset[str]
    clash: Clash | None


def _look(api: Api, wishes: Wishes) -> _Found:
    bearers = api.expect("GET", BEARERS, doing=f"who bears the alias {READERS_ALIAS}", or_nothing=True)
    aliased = api.expect("GET", f"/asayer-logs-*/_alias/{READERS_ALIAS}", doing="to read aliases of asayer-logs-*", or_nothing=True)
    return _Found(
        templates_in(api.expect("GET", TEMPLATES, doing="to list index templates")),
        streams_on(api, "asayer-logs-*"),
        frozenset(name for name, entry in aliased.items() if isinstance(entry, dict) and READERS_ALIAS in entry.get("aliases", {})),
        clash_of(bearers) if wishes.alias else None,
    )


@dataclass(frozen=True)
class _Plan:
    api: Api
    config: Config
    wishes: Wishes
    found: _Found

    def template(self, template: IndexTemplate) -> Step:
        """Install one of our templates, or bring it up to date."""
        there = self._there(template)
        if there is None:
            return self._absent(template)
        if stranger := there.stranger:
            return Step(_subject(template), "left alone", stranger)
        return self._ours(template, there)

    def _absent(self, template: IndexTemplate) -> Step:
        if rival := self._rival(template):
            return Step(_subject(template), "not needed", f"The index template {rival} takes these data streams.")
        return Step(_subject(template), "installed", "", (Request("PUT", f"{_target(template)}?create=true", self._body(template, None)),))

    def _ours(self, template: IndexTemplate, there: Template) -> Step:
        request = Request("PUT", _target(template), self._body(template, there))
        if _release(there.version) > _release(__version__):
            return Step(_subject(template), "left alone", f"It is of version {there.version}, newer than this otel-asayer {__version__}.")
        if _release(there.version) < _release(__version__):
            # Replay records' data streams have steps of their own.
            more = [] if template is REPLAY else additions(self.api, template, self.found.templates)
            return Step(_subject(template), "upgraded", f"From version {there.version or 'unknown'} to {__version__}.", (request, *more))
        if self.wishes.restore:
            return Step(_subject(template), "restored", "It is as this version has it, whatever was changed there.", (request,))
        if changes := self._changes(template, there):
            return Step(_subject(template), "changed", f"{changes}.", (request,))
        return Step(_subject(template), "present", f"It keeps documents for {there.retention}." if there.retention else "")

    def replay_template(self) -> Step:
        """Install that of replay records, unless they would be hidden from their readers."""
        if self.found.clash:
            return _migration(self.found.clash)
        if hidden := self._hidden():
            return Step(_subject(REPLAY), "not possible", f"{hidden}.", problem=True)
        return self.template(REPLAY)

    def replay_streams(self) -> list[Step]:
        """Repair data streams that came into being without our template: another one took them, or ours was older."""
        clash, templates = self.found.clash, self.found.templates
        lacking = self.found.streams.keys() - self.found.with_alias if self.wishes.alias and not clash else set()
        return [
            repair(
                self.api,
                stream,
                indices[-1],
                lacks_alias=stream in lacking,
                takes_ours=not clash and rival_of(REPLAY, stream, templates) is None,
            )
            for stream, indices in self.found.streams.items()
        ]

    def first_record(self, replay: Step, now_ns: int) -> Step:
        """Write a record, without which OpenReplay's form refuses the integration; it belongs to no session, and none shows it."""
        stream = stream_of(REPLAY, self.config)
        subject = f"first replay record in {stream}"
        if self.found.clash or (replay.problem and stream not in self.found.streams):
            return Step(subject, "not possible", f"The index template {REPLAY.name} comes first.")
        if stream in self.found.streams and self._has_records(stream):
            return Step(subject, "present")
        return Step(subject, "written", "", (Request("POST", f"{bulk.target()}&refresh=true", _first_record(self.config, now_ns)),))

    def _there(self, template: IndexTemplate) -> Template | None:
        return next((other for other in self.found.templates if other.name == template.name), None)

    def _rival(self, template: IndexTemplate) -> str | None:
        return rival_of(template, stream_of(template, self.config), self.found.templates)

    def _hidden(self) -> str:
        """Why replay records would not be seen, or nothing."""
        stream, there = stream_of(REPLAY, self.config), self._there(REPLAY)
        taker = self._rival(REPLAY) or (there.name if there and there.stranger else None)
        if not taker or not self.wishes.alias:
            return ""
        doing = f"which template takes {stream}"
        return hidden_sentence(taker, stream, REPLAY.priority, self.api.expect("POST", f"/_index_template/_simulate_index/{stream}", doing=doing))

    def _body(self, template: IndexTemplate, there: Template | None) -> dict[str, Any]:
        """The template as it is sent: with the retention asked for or, without one, that which was set before."""
        inner = dict(template.body["template"])
        if retention := self.wishes.retention or (there.retention if there else None):
            inner["lifecycle"] = {"data_retention": retention}
        if not self.wishes.alias:
            inner.pop("aliases", None)
        return {**template.body, "template": inner}

    def _changes(self, template: IndexTemplate, there: Template) -> str:
        changes = []
        if self.wishes.retention and self.wishes.retention != there.retention:
            before = f", not for {there.retention}" if there.retention else ""
            changes.append(f"it keeps documents for {self.wishes.retention}{before}")
        if "aliases" in template.body["template"] and self.wishes.alias != there.has_alias:
            changes.append(f"new data streams bear {'the' if self.wishes.alias else 'no'} alias {READERS_ALIAS}")
        return " and ".join(changes).capitalize()

    def _has_records(self, stream: str) -> bool:
        answer = self.api.ask("GET", f"/{stream}/_count")
        if answer.status == http.HTTPStatus.FORBIDDEN:
            return False  # who may not read writes: the record's id is known, and another try changes nothing
        return bool(answer.content.get("count"))


def _first_record(config: Config, now_ns: int) -> bytes:
    """A record in the form that all generations of readers need, without the tag of a session."""
    time = iso_timestamp(now_ns)
    document = {"@timestamp": time, "utc_time": time, "timestamp": time, "message": _FIRST_MESSAGE, "level": "info"}
    return streams_of(config.dataset, config.namespace).replay.operation(FIRST_RECORD_ID, document)


def _migration(clash: Clash) -> Step:
    if clash.kind == "alias":
        actions = [
            action
            for index in clash.bearers
            for action in ({"remove": {"index": index, "alias": READERS_ALIAS}}, {"add": {"index": index, "alias": _FORMER}})
        ]
        advised: tuple[Request, ...] = (Request("POST", "/_aliases", {"actions": actions}),)
        how = f"whoever searches {READERS_ALIAS} for them searches {_FORMER} from then on"
    else:
        copied = {"source": {"index": READERS_ALIAS}, "dest": {"index": f"logs-{_FORMER.replace('-', '_')}-default", "op_type": "create"}}
        deleted = "/_data_stream" if clash.kind == "data stream" else ""
        advised = (Request("POST", "/_reindex?wait_for_completion=false", copied), Request("DELETE", f"{deleted}/{READERS_ALIAS}"))
        how = "whoever writes there writes to a name of its own first, and nothing is deleted before all is copied"
    note = f"{clash}; {how}. {_UNTIL}. {_OTHER_INDEX}."
    return Step(_subject(REPLAY), "not possible", note, advised=advised, problem=True)


def _subject(template: IndexTemplate) -> str:
    return f"index template {template.name}"


def _target(template: IndexTemplate) -> str:
    return f"/_index_template/{template.name}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:3]))
