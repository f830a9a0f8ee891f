"""The plan of `otel-asayer setup`: everything but keys that a person may bring about.

It extends first contact's plan: it upgrades, restores and repairs what is ours, sets retention and
writes a first replay record.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from otel_asayer.documents.operations import ReplayIndices, day_of
from otel_asayer.documents.values import iso_timestamp
from otel_asayer.elasticsearch import bulk
from otel_asayer.errors import ElasticsearchError
from otel_asayer.setup.additions import with_additions
from otel_asayer.setup.inventory import (
    REPLAY_INDICES,
    AliasConflict,
    InstalledTemplate,
    alias_conflict,
    mapping_difference,
    overriding_template,
    replay_indices,
    stream_name,
)
from otel_asayer.setup.planner import (
    NO_REPLAY_RECORDS,
    PIPELINE_SUBJECT,
    Planner,
    Request,
    Step,
    not_possible,
    template_subject,
)
from otel_asayer.setup.retention import (
    POLICY,
    SETTING,
    Policy,
    plan_indices,
    plan_policy,
    plan_streams,
    policy_on,
)
from otel_asayer.setup.templates import LOGS, READERS_ALIAS, REPLAY, TRACES, IndexTemplate
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Api

__all__ = [
    "FIRST_RECORD_ID",
    "SetupOptions",
    "StepResult",
    "carry_out",
    "plan_installation",
    "streams_on",
]

FIRST_RECORD_ID: Final = "otel-asayer-setup"
"""Always the same, so that Elasticsearch keeps one such record a day."""
_FORMER_ALIAS: Final = "former-logs"


class SetupOptions(NamedTuple):
    """What a person asks for.

    Attributes:
        retention: How long to keep data streams of our templates and replay records, in
            Elasticsearch's notation (`30d`); None changes nothing.
        alias: Whether replay records get the alias `logs`, without which OpenReplay from 1.21 on
            finds nothing.
        restore: Whether to undo changes to our templates.
    """

    retention: str | None = None
    alias: bool = True
    restore: bool = False


def plan_installation(
    api: Api, config: Config, options: SetupOptions, now_ns: int
) -> tuple[Step, ...]:
    """Return the steps that set Elasticsearch up.

    Args:
        api: The server.
        config: The data streams that will be written, and whether replay records are.
        options: What is asked for.
        now_ns: Time of the first record, in nanoseconds since 1970.

    Raises:
        ElasticsearchError: The server cannot be looked at; the message says why.
    """
    return tuple(_SetupPlanner(api, config, options).steps(now_ns))


class _SetupPlanner(Planner):
    """First contact's plan, and what only a person may change."""

    server: Api

    def __init__(self, api: Api, config: Config, options: SetupOptions) -> None:
        super().__init__(api, config)
        self._options = options

    def steps(self, now_ns: int) -> Iterator[Step]:
        """Return the steps in the order in which they are carried out."""
        yield from map(self.template, (TRACES, LOGS))
        if self.config.replay_records:
            yield from self._replay_steps(now_ns)
        if self._options.retention:
            yield from plan_streams(self.server, self._options.retention)

    def _replay_steps(self, now_ns: int) -> Iterator[Step]:
        replay = self.replay_template()
        blocked = f"The index template {REPLAY.name} comes first." if replay.problem else ""
        if not blocked:
            yield from self._policy_steps()
        yield replay
        yield Step(PIPELINE_SUBJECT, "not possible", blocked) if blocked else self.pipeline()
        yield from self._repairs()
        yield self._first_record(now_ns, blocked)

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return self.server.expect(
            "GET", REPLAY_INDICES, doing="to look for asayer-logs-*", or_nothing=True
        )

    @cached_property
    def _policy(self) -> Policy:
        return policy_on(self.server)

    @property
    def _sets_policy(self) -> bool:
        return bool(self._options.retention) and self._policy.possible

    @property
    def _alias_conflict(self) -> AliasConflict | None:
        """What keeps replay records from the alias, where they are to have it."""
        return alias_conflict(self.alias) if self._options.alias else None

    def replay_template(self) -> Step:
        """Plan the template of replay records, unless something hides them from their readers."""
        if conflict := self.conflict(self._resolved, self._alias_conflict):
            return conflict
        there = self.installed(REPLAY)
        other = self.overriding(REPLAY) or (there if there and not there.is_ours else None)
        hiding = self.hiding(other) if other and self._options.alias else None
        return hiding or self.template(REPLAY)

    def conflict_step(self, conflict: AliasConflict) -> Step:
        """Return the problem that something else has the alias, with the requests that solve it."""
        if conflict.kind == "alias":
            actions = [
                {action: {"index": stream, "alias": alias}}
                for stream in conflict.streams
                for action, alias in (("remove", READERS_ALIAS), ("add", _FORMER_ALIAS))
            ]
            advised = [Request("POST", "/_aliases", {"actions": actions})]
            how = f"search {_FORMER_ALIAS} for them from then on"
        else:
            copy = {
                "source": {"index": READERS_ALIAS},
                "dest": {
                    "index": f"logs-{_FORMER_ALIAS.replace('-', '_')}-default",
                    "op_type": "create",
                },
            }
            path = "/_data_stream" if conflict.kind == "data stream" else ""
            advised = [
                Request("POST", "/_reindex?wait_for_completion=false", copy),
                Request("DELETE", f"{path}/{READERS_ALIAS}"),
            ]
            how = (
                "first let everything that writes there write to another name, and delete nothing "
                "before all is copied"
            )
        return not_possible(
            f"{conflict}; {how}. {NO_REPLAY_RECORDS}. If only Asayer or OpenReplay 1.5 - 1.20 "
            "reads, you can leave it: give --no-alias, and enter the index pattern asayer-logs-* "
            "in their form.",
            *advised,
        )

    def existing(self, template: IndexTemplate, there: InstalledTemplate) -> Step:
        """Plan a template of ours that is there: upgrade or restore it, or do what is asked for."""
        if _release(there.version) > _release(__version__):
            return Step(
                template_subject(template),
                "left alone",
                f"It is of version {there.version}, newer than this otel-asayer {__version__}.",
            )
        if _release(there.version) < _release(__version__):
            note = f"From version {there.version or 'unknown'} to {__version__}."
            # The indices of replay records have steps of their own.
            more = () if template is REPLAY else self._additions(template)
            return self._put(template, "upgraded", note, *more)
        if self._options.restore:
            return self._put(
                template, "restored", "It is as this version has it, whatever was changed there."
            )
        if template is REPLAY and there.makes_streams:
            return self._put(
                template, "changed", "It made data streams, and makes an index a day from now on."
            )
        if changes := self._changes(template, there):
            return self._put(template, "changed", f"{changes}.")
        return Step(
            template_subject(template),
            "present",
            f"It keeps documents for {there.retention}." if there.retention else "",
        )

    def _put(self, template: IndexTemplate, word: str, note: str, *more: Request) -> Step:
        target = f"/_index_template/{template.name}"
        names: tuple[str, ...] = ()
        body = self.body(template)
        if not self._options.restore:
            found = self.server.expect("GET", target, doing=f"to read {target}", or_nothing=True)
            for there in found.get("index_templates", ()):
                body, names = with_additions(body, there["index_template"])
        kept = f"What you added stays: {', '.join(names)}." if names else ""
        body, reduced = self.accepted(template, body)
        notes = " ".join(filter(None, (note, kept, reduced)))
        return Step(template_subject(template), word, notes, (Request("PUT", target, body), *more))

    def body(self, template: IndexTemplate) -> Mapping[str, Any]:
        """Return the template with the retention asked for, else with that set before."""
        there = self.installed(template)
        inner = dict(template.body["template"])
        if template is REPLAY:
            policy = POLICY if self._sets_policy else there.policy if there else ""
            if policy:
                inner["settings"] = {**inner["settings"], SETTING: policy}
        elif retention := self._options.retention or (there.retention if there else None):
            inner["lifecycle"] = {"data_retention": retention}
        if not self._options.alias:
            inner.pop("aliases", None)
        return {**template.body, "template": inner}

    def _changes(self, template: IndexTemplate, there: InstalledTemplate) -> str:
        retention, alias = self._options.retention, self._options.alias
        changes = []
        if template is REPLAY:
            if self._sets_policy and there.policy != POLICY:
                changes.append(f"its indices follow the ILM policy {POLICY}")
            if alias != there.has_alias:
                changes.append(f"new indices have {'the' if alias else 'no'} alias {READERS_ALIAS}")
        elif retention and retention != there.retention:
            before = f", not for {there.retention}" if there.retention else ""
            changes.append(f"it keeps documents for {retention}{before}")
        return " and ".join(changes).capitalize()

    def _policy_steps(self) -> Iterator[Step]:
        """Keep replay records as long as asked for, those of existing indices too."""
        if self._options.retention:
            yield plan_policy(self._policy, self._options.retention)
            if self._policy.possible:
                yield from plan_indices(self.server, replay_indices(self._resolved))

    def _repairs(self) -> Iterator[Step]:
        """Repair indices that another template made, or an older one of ours."""
        indices = replay_indices(self._resolved)
        # What the mapping lacks matters only where documents are still written.
        newest = {index.rpartition("-")[0]: index for index in indices}.values()
        for index in indices:
            requests, notes = [], []
            if index in self._without_alias:
                action = {"add": {"index": index, "alias": READERS_ALIAS}}
                requests.append(Request("POST", "/_aliases", {"actions": [action]}))
                notes.append(f"It lacked the alias {READERS_ALIAS}.")
            missing, contradictions = (
                self._mapping_difference(REPLAY, index, index) if index in newest else ({}, ())
            )
            if contradictions:
                notes.append(
                    f"Its mapping of {', '.join(contradictions)} is wrong, and no request can "
                    "change that: the index of the next day is right."
                )
            elif missing:
                requests.append(Request("PUT", f"/{index}/_mapping", {"properties": missing}))
            if requests or notes:
                yield Step(
                    f"index {index}",
                    "repaired" if requests else "left",
                    " ".join(notes),
                    tuple(requests),
                )

    @cached_property
    def _without_alias(self) -> frozenset[str]:
        """The indices of replay records that should have the readers' alias, and do not."""
        if not self._options.alias or self._alias_conflict:
            return frozenset()
        aliased = self.server.expect(
            "GET",
            f"/asayer-logs-*/_alias/{READERS_ALIAS}",
            doing="to read aliases of asayer-logs-*",
            or_nothing=True,
        )
        # Where some indices lack the alias, the answer has an error beside those that have it.
        having = (
            name
            for name, entry in aliased.items()
            if isinstance(entry, dict) and READERS_ALIAS in entry.get("aliases", {})
        )
        return frozenset(replay_indices(self._resolved)).difference(having)

    def _additions(self, template: IndexTemplate) -> Iterator[Request]:
        """Add a newer template's fields to the data streams that it made before."""
        (pattern,) = template.body["index_patterns"]
        for stream, backing_indices in streams_on(self.server, pattern).items():
            if overriding_template(template, stream, self.present) is None:
                missing, _ = self._mapping_difference(template, stream, backing_indices[-1])
                if missing:
                    yield Request(
                        "PUT", f"/{stream}/_mapping?write_index_only=true", {"properties": missing}
                    )

    def _mapping_difference(
        self, template: IndexTemplate, stream: str, write_index: str
    ) -> tuple[dict[str, Any], Sequence[str]]:
        indices = self.server.expect(
            "GET", f"/{stream}/_mapping", doing=f"to read the mapping of {stream}"
        )
        return mapping_difference(
            template.body["template"]["mappings"]["properties"],
            indices[write_index]["mappings"].get("properties", {}),
        )

    def _first_record(self, now_ns: int, blocked: str) -> Step:
        """Write a record that belongs to no session, so that no replay shows it.

        OpenReplay's form refuses the integration while there is none.
        """
        indices = stream_name(REPLAY, self.config)
        subject = f"first replay record in {indices}"
        if blocked:
            return Step(subject, "not possible", blocked)
        if self._has_records(indices):
            return Step(subject, "present")
        operation = _first_record(self.config, now_ns)
        request = Request("POST", f"{bulk.target()}&refresh=true", operation)
        return Step(subject, "written", requests=(request,))

    def _has_records(self, indices: str) -> bool:
        if not any(fnmatchcase(index, indices) for index in replay_indices(self._resolved)):
            return False
        # Without the right to read, the answer has no count: the record is written, and as its id
        # is always the same, another try changes nothing.
        _, content = self.server.ask("GET", f"/{indices}/_count?ignore_unavailable=true")
        return bool(content.get("count"))


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:3]))


def _first_record(config: Config, now_ns: int) -> bytes:
    """A record in the form that all generations of readers need, without a session."""
    time = iso_timestamp(now_ns)
    return ReplayIndices.of(config.namespace).operation(
        FIRST_RECORD_ID,
        {
            "@timestamp": time,
            "utc_time": time,
            "timestamp": time,
            "message": "otel-asayer is set up",
            "level": "info",
        },
        day_of(time),
    )


def streams_on(api: Api, pattern: str) -> dict[str, tuple[str, ...]]:
    """Return the data streams of a pattern, each with its backing indices, the write index last.

    Raises:
        ElasticsearchError: They cannot be listed; the message says why.
    """
    target, doing = f"/_resolve/index/{pattern}", f"to look for data streams {pattern}"
    return {
        stream["name"]: tuple(stream["backing_indices"])
        for stream in api.expect("GET", target, doing=doing, or_nothing=True).get(
            "data_streams", ()
        )
    }


class StepResult(NamedTuple):
    """A step that was carried out, as far as it went.

    Attributes:
        step: The step.
        contents: The answers, one for each request.
        failure: Why it stopped, in sentences.
    """

    step: Step
    contents: tuple[dict[str, Any], ...] = ()
    failure: str = ""

    @property
    def word(self) -> str:
        """How it ended."""
        return "failed" if self.failure else self.step.word

    @property
    def problem(self) -> bool:
        """Whether a person has to do something before everything works."""
        return bool(self.failure) or self.step.problem


def carry_out(api: Api, step: Step) -> StepResult:
    """Send the requests of a step, one after the other, until one fails."""
    contents: list[dict[str, Any]] = []
    try:
        for request in step.requests:
            content = api.expect(*request, doing=f"for the {step.subject} to be {step.word}")
            if isinstance(request.body, bytes):
                _check_bulk_answer(content)
            contents.append(content)
    except ElasticsearchError as error:
        return StepResult(step, tuple(contents), str(error))
    return StepResult(step, tuple(contents))


def _check_bulk_answer(content: dict[str, Any]) -> None:
    """Raise what the only item of a bulk answer says, unless its document is there now."""
    try:
        answer = bulk.parse_answer(orjson.dumps(content), 1)
    except bulk.MalformedAnswerError as malformed:
        raise ElasticsearchError(
            f"Elasticsearch was not understood: {malformed}. Check what stands between it and here."
        ) from None
    for _, finding in answer.others:
        if finding.disposition is not bulk.Disposition.DUPLICATE:
            raise ElasticsearchError(
                f"Elasticsearch refuses the document: {finding}. "
                f"{finding.advice or 'The rest of the setup does not need it'}."
            )
