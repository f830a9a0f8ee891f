"""How long replay records are kept:

by a policy of index lifecycle management, where Elasticsearch has that; elsewhere, it is said how.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import MANAGED_BY, REPLAY
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = ["POLICY", "POLICY_TARGET", "SETTING", "Policy", "plan_days", "plan_policy", "policy_on"]

POLICY: Final = REPLAY.name
POLICY_TARGET: Final = f"/_ilm/policy/{POLICY}"
SETTING: Final = "index.lifecycle.name"
_SUBJECT: Final = f"ILM policy {POLICY}"
_DAY: Final = {"d": 1, "h": 24, "m": 1440, "s": 86400}
"""A day, in the units of Elasticsearch's times."""
_NO_API: Final = (
    http.HTTPStatus.BAD_REQUEST,
    http.HTTPStatus.METHOD_NOT_ALLOWED,
    http.HTTPStatus.GONE,
)


class Policy:
    """The policy as a server has it.

    Attributes:
        possible: whether the server knows such policies.
        body: what it has under our name; nothing where there is none.
        indices: names of those that follow it.
    """

    def __init__(self, body: Mapping[str, Any] | None, indices: Sequence[str] = ()) -> None:
        self.possible = body is not None
        self.body = body or {}
        self.indices = tuple(indices)

    @property
    def is_ours(self) -> bool:
        """Whether there is one, and we made it."""
        return bool(self.body.get("_meta", {}).get("managed_by") == MANAGED_BY)

    @property
    def retention(self) -> str:
        """What it was made for, `30d`, or nothing."""
        return str(self.body.get("_meta", {}).get("retention", "")) if self.is_ours else ""


def policy_on(api: Api) -> Policy:
    """Return the policy that a server has.

    Raises:
        ElasticsearchError: it may not be looked at; the message says why.
    """
    answer = api.ask("GET", POLICY_TARGET)
    if answer.status in _NO_API:
        return Policy(None)
    if answer.status == http.HTTPStatus.NOT_FOUND:
        return Policy({})
    found = api.content_of(answer, "to read ILM policies").get(POLICY, {})
    return Policy(found.get("policy", {}), found.get("in_use_by", {}).get("indices", ()))


def plan_policy(policy: Policy, retention: str) -> Step:
    """Return the step that keeps replay records for `retention`, in Elasticsearch's notation (`30d`)."""
    if not policy.possible:
        note = f"This Elasticsearch has no index lifecycle management. `otel-asayer prune --older-than {retention} --yes`, once a day, does the same."
        return Step("retention of replay records", "not possible", note)
    if policy.body and not policy.is_ours:
        return Step(
            _SUBJECT,
            "left alone",
            f"Somebody else made it: its _meta does not say managed_by: {MANAGED_BY}.",
        )
    if policy.retention == retention:
        return Step(_SUBJECT, "present", f"Replay records are kept for {retention}.")
    word = "changed" if policy.body else "installed"
    return Step(
        _SUBJECT,
        word,
        f"Replay records are kept for {retention}, a day at a time.",
        (Request("PUT", POLICY_TARGET, _body(retention)),),
    )


def plan_days(api: Api, days: Sequence[str]) -> Step | None:
    """Return the step that puts indices which exist already under the policy, if there are such.

    Raises:
        ElasticsearchError: their settings cannot be read; the message says why.
    """
    if not days:
        return None
    doing = "to read the settings of asayer-logs-*"
    settings = api.expect(
        "GET",
        f"/asayer-logs-*/_settings?filter_path=*.settings.{SETTING}",
        doing=doing,
        or_nothing=True,
    )
    free = [day for day in days if not settings.get(day)]
    if not free:
        return None
    request = Request("PUT", f"/{','.join(free)}/_settings", {SETTING: POLICY})
    return Step(
        "retention of existing indices",
        "changed",
        f"{free[0]}{f' and {len(free) - 1} more' if len(free) > 1 else ''}.",
        (request,),
    )


def _body(retention: str) -> dict[str, Any]:
    """The policy. An index holds a day, and its age counts from its creation:

    so the last record of the day is kept as long as was asked for.
    """
    age = f"{int(retention[:-1]) + _DAY[retention[-1]]}{retention[-1]}"
    phases = {"hot": {"actions": {}}, "delete": {"min_age": age, "actions": {"delete": {}}}}
    return {
        "policy": {
            "_meta": {"managed_by": MANAGED_BY, "version": __version__, "retention": retention},
            "phases": phases,
        }
    }
