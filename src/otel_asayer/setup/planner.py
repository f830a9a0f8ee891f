"""The plan of setup: steps that create what a server lacks, planned by reading only.

`Planner` is what first contact carries out: it creates, and changes nothing that is there.
`installation` extends it for a person, who may also upgrade, restore and repair.

A plan that is only shown and a plan that is carried out are the same value, so a dry run cannot
differ from the run. Setup leaves alone what is not ours, and says so: a template with our name that
somebody else manages, an alias `logs` on other data, Elasticsearch's own OTel templates.
"""

from __future__ import annotations

import http
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents import REPLAY_PIPELINE
from otel_asayer.elasticsearch.explain import reason_of
from otel_asayer.setup.inventory import (
    ALIAS,
    TEMPLATES,
    AliasConflict,
    InstalledTemplate,
    alias_conflict,
    hidden_reason,
    legacy_streams,
    legacy_streams_sentence,
    overriding_template,
    stream_name,
    templates_in,
)
from otel_asayer.setup.templates import (
    NOT_OURS,
    PIPELINE,
    PIPELINE_TARGET,
    REPLAY,
    IndexTemplate,
    ReducedTemplate,
    is_ours,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.setup.first_contact import DeadlineServer

__all__ = [
    "NO_REPLAY_RECORDS",
    "PIPELINE_SUBJECT",
    "Planner",
    "Request",
    "Step",
    "not_possible",
    "template_subject",
]

NO_REPLAY_RECORDS: Final = "Until then no replay records can be delivered"
PIPELINE_SUBJECT: Final = f"ingest pipeline {REPLAY_PIPELINE}"


class Request(NamedTuple):
    """A request that changes something.

    Attributes:
        method: GET, POST, …
        target: Path and query.
        body: JSON; bytes are the body of a bulk request with one document.
    """

    method: str
    target: str
    body: Any = None


class Step(NamedTuple):
    """One thing that setup looked at.

    Attributes:
        subject: What, `index template otel-asayer-replay`.
        word: What the requests do to it (`installed`); without requests, its state (`present`).
        note: A sentence about it.
        requests: The requests that change it.
        advised: Requests that only its owner may send: setup does not.
        problem: Whether a person has to do something first.
    """

    subject: str
    word: str
    note: str = ""
    requests: tuple[Request, ...] = ()
    advised: tuple[Request, ...] = ()
    problem: bool = False


class Planner:
    """Plans to create what is missing, and changes nothing that is there.

    Each method raises what `server` raises.
    """

    def __init__(self, server: Api | DeadlineServer, config: Config) -> None:
        self.server = server
        self.config = config

    @cached_property
    def present(self) -> tuple[InstalledTemplate, ...]:
        """All index templates of the server."""
        return templates_in(self.server.expect("GET", TEMPLATES, doing="to list index templates"))

    @cached_property
    def alias(self) -> dict[str, Any]:
        """What has the readers' alias, or its name."""
        return self.server.expect(
            "GET", ALIAS, doing="to see what the alias logs points to", or_nothing=True
        )

    def installed(self, template: IndexTemplate) -> InstalledTemplate | None:
        """Return the server's template with the name of ours."""
        return next((other for other in self.present if other.name == template.name), None)

    def overriding(self, template: IndexTemplate) -> InstalledTemplate | None:
        """Return the template that our data stream gets instead of ours."""
        return overriding_template(template, stream_name(template, self.config), self.present)

    def template(self, template: IndexTemplate) -> Step:
        """Plan one of our templates."""
        if there := self.installed(template):
            return (
                self.existing(template, there)
                if there.is_ours
                else Step(template_subject(template), "left alone", NOT_OURS)
            )
        if other := self.overriding(template):
            what = "these indices" if template is REPLAY else "these data streams"
            return Step(
                template_subject(template),
                "not needed",
                f"The index template {other.name} takes {what}.",
            )
        body, note = self.accepted(template, self.body(template))
        request = Request("PUT", f"/_index_template/{template.name}?create=true", body)
        return Step(template_subject(template), "installed", note, (request,))

    def existing(self, template: IndexTemplate, there: InstalledTemplate) -> Step:  # noqa: ARG002
        """Plan a template of ours that is there already."""
        return Step(template_subject(template), "present")

    def body(self, template: IndexTemplate) -> Mapping[str, Any]:
        """Return the template to send."""
        return template.body

    def accepted(
        self, template: IndexTemplate, body: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], str]:
        """Return the template as this server accepts it, and a sentence about what it refuses.

        Only the template of replay records has settings that it can do without.
        """
        accepted = ReducedTemplate(body)
        while template is REPLAY:
            status, content = self.server.ask("POST", "/_index_template/_simulate", accepted.body)
            if status != http.HTTPStatus.BAD_REQUEST or not (
                smaller := accepted.without_refused(reason_of(content))
            ):
                break
            accepted = smaller
        return accepted.body, str(accepted)

    def replay_template(self) -> Step:
        """Plan the template of replay records, unless something hides them from their readers."""
        if other := self.overriding(REPLAY):
            return self.hiding(other) or self.template(REPLAY)
        there = self.installed(REPLAY)
        if there and there.makes_streams:
            return not_possible(
                f"The index template {there.name} makes data streams, as an earlier version of it "
                f"did. `otel-asayer setup`, with a user that may, changes that. "
                f"{NO_REPLAY_RECORDS}."
            )
        return (
            None if there else self.conflict(self.alias, alias_conflict(self.alias))
        ) or self.template(REPLAY)

    def hiding(self, other: InstalledTemplate) -> Step | None:
        """Return the problem that another template hides replay records, if it does."""
        indices = stream_name(REPLAY, self.config)
        simulated = self.server.expect(
            "POST",
            f"/_index_template/_simulate_index/{indices.replace('*', '2000.01.01')}",
            doing=f"which template takes {indices}",
        )
        reason = hidden_reason(other, indices, REPLAY.priority, simulated)
        return not_possible(f"{reason}.") if reason else None

    def conflict(self, resolved: Mapping[str, Any], alias: AliasConflict | None) -> Step | None:
        """Return the problem that replay records cannot have their alias, if they cannot.

        Args:
            resolved: What has the alias or the names of their indices.
            alias: What keeps them from the alias.
        """
        if legacy := legacy_streams(resolved):
            return not_possible(
                f"{legacy_streams_sentence(legacy)}. {NO_REPLAY_RECORDS}.",
                Request("DELETE", f"/_data_stream/{','.join(legacy)}"),
            )
        return self.conflict_step(alias) if alias else None

    def conflict_step(self, conflict: AliasConflict) -> Step:
        """Return the problem that something else has the alias."""
        return not_possible(
            f"{conflict}. {NO_REPLAY_RECORDS} (OTEL_ASAYER_REPLAY_RECORDS=false writes none)."
        )

    def pipeline(self) -> Step:
        """Plan the ingest pipeline that operations of replay records name.

        Carry it out after the template of replay records: the pipeline says that it is there.
        """
        there = self.server.expect(
            "GET", PIPELINE_TARGET, doing="to read ingest pipelines", or_nothing=True
        )
        if not there:
            return Step(
                PIPELINE_SUBJECT, "installed", "", (Request("PUT", PIPELINE_TARGET, PIPELINE),)
            )
        return (
            Step(PIPELINE_SUBJECT, "present")
            if all(map(is_ours, there.values()))
            else Step(PIPELINE_SUBJECT, "left alone", NOT_OURS)
        )


def template_subject(template: IndexTemplate) -> str:
    """Return the subject of a template's step."""
    return f"index template {template.name}"


def not_possible(note: str, *advised: Request) -> Step:
    """Return the step of replay records' template that cannot be installed, and why."""
    return Step(template_subject(REPLAY), "not possible", note, advised=advised, problem=True)
