"""What `otel-asayer setup --uninstall` takes away: our templates that no data stream needs, our
pipeline and policy, and our keys. Never data.

The pipeline goes first: where it is, the template of replay records has to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_asayer.documents import REPLAY_PIPELINE
from otel_asayer.setup.inventory import TEMPLATES, rival_of, templates_in
from otel_asayer.setup.keys import invalidation, keys_on
from otel_asayer.setup.policies import POLICY, POLICY_TARGET, policy_on
from otel_asayer.setup.repair import streams_on
from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import LOGS, MANAGED_BY, PIPELINE_TARGET, REPLAY, TRACES

if TYPE_CHECKING:
    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.setup.inventory import Template
    from otel_asayer.setup.template_bodies import IndexTemplate

__all__ = ["plan_removal"]

_AFTER: Final = "A template that a data stream needs cannot be removed: delete those first, with all they hold, or keep both"


def plan_removal(api: Api, *, keys: bool) -> tuple[Step, ...]:
    """Return the steps that take away what setup brought, and say what stays.

    Args:
        api: The server.
        keys: Whether our keys go too.

    Raises:
        ElasticsearchError: the server cannot be looked at; the message says why.
    """
    present = templates_in(api.expect("GET", TEMPLATES, doing="to list index templates"))
    steps = [
        _pipeline(api),
        *(_template(api, template, present) for template in (TRACES, LOGS, REPLAY)),
        _policy(api),
    ]
    return (*filter(None, steps), *(_keys(api) if keys else ()))


def _pipeline(api: Api) -> Step | None:
    there = api.expect("GET", PIPELINE_TARGET, doing="to read ingest pipelines", or_nothing=True)
    ours = any(body.get("_meta", {}).get("managed_by") == MANAGED_BY for body in there.values())
    return (
        Step(
            f"ingest pipeline {REPLAY_PIPELINE}",
            "removed",
            "",
            (Request("DELETE", PIPELINE_TARGET),),
        )
        if ours
        else None
    )


def _policy(api: Api) -> Step | None:
    policy = policy_on(api)
    if not policy.is_ours:
        return None
    subject = f"ILM policy {POLICY}"
    if following := policy.indices:
        note = f"{following[0]}{f' and {len(following) - 1} more' if len(following) > 1 else ''}: a policy that indices follow cannot be removed."
        return Step(subject, "left", note)
    return Step(subject, "removed", "", (Request("DELETE", POLICY_TARGET),))


def _template(api: Api, template: IndexTemplate, present: tuple[Template, ...]) -> Step | None:
    there = next((other for other in present if other.name == template.name), None)
    subject = f"index template {template.name}"
    if there is None:
        return None
    if stranger := there.stranger:
        return Step(subject, "left alone", stranger)
    (pattern,) = template.body["index_patterns"]
    if needing := [
        stream for stream in streams_on(api, pattern) if rival_of(template, stream, present) is None
    ]:
        deletion = Request("DELETE", f"/_data_stream/{','.join(needing)}")
        return Step(subject, "left", f"{', '.join(needing)}: {_AFTER}.", advised=(deletion,))
    return Step(subject, "removed", "", (Request("DELETE", f"/_index_template/{template.name}"),))


def _keys(api: Api) -> list[Step]:
    keys = keys_on(api)
    return (
        [
            Step(
                "API keys",
                "invalidated",
                ", ".join(f"{key.role} {key.id}" for key in keys) + ".",
                (invalidation(keys),),
            )
        ]
        if keys
        else []
    )
