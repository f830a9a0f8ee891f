"""API keys of least rights: which there are, who has one, and the requests that make and invalidate
them.

What marks a key as ours is its metadata, `{"managed_by": "otel-asayer", "role": "writer"}`. The
secret of a key cannot be read again, so a valid key is never doubled unasked.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = [
    "FORGETTER",
    "READER",
    "ROLES",
    "VIEWER",
    "WRITER",
    "Key",
    "KeyWishes",
    "Role",
    "expiration_of",
    "invalidation",
    "keys_on",
    "plan_keys",
]

_TARGET: Final = "/_security/api_key"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999: a server may say anything."""
_LISTING: Final = "to list API keys"


class Role(NamedTuple):
    """What a key may do."""

    name: str
    indices: tuple[str, ...]
    privileges: tuple[str, ...]
    """On those indices."""
    cluster: tuple[str, ...] = ()

    @property
    def key_name(self) -> str:
        """The name of a key of this role."""
        return f"{MANAGED_BY}-{self.name}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """The role descriptor of the key."""
        return {
            "cluster": list(self.cluster),
            "index": [{"names": list(self.indices), "privileges": list(self.privileges)}],
        }

    def is_granted_by(self, descriptors: Mapping[str, Any]) -> bool:
        """Whether these role descriptors, as Elasticsearch returns them, say the same."""
        cluster = {name for one in descriptors.values() for name in one.get("cluster", ())}
        indices = {
            (frozenset(part["names"]), frozenset(part["privileges"]))
            for one in descriptors.values()
            for part in one.get("indices", ())
        }
        return cluster == set(self.cluster) and indices == {
            (frozenset(self.indices), frozenset(self.privileges))
        }


_STREAMS: Final = ("logs-*.otel-*", "traces-*.otel-*", "asayer-logs-*")
"""All that is written, and no more: a team's own `logs-nginx-default` is none of ours."""

WRITER: Final = Role("writer", _STREAMS, ("create_doc", "auto_configure"))
"""The application's: it writes, and cannot read what it wrote."""
READER: Final = Role("reader", ("logs", "asayer-logs-*"), ("read",))
"""Asayer's or OpenReplay's."""
VIEWER: Final = Role(
    "viewer",
    ("logs", *_STREAMS),
    ("read", "view_index_metadata"),
    # What `monitor` would grant besides: tasks, and with them everybody's searches; the cluster's
    # settings and state; hot threads.
    (
        "cluster:monitor/main",
        "cluster:monitor/health",
        "cluster:monitor/nodes/stats",
        "cluster:monitor/xpack/ssl/certificates/get",
        "indices:admin/index_template/get",
    ),
)
"""That of people who look with `timeline`, `errors`, `serve` and `doctor`; the last asks the alias
itself, as OpenReplay does.

Of the cluster they see its version, its health and, for the doctor, its clock, its certificates and
its index templates.
"""
FORGETTER: Final = Role(
    "forget",
    _STREAMS,
    ("read", "delete", "maintenance", "view_index_metadata"),
    ("cluster:monitor/main",),
)
"""That of people who delete a session with `forget`, which refreshes to see what came just now. It
is made on request alone.

It sees where failure stores are, and not into them: a privilege that an Elasticsearch does not know
makes it refuse the whole key.
"""
ROLES: Final = (WRITER, READER, VIEWER)


class Key(NamedTuple):
    """A valid key of ours."""

    id: str
    role: str
    created_ms: int
    expires: str
    """A date, or nothing."""
    descriptors: Mapping[str, Any]
    own: bool
    """Whether it was found among the user's own keys, the only ones that this user may touch."""


class KeyWishes(NamedTuple):
    """What is asked for.

    Attributes:
        roles: Of the keys.
        expiration: How long new ones live, in Elasticsearch's notation (`90d`); None for ever.
        new: Whether to create keys where there are valid ones.
        invalidate_old: Whether to invalidate all but the newest key of each role.
    """

    roles: Sequence[Role] = ROLES
    expiration: str | None = None
    new: bool = False
    invalidate_old: bool = False


def keys_on(api: Api) -> tuple[Key, ...]:
    """Return our valid keys, the oldest first: all, or those of the user who may see no others.

    Raises:
        ElasticsearchError: they cannot be listed; the message says why.
    """
    query = f"{_TARGET}?name={MANAGED_BY}*&active_only=true"
    try:
        content, own = api.expect("GET", query, doing=_LISTING), False
    except NotAllowedError:  # with `manage_own_api_key` alone, only one's own can be asked for
        content, own = api.expect("GET", f"{query}&owner=true", doing=_LISTING), True
    ours = (
        _key(entry, own=own)
        for entry in content.get("api_keys", ())
        if entry.get("metadata", {}).get("managed_by") == MANAGED_BY
    )
    return tuple(sorted(ours, key=lambda key: key.created_ms))


def expiration_of(api: Api, key_id: str) -> datetime | None:
    """Return until when the key that asks is valid; None for ever, or where it is not told.

    A key may look at itself, whatever its rights.
    """
    answer = api.ask("GET", f"{_TARGET}?id={quote(key_id, safe='')}")
    entries = answer.content.get("api_keys") if answer.good else None
    expiration = (
        entries[0].get("expiration")
        if isinstance(entries, list) and entries and isinstance(entries[0], dict)
        else None
    )
    return _time(expiration) if isinstance(expiration, int) else None


def plan_keys(api: Api, wishes: KeyWishes) -> tuple[Step, ...]:
    """Return the steps that bring the keys about.

    Raises:
        ElasticsearchError: the present ones cannot be listed; the message says why.
    """
    present = keys_on(api)
    steps = []
    for role in wishes.roles:
        keys = [key for key in present if key.role == role.name]
        creates = wishes.new or not keys
        old = keys if creates else keys[:-1]
        steps.append(_creation(role, wishes, old) if creates else _standing(role, keys[-1]))
        if old and wishes.invalidate_old:
            steps.append(
                Step(
                    f"older API keys {role.key_name}",
                    "invalidated",
                    _ids(old),
                    (invalidation(old),),
                )
            )
    return tuple(steps)


def invalidation(keys: Sequence[Key]) -> Request:
    """Return the request that makes keys invalid for good."""
    own = {"owner": True} if any(key.own for key in keys) else {}
    return Request("DELETE", _TARGET, {"ids": [key.id for key in keys], **own})


def _creation(role: Role, wishes: KeyWishes, old: Sequence[Key]) -> Step:
    body = {
        "name": role.key_name,
        "role_descriptors": {role.name: role.descriptor},
        "metadata": {"managed_by": MANAGED_BY, "role": role.name},
    }
    if wishes.expiration:
        body["expiration"] = wishes.expiration
    lasting = bool(old) and not wishes.invalidate_old
    note = (
        f"The older {_ids(old)} goes on being valid: invalidate it once the new one is in use "
        f"(--invalidate-old-keys)."
        if lasting
        else ""
    )
    return Step(
        f"API key {role.key_name}",
        "created",
        note,
        (Request("POST", _TARGET, body),),
        (invalidation(old),) if lasting else (),
    )


def _standing(role: Role, key: Key) -> Step:
    until = f", valid until {key.expires}" if key.expires else ""
    rights = (
        ""
        if role.is_granted_by(key.descriptors)
        else " Its rights are other ones than a new key has."
    )
    note = f"Its id is {key.id}{until}. Elasticsearch shows a secret only once: --new-keys creates another key.{rights}"
    return Step(f"API key {role.key_name}", "present", note)


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=min(max(ms, 0), _LAST_MS))


def _ids(keys: Sequence[Key]) -> str:
    return ", ".join(key.id for key in keys)


def _key(entry: Mapping[str, Any], *, own: bool) -> Key:
    expiration = entry.get("expiration")
    expires = _time(expiration).date().isoformat() if expiration else ""
    return Key(
        entry["id"],
        str(entry["metadata"].get("role", "")),
        entry.get("creation", 0),
        expires,
        entry.get("role_descriptors", {}),
        own,
    )
