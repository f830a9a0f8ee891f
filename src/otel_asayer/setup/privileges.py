"""Who asks, and what they may not do:

found out before anything is changed, so that setup does not stop half way.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.elasticsearch.explain import missing_privileges
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.template_bodies import READERS_ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.setup.keys import Role

__all__ = ["Asker", "Needs", "asker_of", "needs_of", "require"]

# Without security nobody handles its requests; Elasticsearch 8 takes the path for one of an index
# then, which has other methods.
_NO_SECURITY: Final = (
    "no handler found",
    "incorrect http method",
    "security must be explicitly enabled",
    "security is not enabled",
)
_HOW_TO_GIVE: Final = "Give it what is missing, or use another user"
_WITHOUT_KEYS: Final = "Part of it is what the API keys will do, for a key can do no more than who makes it; with --no-keys that is not needed."


class Asker(NamedTuple):
    """Who asks, as Elasticsearch knows them; on a server without security nobody is known."""

    name: str
    is_api_key: bool
    secured: bool
    key_id: str = ""
    """Of the API key, where it is one."""


class Needs(NamedTuple):
    """Privileges of the cluster, and on patterns of indices."""

    cluster: frozenset[str]
    indices: Mapping[str, frozenset[str]]


def asker_of(api: Api) -> Asker:
    """Return who asks.

    Raises:
        ElasticsearchError: the credentials are refused; the message says why.
    """
    answer = api.ask("GET", "/_security/_authenticate")
    if answer.status != http.HTTPStatus.UNAUTHORIZED and any(
        word in str(answer.content).lower() for word in _NO_SECURITY
    ):
        return Asker("", is_api_key=False, secured=False)
    content = api.content_of(answer, "who asks")
    key = content.get("api_key")
    key_id = str(key.get("id", "")) if isinstance(key, dict) else ""
    return Asker(
        str(content.get("username", "")),
        content.get("authentication_type") == "api_key",
        secured=True,
        key_id=key_id,
    )


def needs_of(namespace: str, roles: Sequence[Role]) -> Needs:
    """Return what setup needs, with keys of these roles: a key can do no more than who makes it."""
    cluster = {"manage_index_templates", "manage_ingest_pipelines"}
    index = {
        READERS_ALIAS: {"view_index_metadata"},
        "asayer-logs-*": {"view_index_metadata"},
        f"asayer-logs-{namespace}-*": {"create_doc", "auto_configure"},
    }
    for role in roles:
        cluster |= {"manage_own_api_key", *role.cluster}
        for pattern in role.indices:
            index.setdefault(pattern, set()).update(role.privileges)
    return Needs(
        frozenset(cluster), {pattern: frozenset(names) for pattern, names in index.items()}
    )


def require(api: Api, asker: Asker, namespace: str, roles: Sequence[Role]) -> None:
    """Raise an error that names every privilege that is missing for setup, with keys of these
    roles.

    Raises:
        NotAllowedError: one is.
    """
    granted = api.expect(
        "GET",
        "/_security/user/_has_privileges",
        _body(needs_of(namespace, roles)),
        doing="which privileges there are",
    )
    if missing := missing_privileges(granted):
        more = (
            f" {_WITHOUT_KEYS}"
            if roles and missing != missing_privileges(_of_these(granted, needs_of(namespace, ())))
            else ""
        )
        who = f"API key of {asker.name!r}" if asker.is_api_key else f"user {asker.name!r}"
        raise NotAllowedError(
            f"The {who} may not set this up: it lacks {missing}. {_HOW_TO_GIVE}.{more}"
        )


def _of_these(granted: Mapping[str, Any], needs: Needs) -> dict[str, Any]:
    """The part of an answer of `_has_privileges` that is about `needs`."""
    index = {
        pattern: {
            name: has
            for name, has in granted.get("index", {}).get(pattern, {}).items()
            if name in names
        }
        for pattern, names in needs.indices.items()
    }
    return {
        "cluster": {
            name: has for name, has in granted.get("cluster", {}).items() if name in needs.cluster
        },
        "index": index,
    }


def _body(needs: Needs) -> dict[str, Any]:
    return {
        "cluster": sorted(needs.cluster),
        "index": [
            {"names": [pattern], "privileges": sorted(names)}
            for pattern, names in needs.indices.items()
        ],
    }
