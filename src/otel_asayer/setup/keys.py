"""API keys of least privileges: which exist, who asks for them, and the steps that make them.

What marks a key as ours is its metadata, `{"managed_by": "otel-asayer", "role": "writer"}`. Nobody
can read the secret of a key again, so setup creates a second key of a role only when asked to.

What the user lacks is found before anything changes, so that setup does not stop half way.
"""

from __future__ import annotations

import http
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from otel_asayer.elasticsearch.explain import missing_privileges
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.planner import Request, Step
from otel_asayer.setup.templates import MANAGED_BY, READERS_ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = [
    "BRIDGE",
    "FORGETTER",
    "ON_REQUEST",
    "READER",
    "ROLES",
    "VIEWER",
    "WRITER",
    "AuthenticatedUser",
    "Key",
    "KeyOptions",
    "RequiredPrivileges",
    "Role",
    "authenticate",
    "expiration_of",
    "invalidation",
    "keys_on",
    "plan_keys",
    "require_privileges",
    "required_privileges",
]

_TARGET: Final = "/_security/api_key"
# The end of the year 9999: a hostile server may say anything.
_LAST_MS: Final = 253_402_300_799_000
_LISTING: Final = "to list API keys"
# Without security nothing handles these requests; Elasticsearch 8 then takes the path for that of
# an index, which has other methods.
_NO_SECURITY: Final = (
    "no handler found",
    "incorrect http method",
    "security must be explicitly enabled",
    "security is not enabled",
)


class Role(NamedTuple):
    """What a key may do.

    Attributes:
        name: Its name.
        indices: Patterns of data streams, indices and aliases.
        privileges: Its privileges on those.
        cluster: Its privileges on the cluster.
        more: Further patterns, with the privileges on those.
    """

    name: str
    indices: tuple[str, ...]
    privileges: tuple[str, ...]
    cluster: tuple[str, ...] = ()
    more: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    @property
    def key_name(self) -> str:
        """Name of the keys of this role."""
        return f"{MANAGED_BY}-{self.name}"

    @property
    def on_indices(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """All patterns, with the privileges on them."""
        return ((self.indices, self.privileges), *self.more)

    @property
    def descriptor(self) -> dict[str, Any]:
        """Role descriptor of the keys."""
        return {
            "cluster": list(self.cluster),
            "index": [
                {"names": list(names), "privileges": list(privileges)}
                for names, privileges in self.on_indices
            ],
        }

    def is_granted_by(self, descriptors: Mapping[str, Any]) -> bool:
        """Whether role descriptors that Elasticsearch returns have the same privileges."""
        cluster = {name for one in descriptors.values() for name in one.get("cluster", ())}
        indices = {
            (frozenset(part["names"]), frozenset(part["privileges"]))
            for one in descriptors.values()
            for part in one.get("indices", ())
        }
        return cluster == set(self.cluster) and indices == {
            (frozenset(names), frozenset(privileges)) for names, privileges in self.on_indices
        }


# All that otel-asayer writes, and no more: not a team's own `logs-nginx-default`.
_OTEL: Final = ("logs-*.otel-*", "traces-*.otel-*")
_REPLAY: Final = ("asayer-logs-*",)
_STREAMS: Final = (*_OTEL, *_REPLAY)
# Elastic's wired streams of log records, which we read and never write.
_WIRED: Final = ("logs.otel*",)
_WRITES: Final = ("create_doc", "auto_configure")

WRITER: Final = Role("writer", _STREAMS, _WRITES)
"""For the application: it writes, and cannot read what it wrote."""
READER: Final = Role("reader", ("logs", "asayer-logs-*"), ("read",))
"""For Asayer or OpenReplay."""
VIEWER: Final = Role(
    "viewer",
    ("logs", *_STREAMS, *_WIRED),
    ("read", "view_index_metadata"),
    # Not `monitor`, which also shows tasks (and with them everybody's searches), the cluster's
    # settings and state, and hot threads.
    (
        "cluster:monitor/main",
        "cluster:monitor/health",
        "cluster:monitor/nodes/stats",
        "cluster:monitor/xpack/ssl/certificates/get",
        "indices:admin/index_template/get",
    ),
)
"""For people who use `timeline`, `errors`, `serve` and `doctor`.

`doctor` also searches the alias, as OpenReplay does. Of the cluster, this role sees the version,
the health and, for `doctor`, clock, certificates and index templates.
"""
FORGETTER: Final = Role(
    "forget",
    (*_STREAMS, *_WIRED),
    ("read", "delete", "maintenance", "view_index_metadata"),
    ("cluster:monitor/main",),
)
"""For people who delete a session with `forget`. Setup creates it on request only.

`forget` refreshes indices, to see what came just now. It sees which data streams have a failure
store, and not into it: Elasticsearch refuses a whole key for one privilege that it does not know.
"""
BRIDGE: Final = Role(
    "bridge",
    (*_OTEL, *_WIRED),
    ("read", "view_index_metadata"),
    more=((_REPLAY, _WRITES),),
)
"""For `bridge`: it reads spans and log records, and writes replay records.

Setup creates it on request only. It sees which indices the data streams have, and nothing of the
cluster.
"""
ROLES: Final = (WRITER, READER, VIEWER)
ON_REQUEST: Final = (FORGETTER, BRIDGE)


class Key(NamedTuple):
    """A valid key of ours.

    Attributes:
        id: Its id.
        role: Name of its role.
        created_ms: When it was created, in milliseconds since 1970.
        expires: The date when it expires; empty for never.
        descriptors: Its role descriptors.
        own: Whether this user may list, and so invalidate, only their own keys.
    """

    id: str
    role: str
    created_ms: int
    expires: str
    descriptors: Mapping[str, Any]
    own: bool


class KeyOptions(NamedTuple):
    """What a person asks for.

    Attributes:
        roles: Roles of the keys.
        expiration: How long new keys are valid, in Elasticsearch's notation (`90d`); None for ever.
        new: Whether to create keys where there are valid ones.
        invalidate_old: Whether to invalidate all but the newest key of each role.
    """

    roles: Sequence[Role] = ROLES
    expiration: str | None = None
    new: bool = False
    invalidate_old: bool = False


class AuthenticatedUser(NamedTuple):
    """Who sends our requests, as Elasticsearch knows them.

    Attributes:
        name: The user's name, or that of the user who created the key; empty without security.
        is_api_key: Whether it is an API key.
        secured: Whether security is on.
        key_id: Id of the API key.
    """

    name: str
    is_api_key: bool
    secured: bool
    key_id: str = ""


class RequiredPrivileges(NamedTuple):
    """Privileges on the cluster, and on patterns of indices."""

    cluster: frozenset[str]
    indices: Mapping[str, frozenset[str]]


def authenticate(api: Api) -> AuthenticatedUser:
    """Return who sends our requests.

    Raises:
        ElasticsearchError: The credentials are refused; the message says why.
    """
    answer = api.ask("GET", "/_security/_authenticate")
    if answer.status != http.HTTPStatus.UNAUTHORIZED and any(
        word in str(answer.content).lower() for word in _NO_SECURITY
    ):
        return AuthenticatedUser("", is_api_key=False, secured=False)
    content = api.content_of(answer, "who asks")
    key = content.get("api_key")
    return AuthenticatedUser(
        str(content.get("username", "")),
        content.get("authentication_type") == "api_key",
        secured=True,
        key_id=str(key.get("id", "")) if isinstance(key, dict) else "",
    )


def required_privileges(namespace: str, roles: Sequence[Role]) -> RequiredPrivileges:
    """Return the privileges that setup needs, those of the keys it creates included."""
    cluster = {"manage_index_templates", "manage_ingest_pipelines"}
    indices = {
        READERS_ALIAS: {"view_index_metadata"},
        "asayer-logs-*": {"view_index_metadata"},
        f"asayer-logs-{namespace}-*": {"create_doc", "auto_configure"},
    }
    for role in roles:
        cluster |= {"manage_own_api_key", *role.cluster}
        for names, privileges in role.on_indices:
            for pattern in names:
                indices.setdefault(pattern, set()).update(privileges)
    return RequiredPrivileges(
        frozenset(cluster), {pattern: frozenset(names) for pattern, names in indices.items()}
    )


def require_privileges(
    api: Api, user: AuthenticatedUser, namespace: str, roles: Sequence[Role]
) -> None:
    """Raise an error that names every privilege that `user` lacks for setup with keys of `roles`.

    Raises:
        NotAllowedError: One is missing.
    """
    required = required_privileges(namespace, roles)
    asked = {
        "cluster": sorted(required.cluster),
        "index": [
            {"names": [pattern], "privileges": sorted(names)}
            for pattern, names in required.indices.items()
        ],
    }
    granted = api.expect(
        "GET", "/_security/user/_has_privileges", asked, doing="which privileges there are"
    )
    if missing := missing_privileges(granted):
        without_keys = missing_privileges(_only(granted, required_privileges(namespace, ())))
        more = (
            " Part of it is what the API keys may do: a key can have no more privileges than the "
            "user who creates it. With --no-keys you do not need that."
            if roles and missing != without_keys
            else ""
        )
        who = f"API key of {user.name!r}" if user.is_api_key else f"user {user.name!r}"
        raise NotAllowedError(
            f"The {who} may not set this up: it lacks {missing}. Add these privileges, or use "
            f"another user.{more}"
        )


def _only(granted: Mapping[str, Any], required: RequiredPrivileges) -> dict[str, Any]:
    """The part of an answer of `_has_privileges` that is about `required`."""

    def among(held: Mapping[str, bool], names: frozenset[str]) -> dict[str, bool]:
        return {name: has for name, has in held.items() if name in names}

    return {
        "cluster": among(granted.get("cluster", {}), required.cluster),
        "index": {
            pattern: among(granted.get("index", {}).get(pattern, {}), names)
            for pattern, names in required.indices.items()
        },
    }


def keys_on(api: Api) -> tuple[Key, ...]:
    """Return our valid keys, the oldest first; of a user who may not see all, their own.

    Raises:
        ElasticsearchError: They cannot be listed; the message says why.
    """
    query = f"{_TARGET}?name={MANAGED_BY}*&active_only=true"
    try:
        content, own = api.expect("GET", query, doing=_LISTING), False
    except NotAllowedError:  # with `manage_own_api_key` only, users may list their own
        content, own = api.expect("GET", f"{query}&owner=true", doing=_LISTING), True
    ours = (
        _key(entry, own=own)
        for entry in content.get("api_keys", ())
        if entry.get("metadata", {}).get("managed_by") == MANAGED_BY
    )
    return tuple(sorted(ours, key=lambda key: key.created_ms))


def expiration_of(api: Api, key_id: str) -> datetime | None:
    """Return when a key expires; None for never, or where the server does not say.

    Every key may look at itself.
    """
    answer = api.ask("GET", f"{_TARGET}?id={quote(key_id, safe='')}")
    entries = answer.content.get("api_keys") if answer.good else None
    expiration = (
        entries[0].get("expiration")
        if isinstance(entries, list) and entries and isinstance(entries[0], dict)
        else None
    )
    return _time(expiration) if isinstance(expiration, int) else None


def plan_keys(api: Api, options: KeyOptions) -> tuple[Step, ...]:
    """Return the steps that create keys, and invalidate older ones.

    Raises:
        ElasticsearchError: The existing keys cannot be listed; the message says why.
    """
    present = keys_on(api)
    steps = []
    for role in options.roles:
        keys = [key for key in present if key.role == role.name]
        creates = options.new or not keys
        old = keys if creates else keys[:-1]
        steps.append(_creation(role, options, old) if creates else _present(role, keys[-1]))
        if old and options.invalidate_old:
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
    """Return the request that invalidates keys for good."""
    own = {"owner": True} if any(key.own for key in keys) else {}
    return Request("DELETE", _TARGET, {"ids": [key.id for key in keys], **own})


def _creation(role: Role, options: KeyOptions, old: Sequence[Key]) -> Step:
    body = {
        "name": role.key_name,
        "role_descriptors": {role.name: role.descriptor},
        "metadata": {"managed_by": MANAGED_BY, "role": role.name},
        **({"expiration": options.expiration} if options.expiration else {}),
    }
    old_stay_valid = bool(old) and not options.invalidate_old
    return Step(
        f"API key {role.key_name}",
        "created",
        f"The older {_ids(old)} stays valid: invalidate it once the new one is in use "
        "(--invalidate-old-keys)."
        if old_stay_valid
        else "",
        (Request("POST", _TARGET, body),),
        (invalidation(old),) if old_stay_valid else (),
    )


def _present(role: Role, key: Key) -> Step:
    until = f", valid until {key.expires}" if key.expires else ""
    differs = (
        ""
        if role.is_granted_by(key.descriptors)
        else " Its privileges differ from those of a new key."
    )
    return Step(
        f"API key {role.key_name}",
        "present",
        f"Its id is {key.id}{until}. Elasticsearch shows a secret only once: --new-keys creates "
        f"another key.{differs}",
    )


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        milliseconds=min(max(ms, 0), _LAST_MS)
    )


def _ids(keys: Sequence[Key]) -> str:
    return ", ".join(key.id for key in keys)


def _key(entry: Mapping[str, Any], *, own: bool) -> Key:
    expiration = entry.get("expiration")
    return Key(
        entry["id"],
        str(entry["metadata"].get("role", "")),
        entry.get("creation", 0),
        _time(expiration).date().isoformat() if expiration else "",
        entry.get("role_descriptors", {}),
        own,
    )
