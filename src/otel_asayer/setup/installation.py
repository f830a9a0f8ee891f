"""What setup brings about on an Elasticsearch besides keys: index templates, an ingest pipeline,
the alias `logs`, retention, a first replay record.

Planned by reading alone. What is not ours is left alone, and said: a template of our name that
somebody else manages, a newer one, whoever bears the alias, Elasticsearch's own OTel templates and
what users add to those.
"""

from __future__ import annotations

import http
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents.replay_indices import ReplayIndices, day_of
from otel_asayer.documents.timestamps import iso_timestamp
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.explain import reason_of
from otel_asayer.setup.inventory import (
    BEARERS,
    REPLAY_INDICES,
    TEMPLATES,
    Clash,
    Template,
    clash_of,
    days_in,
    example_of,
    former_sentence,
    former_streams,
    hidden_sentence,
    rival_of,
    stream_of,
    templates_in,
)
from otel_asayer.setup.policies import POLICY, SETTING, Policy, plan_days, plan_policy, policy_on
from otel_asayer.setup.refusals import OUT_OF_ORDER, Lesser, without_refused
from otel_asayer.setup.repair import additions, newest_of_each, repair
from otel_asayer.setup.retention import plan_retention
from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import (
    LOGS,
    MANAGED_BY,
    PIPELINE,
    PIPELINE_TARGET,
    READERS_ALIAS,
    REPLAY,
    TRACES,
    IndexTemplate,
)
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        retention: How long data streams of our templates, and replay records, are kept, in
            Elasticsearch's notation (`30d`); None changes nothing.
        alias: Whether replay records bear the alias `logs`, without which OpenReplay from 1.21 on
            finds nothing.
        restore: Whether templates of ours become again what they are in this version, whoever
            changed them.
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
        steps += [
            *plan.policy(replay),
            replay,
            plan.pipeline(replay),
            *plan.replay_indices(),
            plan.first_record(replay, now_ns),
        ]
    return (*steps, *(plan_retention(api, wishes.retention) if wishes.retention else ()))


class _Found(NamedTuple):
    """How the server stands."""

    templates: tuple[Template, ...]
    days: tuple[str, ...]
    """The indices of replay records."""
    former: tuple[str, ...]
    """Data streams of replay records, of an earlier version."""
    with_alias: frozenset[str]
    clash: Clash | None
    policy: Policy


def _look(api: Api, wishes: Wishes) -> _Found:
    bearers = api.expect(
        "GET", BEARERS, doing=f"who bears the alias {READERS_ALIAS}", or_nothing=True
    )
    aliased = api.expect(
        "GET",
        f"/asayer-logs-*/_alias/{READERS_ALIAS}",
        doing="to read aliases of asayer-logs-*",
        or_nothing=True,
    )
    resolved = api.expect("GET", REPLAY_INDICES, doing="to look for asayer-logs-*", or_nothing=True)
    return _Found(
        templates_in(api.expect("GET", TEMPLATES, doing="to list index templates")),
        days_in(resolved),
        former_streams(resolved),
        frozenset(
            name
            for name, entry in aliased.items()
            if isinstance(entry, dict) and READERS_ALIAS in entry.get("aliases", {})
        ),
        clash_of(bearers) if wishes.alias else None,
        policy_on(api) if wishes.retention else Policy({}),
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
            return Step(
                _subject(template),
                "not needed",
                f"The index template {rival.name} takes "
                f"{'these indices' if template is REPLAY else 'these data streams'}.",
            )
        body, lacking = self._accepted(template, self._body(template, None))
        return Step(
            _subject(template),
            "installed",
            lacking,
            (Request("PUT", f"{_target(template)}?create=true", body),),
        )

    def _ours(self, template: IndexTemplate, there: Template) -> Step:
        if _release(there.version) > _release(__version__):
            return Step(
                _subject(template),
                "left alone",
                f"It is of version {there.version}, newer than this otel-asayer {__version__}.",
            )
        if _release(there.version) < _release(__version__):
            # The indices of replay records have steps of their own.
            more = [] if template is REPLAY else additions(self.api, template, self.found.templates)
            return self._put(
                template,
                there,
                "upgraded",
                f"From version {there.version or 'unknown'} to {__version__}.",
                more,
            )
        if self.wishes.restore:
            return self._put(
                template,
                there,
                "restored",
                "It is as this version has it, whatever was changed there.",
            )
        if template is REPLAY and there.is_of_streams:
            return self._put(
                template,
                there,
                "changed",
                "It made data streams, and makes an index a day from now on.",
            )
        if changes := self._changes(template, there):
            return self._put(template, there, "changed", f"{changes}.")
        return Step(
            _subject(template),
            "present",
            f"It keeps documents for {there.retention}." if there.retention else "",
        )

    def _put(
        self,
        template: IndexTemplate,
        there: Template,
        word: str,
        note: str,
        more: Sequence[Request] = (),
    ) -> Step:
        body, lacking = self._accepted(template, self._body(template, there))
        return Step(
            _subject(template),
            word,
            " ".join(filter(None, (note, lacking))),
            (Request("PUT", _target(template), body), *more),
        )

    def _accepted(
        self, template: IndexTemplate, body: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], str]:
        """The template as this server takes it, and a sentence about what it refuses of it.

        Only replay records have settings to do without.
        """
        lesser: Lesser | None = None
        while template is REPLAY:
            answer = self.api.ask(
                "POST", "/_index_template/_simulate", lesser.body if lesser else body
            )
            if answer.status != http.HTTPStatus.BAD_REQUEST or not (
                less := without_refused(body, reason_of(answer.content), lesser)
            ):
                break
            lesser = less
        return (lesser.body, f"{lesser}: {OUT_OF_ORDER}.") if lesser else (body, "")

    def replay_template(self) -> Step:
        """Install that of replay records, unless they would be hidden from their readers."""
        if self.found.former:
            advised = (Request("DELETE", f"/_data_stream/{','.join(self.found.former)}"),)
            return Step(
                _subject(REPLAY),
                "not possible",
                f"{former_sentence(self.found.former)}. {_UNTIL}.",
                advised=advised,
                problem=True,
            )
        if self.found.clash:
            return _migration(self.found.clash)
        if hidden := self._hidden():
            return Step(_subject(REPLAY), "not possible", f"{hidden}.", problem=True)
        return self.template(REPLAY)

    def pipeline(self, replay: Step) -> Step:
        """Install the pipeline that operations of replay records name, once their template is there."""
        subject = f"ingest pipeline {PIPELINE_TARGET.rpartition('/')[2]}"
        if replay.problem:
            return Step(subject, "not possible", f"The index template {REPLAY.name} comes first.")
        there = self.api.expect(
            "GET", PIPELINE_TARGET, doing="to read ingest pipelines", or_nothing=True
        )
        if not there:
            return Step(subject, "installed", "", (Request("PUT", PIPELINE_TARGET, PIPELINE),))
        (body,) = there.values()
        if body.get("_meta", {}).get("managed_by") != MANAGED_BY:
            return Step(
                subject,
                "left alone",
                f"Somebody else made it: its _meta does not say managed_by: {MANAGED_BY}.",
            )
        return Step(subject, "present")

    def policy(self, replay: Step) -> list[Step]:
        """Keep replay records as long as is asked for:

        their indices, those that exist among them.
        """
        if not self.wishes.retention or replay.problem:
            return []
        policy = plan_policy(self.found.policy, self.wishes.retention)
        days = plan_days(self.api, self.found.days) if self.found.policy.possible else None
        return [policy, days] if days else [policy]

    def replay_indices(self) -> list[Step]:
        """Repair indices that came into being without our template:

        another one took them, or ours was older.
        """
        lacking = (
            set(self.found.days) - self.found.with_alias
            if self.wishes.alias and not self.found.clash
            else set()
        )
        newest = newest_of_each(self.found.days)
        return [
            step
            for day in self.found.days
            if (step := repair(self.api, day, lacks_alias=day in lacking, is_newest=day in newest))
        ]

    def first_record(self, replay: Step, now_ns: int) -> Step:
        """Write a record, without which OpenReplay's form refuses the integration; it belongs to no session, and none shows it."""
        indices = stream_of(REPLAY, self.config)
        subject = f"first replay record in {indices}"
        if replay.problem:
            return Step(subject, "not possible", f"The index template {REPLAY.name} comes first.")
        if any(fnmatchcase(day, indices) for day in self.found.days) and self._has_records(indices):
            return Step(subject, "present")
        return Step(
            subject,
            "written",
            "",
            (Request("POST", f"{bulk.target()}&refresh=true", _first_record(self.config, now_ns)),),
        )

    def _there(self, template: IndexTemplate) -> Template | None:
        return next((other for other in self.found.templates if other.name == template.name), None)

    def _rival(self, template: IndexTemplate) -> Template | None:
        return rival_of(template, stream_of(template, self.config), self.found.templates)

    def _hidden(self) -> str:
        """Why replay records would not be seen, or nothing."""
        indices, there = stream_of(REPLAY, self.config), self._there(REPLAY)
        taker = self._rival(REPLAY) or (there if there and there.stranger else None)
        if not taker or not self.wishes.alias:
            return ""
        target, doing = (
            f"/_index_template/_simulate_index/{example_of(indices)}",
            f"which template takes {indices}",
        )
        return hidden_sentence(
            taker, indices, REPLAY.priority, self.api.expect("POST", target, doing=doing)
        )

    def _body(self, template: IndexTemplate, there: Template | None) -> dict[str, Any]:
        """The template as it is sent:

        with the retention asked for or, without one, that which was set before.
        """
        inner = dict(template.body["template"])
        if template is REPLAY:
            policy = (
                POLICY
                if self.wishes.retention and self.found.policy.possible
                else there.policy
                if there
                else ""
            )
            inner["settings"] = (
                {**inner["settings"], SETTING: policy} if policy else inner["settings"]
            )
        elif retention := self.wishes.retention or (there.retention if there else None):
            inner["lifecycle"] = {"data_retention": retention}
        if not self.wishes.alias:
            inner.pop("aliases", None)
        return {**template.body, "template": inner}

    def _changes(self, template: IndexTemplate, there: Template) -> str:
        changes = []
        if (
            template is REPLAY
            and self.wishes.retention
            and self.found.policy.possible
            and there.policy != POLICY
        ):
            changes.append(f"its indices follow the ILM policy {POLICY}")
        if (
            template is not REPLAY
            and self.wishes.retention
            and self.wishes.retention != there.retention
        ):
            before = f", not for {there.retention}" if there.retention else ""
            changes.append(f"it keeps documents for {self.wishes.retention}{before}")
        if "aliases" in template.body["template"] and self.wishes.alias != there.has_alias:
            changes.append(
                f"new indices bear {'the' if self.wishes.alias else 'no'} alias {READERS_ALIAS}"
            )
        return " and ".join(changes).capitalize()

    def _has_records(self, stream: str) -> bool:
        answer = self.api.ask("GET", f"/{stream}/_count?ignore_unavailable=true")
        if answer.status == http.HTTPStatus.FORBIDDEN:
            # Who may not read writes: the record's id is known, and another try changes nothing
            return False
        return bool(answer.content.get("count"))


def _first_record(config: Config, now_ns: int) -> bytes:
    """A record in the form that all generations of readers need, without the tag of a session."""
    time = iso_timestamp(now_ns)
    document = {
        "@timestamp": time,
        "utc_time": time,
        "timestamp": time,
        "message": _FIRST_MESSAGE,
        "level": "info",
    }
    return ReplayIndices.of(config.namespace).operation(FIRST_RECORD_ID, document, day_of(time))


def _migration(clash: Clash) -> Step:
    if clash.kind == "alias":
        actions = [
            action
            for index in clash.bearers
            for action in (
                {"remove": {"index": index, "alias": READERS_ALIAS}},
                {"add": {"index": index, "alias": _FORMER}},
            )
        ]
        advised: tuple[Request, ...] = (Request("POST", "/_aliases", {"actions": actions}),)
        how = f"whoever searches {READERS_ALIAS} for them searches {_FORMER} from then on"
    else:
        copied = {
            "source": {"index": READERS_ALIAS},
            "dest": {"index": f"logs-{_FORMER.replace('-', '_')}-default", "op_type": "create"},
        }
        deleted = "/_data_stream" if clash.kind == "data stream" else ""
        advised = (
            Request("POST", "/_reindex?wait_for_completion=false", copied),
            Request("DELETE", f"{deleted}/{READERS_ALIAS}"),
        )
        how = "whoever writes there writes to a name of its own first, and nothing is deleted before all is copied"
    note = f"{clash}; {how}. {_UNTIL}. {_OTHER_INDEX}."
    return Step(_subject(REPLAY), "not possible", note, advised=advised, problem=True)


def _subject(template: IndexTemplate) -> str:
    return f"index template {template.name}"


def _target(template: IndexTemplate) -> str:
    return f"/_index_template/{template.name}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:3]))
