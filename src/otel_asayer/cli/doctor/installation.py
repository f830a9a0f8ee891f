"""Checks on what `otel-asayer setup` brings: keys of least privileges, and index templates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, skipped, warning
from otel_asayer.cli.output import counted
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.inventory import InstalledTemplate, hidden_reason, stream_name, templates_in
from otel_asayer.setup.keys import VIEWER, authenticate, expiration_of
from otel_asayer.setup.templates import REPLAY, IndexTemplate
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.cli.doctor.server import ExaminedServer
    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Api

__all__ = [
    "check_expiration",
    "check_templates",
    "check_viewer",
    "check_writer",
    "drift",
    "template_result",
]

_WRITES: Final = ("create_doc", "auto_configure")
_READS: Final = ("read", "view_index_metadata")
_CHANGES: Final = ("create_doc", "delete")
_EVERYTHING: Final = "*"
_SETUP: Final = "`otel-asayer setup` creates keys of least privileges"
_SOON: Final = timedelta(days=14)
_NEW_KEYS: Final = (
    "`otel-asayer setup --new-keys --expiration 90d` creates new keys, and says how to invalidate "
    "these"
)
_NO_SECURITY: Final = (
    "Security is off: everybody who reaches this Elasticsearch can read, write and delete"
)


class _Privileges(NamedTuple):
    """What a key or user may do, of what was asked."""

    who: str
    cluster: Mapping[str, bool]
    indices: Mapping[str, Mapping[str, bool]]

    def missing(self, names: Sequence[str], privileges: Sequence[str]) -> str:
        """Return the privileges that are missing on some of `names`, as text."""
        lacking = {
            privilege: [name for name in names if not self.indices.get(name, {}).get(privilege)]
            for privilege in privileges
        }
        return "; ".join(
            f"{privilege} on {', '.join(where)}" for privilege, where in lacking.items() if where
        )

    def any_of(self, names: Sequence[str], privileges: Sequence[str]) -> list[str]:
        """Return those of `privileges` that are held on some of `names`."""
        return [
            privilege
            for privilege in privileges
            if any(self.indices.get(name, {}).get(privilege) for name in names)
        ]


def check_writer(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that the exporter's credentials may write, and no more."""
    held = _ask(server.writer, server)
    if held is None:
        yield warning(_NO_SECURITY, "Set xpack.security.enabled, unless nobody else can reach it")
    elif missing := held.missing(server.streams, _WRITES):
        yield problem(f"{held.who} may not write: it lacks {missing}", _SETUP)
    elif held.any_of([_EVERYTHING], ["read", "all"]) or held.cluster.get("all"):
        yield warning(
            f"{held.who} may read or do everything, and so may everybody who gets hold of the "
            f"application's settings",
            _SETUP,
        )
    else:
        yield ok(f"{held.who} may write, and no more")


def check_viewer(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that there is a key that may read, and no more."""
    held = _ask(server.reader, server)
    if held is None:
        yield ok("not needed: security is off")
    elif server.config.viewer_api_key:
        yield _viewer_result(held, server)
    elif held.missing(server.read_names, ("read",)):
        yield skipped(
            "OTEL_ASAYER_VIEWER_API_KEY is not set, and the exporter's key may not read: the "
            "doctor "
            "did not look at stored documents",
            _SETUP,
        )
    else:
        yield ok("none is set, and none is needed here: the exporter's credentials may read, too")


def check_expiration(server: ExaminedServer, *, now: datetime) -> Iterator[CheckResult]:
    """Check whether a key expires soon: then documents wait in the spool, and nothing says why."""
    keys = [("the exporter's API key", server.writer)]
    if server.config.viewer_api_key:
        keys.append(("the viewer's API key", server.reader))
    ends = [(who, _expiration(api)) for who, api in keys]
    soon = [(who, end) for who, end in ends if end is not None and end - now < _SOON]
    for who, end in soon:
        days = max((end - now).days, 0)
        yield warning(
            f"{who[0].upper()}{who[1:]} expires at {end:%Y-%m-%d %H:%M} UTC, in "
            f"{counted(days, 'day')}",
            _NEW_KEYS,
        )
    if not soon:
        known = [f"{who} is valid until {end:%Y-%m-%d}" for who, end in ends if end is not None]
        yield ok("; ".join(known) or "no key is known to expire")


def _expiration(api: Api) -> datetime | None:
    key_id = authenticate(api).key_id
    return expiration_of(api, key_id) if key_id else None


def _viewer_result(held: _Privileges, server: ExaminedServer) -> CheckResult:
    of_cluster = [name for name in VIEWER.cluster if not held.cluster.get(name)]
    missing = [
        *filter(None, [held.missing(server.read_names, _READS)]),
        *([f"{', '.join(of_cluster)} on the cluster"] if of_cluster else []),
    ]
    if missing:
        return warning(
            f"{held.who} lacks {'; '.join(missing)}: commands for people show less, or nothing",
            _SETUP,
        )
    if excess := held.any_of([*server.streams], _CHANGES):
        return warning(f"{held.who} should only read, but also has {', '.join(excess)}", _SETUP)
    return ok(f"{held.who} may read, and no more")


def _ask(api: Api, server: ExaminedServer) -> _Privileges | None:
    """Return what the credentials of `api` may do; None where security is off.

    Raises:
        ElasticsearchError: They are not accepted, or there is no good answer.
    """
    try:
        user = authenticate(api)
    except NotAllowedError as error:
        # A key that Elasticsearch does not know is a problem, not a reason to skip the check.
        raise ElasticsearchError(str(error)) from None
    if not user.secured:
        return None
    asked = {
        "cluster": ["all", *VIEWER.cluster],
        "index": [
            {"names": server.read_names, "privileges": sorted({*_WRITES, *_READS, *_CHANGES})},
            {"names": [_EVERYTHING], "privileges": ["read", "all"]},
        ],
    }
    held = api.expect(
        "POST", "/_security/user/_has_privileges", asked, doing="to ask for its privileges"
    )
    return _Privileges(
        f"The API key (of {user.name})" if user.is_api_key else f"The user {user.name}",
        held["cluster"],
        held["index"],
    )


_INSTALLS: Final = "`otel-asayer setup`, with a user that may manage index templates, installs it"
_MANAGED: Final = "managed"
_SHOWN: Final = 3


def check_templates(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that our templates are there, unchanged, and make the streams that we write to.

    It looks at all templates: one with another name may take a stream from ours.
    """
    listed = server.reader.expect("GET", "/_index_template", doing="to list index templates")
    results = [template_result(template, listed, server.config) for template in server.templates]
    yield from (result for result in results if result.remedy)
    if good := [result.detail for result in results if not result.remedy]:
        yield ok("; ".join(dict.fromkeys(good)))


def template_result(
    template: IndexTemplate, listed: Mapping[str, Any], config: Config
) -> CheckResult:
    """Return the result for one of our templates.

    Args:
        template: The template.
        listed: The answer that lists all templates of the server.
        config: The settings, which name the data streams.
    """
    stream = stream_name(template, config)
    taking = max(
        (one for one in templates_in(listed) if one.matches(stream)),
        key=lambda one: one.priority,
        default=None,
    )
    if taking is None:
        return problem(
            f"No index template makes {stream}: documents for it wait in the spool", _INSTALLS
        )
    body = next(
        entry["index_template"]
        for entry in listed["index_templates"]
        if entry["name"] == taking.name
    )
    if taking.name == template.name:
        return _own_template(template, body, taking.version)
    if template is REPLAY:
        return _other_template(stream, taking, body)
    if body.get("_meta", {}).get(_MANAGED):
        return ok(f"{taking.name} is Elasticsearch's own")
    return warning(
        f"The index template {taking.name} takes the data stream {stream}: the doctor cannot tell "
        f"whether it accepts every kind of attribute",
        f"Exclude it from that template's patterns, and `otel-asayer setup` installs "
        f"{template.name}",
    )


def _own_template(template: IndexTemplate, body: Mapping[str, Any], version: str) -> CheckResult:
    if template is REPLAY and "data_stream" in body:
        return problem(
            f"{template.name}, of version {version or 'unknown'}, makes data streams: their rows "
            f"come out of order",
            _INSTALLS,
        )
    differences = drift(template.body, body)
    if not differences:
        return ok("ours are as in this version")
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    remedy = (
        f"Compare it: GET /_index_template/{template.name}. `otel-asayer setup "
        f"--restore-templates` "
        "undoes the changes"
    )
    return warning(
        f"{template.name}, of version {version or 'unknown'}, differs from this version's: "
        f"{', '.join(differences[:_SHOWN])}{more}",
        remedy if version == __version__ else "`otel-asayer setup` brings it up to date",
    )


def _other_template(stream: str, other: InstalledTemplate, body: Mapping[str, Any]) -> CheckResult:
    """Check that readers see the replay records in another template's indices.

    What its component templates add shows in the indices themselves: the check on the alias.
    """
    if not other.makes_streams and (other.has_alias or body.get("composed_of")):
        return ok(f"{other.name}, of your own, takes {stream}")
    detail, _, remedy = hidden_reason(other, stream, REPLAY.priority, {}).partition(": ")
    return problem(detail, remedy)


def drift(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the paths of values of `ours` that `theirs` lacks, or has with another value.

    Other values in `theirs`, such as a retention or replicas, are the owner's.
    """
    wanted, found = (
        dict(_leaves({name: body.get(name) for name in ("index_patterns", "template")}))
        for body in (ours, theirs)
    )
    return [path for path, value in wanted.items() if found.get(path) != value]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value with its path.

    Elasticsearch splits names at dots and returns settings as text: neither is a difference.
    """
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    if not items:
        yield path, "" if isinstance(value, (dict, list, tuple)) else str(value).lower()
    for name, inner in items:
        yield from _leaves(inner, f"{path}.{name}" if path else str(name))
