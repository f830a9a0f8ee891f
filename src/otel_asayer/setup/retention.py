"""How long Elasticsearch keeps documents.

Replay records, whole days at once: by a policy of index lifecycle management (ILM) where
Elasticsearch has that, else by `otel-asayer prune`. Data streams of traces and logs: by their own
lifecycle.
"""

from __future__ import annotations

import http
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents import day_of_index
from otel_asayer.elasticsearch.explain import missing_privileges
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.inventory import REPLAY_INDICES, replay_indices
from otel_asayer.setup.keys import authenticate
from otel_asayer.setup.planner import Request, Step
from otel_asayer.setup.templates import LOGS, MANAGED_BY, NOT_OURS, REPLAY, TRACES, is_ours
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = [
    "POLICY",
    "POLICY_SUBJECT",
    "POLICY_TARGET",
    "SETTING",
    "Day",
    "Policy",
    "days_before",
    "delete_days",
    "plan_indices",
    "plan_policy",
    "plan_streams",
    "policy_on",
    "shortened",
]

POLICY: Final = REPLAY.name
POLICY_TARGET: Final = f"/_ilm/policy/{POLICY}"
POLICY_SUBJECT: Final = f"ILM policy {POLICY}"
SETTING: Final = "index.lifecycle.name"
"""The setting of an index that names its policy."""
# A day, in the units of Elasticsearch's times.
_DAY: Final = {"d": 1, "h": 24, "m": 1440, "s": 86400}
_INDICES: Final = "asayer-logs-*"
_STREAMS: Final = "retention of existing data streams"
_STREAM_PATTERNS: Final = ",".join(
    pattern for template in (TRACES, LOGS) for pattern in template.body["index_patterns"]
)
# Indices that one request deletes: its path contains their names.
_INDICES_A_REQUEST: Final = 50


class Policy(NamedTuple):
    """The policy of replay records as a server has it.

    Attributes:
        body: The policy with our name; empty where there is none.
        indices: Names of the indices that follow it.
        possible: Whether the server has index lifecycle management.
    """

    body: Mapping[str, Any]
    indices: Sequence[str] = ()
    possible: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether there is one, and otel-asayer made it."""
        return is_ours(self.body)

    @property
    def retention(self) -> str:
        """The retention it was made for, `30d`, or nothing."""
        return str(self.body.get("_meta", {}).get("retention", "")) if self.is_ours else ""


def policy_on(api: Api) -> Policy:
    """Return the policy that a server has.

    Raises:
        ElasticsearchError: It cannot be read; the message says why.
    """
    answer = api.ask("GET", POLICY_TARGET)
    if answer.status in (
        http.HTTPStatus.BAD_REQUEST,
        http.HTTPStatus.METHOD_NOT_ALLOWED,
        http.HTTPStatus.GONE,
    ):
        return Policy({}, possible=False)
    if answer.status == http.HTTPStatus.NOT_FOUND:
        return Policy({})
    found = api.content_of(answer, "to read ILM policies").get(POLICY, {})
    return Policy(found.get("policy", {}), found.get("in_use_by", {}).get("indices", ()))


def plan_policy(policy: Policy, retention: str) -> Step:
    """Return the step that keeps replay records for `retention`, `30d`."""
    if not policy.possible:
        return Step(
            "retention of replay records",
            "not possible",
            "This Elasticsearch has no index lifecycle management. Run `otel-asayer prune "
            f"--older-than {retention} --yes` once a day instead.",
        )
    if policy.body and not policy.is_ours:
        return Step(POLICY_SUBJECT, "left alone", NOT_OURS)
    if policy.retention == retention:
        return Step(POLICY_SUBJECT, "present", f"Replay records are kept for {retention}.")
    return Step(
        POLICY_SUBJECT,
        "changed" if policy.body else "installed",
        f"Replay records are kept for {retention}, a day at a time.",
        (Request("PUT", POLICY_TARGET, _policy_body(retention)),),
    )


def _policy_body(retention: str) -> dict[str, Any]:
    """The policy. An index holds a day, and its age counts from its creation.

    So a day is added: the last record of the day is kept as long as asked for.
    """
    age = f"{int(retention[:-1]) + _DAY[retention[-1]]}{retention[-1]}"
    phases = {"hot": {"actions": {}}, "delete": {"min_age": age, "actions": {"delete": {}}}}
    return {
        "policy": {
            "_meta": {"managed_by": MANAGED_BY, "version": __version__, "retention": retention},
            "phases": phases,
        }
    }


def plan_indices(api: Api, indices: Sequence[str]) -> Iterator[Step]:
    """Yield the step that puts existing indices under the policy, if some follow no policy.

    Raises:
        ElasticsearchError: Their settings cannot be read; the message says why.
    """
    if not indices:
        return
    settings = api.expect(
        "GET",
        f"/{_INDICES}/_settings?filter_path=*.settings.{SETTING}",
        doing=f"to read the settings of {_INDICES}",
        or_nothing=True,
    )
    if free := [index for index in indices if not settings.get(index)]:
        yield Step(
            "retention of existing indices",
            "changed",
            f"{shortened(free)}.",
            (Request("PUT", f"/{','.join(free)}/_settings", {SETTING: POLICY}),),
        )


def shortened(names: Sequence[str]) -> str:
    """Return the first of several names, and how many more there are."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def plan_streams(api: Api, retention: str) -> Iterator[Step]:
    """Yield the steps that set `retention`, `30d`, on the data streams that exist.

    Setup changes those that a template of ours made; of others, it says how.

    Raises:
        ElasticsearchError: They cannot be listed; the message says why.
    """
    answer = api.ask("GET", f"/_data_stream/{_STREAM_PATTERNS}")
    if answer.status in (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.METHOD_NOT_ALLOWED):
        yield Step(
            _STREAMS,
            "not possible",
            "This Elasticsearch has no API for it. Existing data streams keep what they hold; new "
            "ones follow their index template.",
        )
        return
    ours: list[str] = []
    others: list[str] = []
    managed = []
    for stream in api.content_of(answer, "to list data streams").get("data_streams", []):
        name = stream["name"]
        if stream.get("ilm_policy") and stream.get("prefer_ilm", True):
            managed.append(f"{name} ({stream['ilm_policy']})")
        elif stream.get("lifecycle", {}).get("data_retention") != retention:
            (ours if stream.get("template") in (TRACES.name, LOGS.name) else others).append(name)
    if ours:
        yield Step(_STREAMS, "changed", f"{', '.join(ours)}.", (_lifecycle(ours, retention),))
    if others:
        yield Step(
            "retention of traces and logs",
            "left alone",
            "Others may write to data streams of other templates, so setup leaves their retention "
            "to those templates. To set it all the same, send the request that is shown.",
            advised=(_lifecycle(others, retention),),
        )
    if managed:
        yield Step(
            "retention by ILM policy",
            "left alone",
            f"An ILM policy decides for {', '.join(managed)}: set it there.",
        )


def _lifecycle(streams: Sequence[str], retention: str) -> Request:
    return Request(
        "PUT", f"/_data_stream/{','.join(streams)}/_lifecycle", {"data_retention": retention}
    )


class Day(NamedTuple):
    """A day of replay records: one index.

    Attributes:
        day: The day in UTC, `2026-11-24`.
        records: How many there are.
        name: Name of the index.
    """

    day: str
    records: int
    name: str


def days_before(api: Api, until: datetime | None, namespace: str | None = None) -> list[Day]:
    """Return the days of replay records, the oldest first.

    Args:
        api: The server.
        until: Only days that were over at this moment; None for all, today included.
        namespace: Only those of this namespace; None for all.

    Raises:
        NotAllowedError: The key or user may not delete or see them; the message names the missing
            privileges.
        ElasticsearchError: There is no good answer.
    """
    _require_pruning(api)
    resolved = api.expect("GET", REPLAY_INDICES, doing=f"to look for {_INDICES}", or_nothing=True)
    found = (
        Day((day_of_index(name) or "").replace(".", "-"), _count(api, name), name)
        for name in replay_indices(resolved)
        if (until is None or _is_over(name, until)) and namespace in (None, _namespace_of(name))
    )
    return sorted(found, key=lambda day: (day.day, day.name))


def delete_days(api: Api, days: Sequence[Day]) -> None:
    """Delete the indices of `days` by name; an index that is gone already counts as deleted.

    Raises:
        ElasticsearchError: One of them could not be deleted.
    """
    for start in range(0, len(days), _INDICES_A_REQUEST):
        names = ",".join(day.name for day in days[start : start + _INDICES_A_REQUEST])
        api.expect("DELETE", f"/{names}?ignore_unavailable=true", doing=f"to delete {names}")


def _require_pruning(api: Api) -> None:
    if not authenticate(api).secured:
        return
    granted = api.expect(
        "POST",
        "/_security/user/_has_privileges",
        {
            "index": [
                {"names": [_INDICES], "privileges": ["delete_index", "read", "view_index_metadata"]}
            ]
        },
        doing="which privileges there are",
    )
    if missing := missing_privileges(granted):
        raise NotAllowedError(
            f"Not allowed to delete replay records: this needs {missing}. Use a key or user "
            "that has it."
        )


def _is_over(index: str, until: datetime) -> bool:
    try:
        start = datetime.strptime(day_of_index(index) or "", "%Y.%m.%d").replace(
            tzinfo=timezone.utc
        )
    except ValueError:  # not a day of the calendar
        return False
    return start + timedelta(days=1) <= until


def _namespace_of(index: str) -> str:
    return index.removeprefix(_INDICES.rstrip("*")).rpartition("-")[0]


def _count(api: Api, index: str) -> int:
    return int(
        api.expect(
            "GET", f"/{index}/_count?ignore_unavailable=true", doing=f"to count {index}"
        ).get("count", 0)
    )
