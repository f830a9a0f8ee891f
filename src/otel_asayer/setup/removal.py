"""The plan of `otel-asayer setup --uninstall`: remove what setup brought, and never data.

It removes our templates that no data stream needs, our pipeline and policy, and our keys. The
pipeline goes first: where it is, the template of replay records has to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.setup.installation import streams_on
from otel_asayer.setup.inventory import (
    TEMPLATES,
    InstalledTemplate,
    overriding_template,
    templates_in,
)
from otel_asayer.setup.keys import invalidation, keys_on
from otel_asayer.setup.planner import PIPELINE_SUBJECT, Request, Step, template_subject
from otel_asayer.setup.retention import POLICY_SUBJECT, POLICY_TARGET, policy_on, shortened
from otel_asayer.setup.templates import (
    LOGS,
    NOT_OURS,
    PIPELINE_TARGET,
    REPLAY,
    TRACES,
    IndexTemplate,
    is_ours,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.elasticsearch.api import Api

__all__ = ["plan_removal"]


def plan_removal(api: Api, *, keys: bool) -> Iterator[Step]:
    """Yield the steps that remove what setup brought, and say what stays.

    Args:
        api: The server.
        keys: Whether to invalidate our keys, too.

    Raises:
        ElasticsearchError: The server cannot be looked at; the message says why.
    """
    present = templates_in(api.expect("GET", TEMPLATES, doing="to list index templates"))
    there = api.expect("GET", PIPELINE_TARGET, doing="to read ingest pipelines", or_nothing=True)
    if any(map(is_ours, there.values())):
        yield Step(PIPELINE_SUBJECT, "removed", "", (Request("DELETE", PIPELINE_TARGET),))
    yield from (
        _template(api, template, installed, present)
        for template in (TRACES, LOGS, REPLAY)
        for installed in present
        if installed.name == template.name
    )
    yield from _policy(api)
    if keys and (ours := keys_on(api)):
        yield Step(
            "API keys",
            "invalidated",
            f"{', '.join(f'{key.role} {key.id}' for key in ours)}.",
            (invalidation(ours),),
        )


def _template(
    api: Api,
    template: IndexTemplate,
    installed: InstalledTemplate,
    present: tuple[InstalledTemplate, ...],
) -> Step:
    subject = template_subject(template)
    if not installed.is_ours:
        return Step(subject, "left alone", NOT_OURS)
    (pattern,) = template.body["index_patterns"]
    if needing := [
        stream
        for stream in streams_on(api, pattern)
        if overriding_template(template, stream, present) is None
    ]:
        return Step(
            subject,
            "left",
            f"{', '.join(needing)}: A template that a data stream needs cannot be removed. Delete "
            "the data streams first, with all their documents, or keep both.",
            advised=(Request("DELETE", f"/_data_stream/{','.join(needing)}"),),
        )
    return Step(subject, "removed", "", (Request("DELETE", f"/_index_template/{template.name}"),))


def _policy(api: Api) -> Iterator[Step]:
    policy = policy_on(api)
    if policy.is_ours and policy.indices:
        yield Step(
            POLICY_SUBJECT,
            "left",
            f"{shortened(policy.indices)}: a policy that indices follow cannot be removed.",
        )
    elif policy.is_ours:
        yield Step(POLICY_SUBJECT, "removed", "", (Request("DELETE", POLICY_TARGET),))
