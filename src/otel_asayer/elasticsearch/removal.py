"""What `otel-asayer setup --uninstall` takes away: our templates that no data stream needs, and our keys. Never data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_asayer.elasticsearch.inventory import TEMPLATES, rival_of, templates_in
from otel_asayer.elasticsearch.keys import invalidation, keys_on
from otel_asayer.elasticsearch.repair import streams_on
from otel_asayer.elasticsearch.steps import Request, Step
from otel_asayer.elasticsearch.template_bodies import LOGS, REPLAY, TRACES

if TYPE_CHECKING:
    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.elasticsearch.inventory import Template
    from otel_asayer.elasticsearch.template_bodies import IndexTemplate

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
    steps = [_template(api, template, present) for template in (TRACES, LOGS, REPLAY)]
    return (*filter(None, steps), *(_keys(api) if keys else ()))


def _template(api: Api, template: IndexTemplate, present: tuple[Template, ...]) -> Step | None:
    there = next((other for other in present if other.name == template.name), None)
    subject = f"index template {template.name}"
    if there is None:
        return None
    if stranger := there.stranger:
        return Step(subject, "left alone", stranger)
    (pattern,) = template.body["index_patterns"]
    if needing := [stream for stream in streams_on(api, pattern) if rival_of(template, stream, present) is None]:
        deletion = Request("DELETE", f"/_data_stream/{pattern if template is REPLAY else ','.join(needing)}")
        return Step(subject, "left", f"{', '.join(needing)}: {_AFTER}.", advised=(deletion,))
    return Step(subject, "removed", "", (Request("DELETE", f"/_index_template/{template.name}"),))


def _keys(api: Api) -> list[Step]:
    keys = keys_on(api)
    return [Step("API keys", "invalidated", ", ".join(f"{key.role} {key.id}" for key in keys) + ".", (invalidation(keys),))] if keys else []
