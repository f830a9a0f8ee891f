"""Whole days of replay records, listed and deleted:

retention for an Elasticsearch without index lifecycle management.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.documents import day_of_index
from otel_asayer.elasticsearch.explain import missing_privileges
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.inventory import REPLAY_INDICES, days_in
from otel_asayer.setup.privileges import asker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = ["Day", "days_before", "delete"]

_PATTERN: Final = "asayer-logs-*"
_PRIVILEGES: Final = ("delete_index", "read", "view_index_metadata")
_ONE_DAY: Final = timedelta(days=1)
_AT_ONCE: Final = 50
"""Indices that one request deletes: their names stand in its path."""


class Day(NamedTuple):
    """An index of replay records."""

    day: str
    """In UTC, `2026-11-24`."""
    records: int
    name: str
    """Of the index."""


def days_before(api: Api, until: datetime | None, namespace: str | None = None) -> list[Day]:
    """Return the days that were over at `until`, the oldest first; None: all, today's too.
    `namespace` leaves all others out.

    Raises:
        NotAllowedError: the key or user may not delete them, or not look at them; the message names
            what is missing.
        ElasticsearchError: there is no good answer.
    """
    _require(api)
    names = days_in(
        api.expect("GET", REPLAY_INDICES, doing=f"to look for {_PATTERN}", or_nothing=True)
    )
    wanted = [
        name
        for name in names
        if (until is None or _is_over(name, until)) and namespace in (None, _namespace_of(name))
    ]
    found = [
        Day((day_of_index(name) or "").replace(".", "-"), _count(api, name), name)
        for name in wanted
    ]
    return sorted(found, key=lambda day: (day.day, day.name))


def delete(api: Api, days: Sequence[Day]) -> None:
    """Delete the indices of `days`, each by its name; what is gone already is as good.

    Raises:
        ElasticsearchError: one of them could not be deleted.
    """
    for start in range(0, len(days), _AT_ONCE):
        names = ",".join(day.name for day in days[start : start + _AT_ONCE])
        api.expect("DELETE", f"/{names}?ignore_unavailable=true", doing=f"to delete {names}")


def _require(api: Api) -> None:
    if not asker_of(api).secured:
        return  # everybody may do everything
    asked = {"index": [{"names": [_PATTERN], "privileges": list(_PRIVILEGES)}]}
    granted = api.expect(
        "POST", "/_security/user/_has_privileges", asked, doing="which privileges there are"
    )
    if missing := missing_privileges(granted):
        raise NotAllowedError(
            f"Not allowed to delete replay records: it takes {missing}. Use a key or user that has "
            f"it."
        )


def _is_over(index: str, until: datetime) -> bool:
    try:
        begins = datetime.strptime(day_of_index(index) or "", "%Y.%m.%d").replace(
            tzinfo=timezone.utc
        )
    except ValueError:  # no day of any calendar
        return False
    return begins + _ONE_DAY <= until


def _namespace_of(index: str) -> str:
    return index.removeprefix(_PATTERN.rstrip("*")).rpartition("-")[0]


def _count(api: Api, index: str) -> int:
    return int(
        api.expect(
            "GET", f"/{index}/_count?ignore_unavailable=true", doing=f"to count {index}"
        ).get("count", 0)
    )
