"""Checks on keys: they may do what they are for, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.cli.doctor.findings import ok, problem, skipped, warning
from otel_asayer.cli.output import counted
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.keys import VIEWER, authenticate, expiration_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from otel_asayer.cli.doctor.findings import Verdict
    from otel_asayer.cli.doctor.subject import Subject
    from otel_asayer.elasticsearch.api import Api

__all__ = ["check_expiration", "check_viewer", "check_writer"]

_WRITES: Final = ("create_doc", "auto_configure")
_READS: Final = ("read", "view_index_metadata")
_CHANGES: Final = ("create_doc", "delete")
_EVERYTHING: Final = "*"
_SETUP: Final = "`otel-asayer setup` creates keys of least rights"
_SOON: Final = timedelta(days=14)
_NEW_KEYS: Final = "`otel-asayer setup --new-keys --expiration 90d` creates others, and says how to invalidate these"
_NO_SECURITY: Final = (
    "Security is off: whoever reaches this Elasticsearch reads, writes and deletes"
)


class _Held(NamedTuple):
    """What a key or user may do, of what was asked."""

    who: str
    cluster: Mapping[str, bool]
    indices: Mapping[str, Mapping[str, bool]]

    def missing(self, names: Sequence[str], privileges: Sequence[str]) -> str:
        """Name the privileges that are missing on some of `names`, or nothing."""
        lacking = {
            privilege: [name for name in names if not self.indices.get(name, {}).get(privilege)]
            for privilege in privileges
        }
        return "; ".join(
            f"{privilege} on {', '.join(where)}" for privilege, where in lacking.items() if where
        )

    def any_of(self, names: Sequence[str], privileges: Sequence[str]) -> list[str]:
        """Which of `privileges` are held on some of `names`."""
        return [
            privilege
            for privilege in privileges
            if any(self.indices.get(name, {}).get(privilege) for name in names)
        ]


def check_writer(subject: Subject) -> Iterator[Verdict]:
    """Whether the exporter's credentials may write, and no more."""
    held = _ask(subject.writer, subject)
    if held is None:
        yield warning(
            _NO_SECURITY, "Switch xpack.security.enabled on, unless nobody else can reach it"
        )
    elif missing := held.missing(subject.streams, _WRITES):
        yield problem(f"{held.who} may not write: it lacks {missing}", _SETUP)
    elif held.any_of([_EVERYTHING], ["read", "all"]) or held.cluster.get("all"):
        yield warning(
            f"{held.who} may read or do everything: whoever gets hold of the application's "
            f"settings may, too",
            _SETUP,
        )
    else:
        yield ok(f"{held.who} may write, and no more")


def check_viewer(subject: Subject) -> Iterator[Verdict]:
    """Whether there is a key that may read, and no more."""
    held = _ask(subject.reader, subject)
    if held is None:
        yield ok("not needed, as security is off")
    elif subject.config.viewer_api_key:
        yield _judge_viewer(held, subject)
    elif held.missing(subject.read_names, ("read",)):
        yield skipped(
            "OTEL_ASAYER_VIEWER_API_KEY is not set, and the exporter's key may not read: what is "
            "stored was not looked at",
            _SETUP,
        )
    else:
        yield ok(
            "none is set, and none is needed here: the exporter's credentials may read as well"
        )


def check_expiration(subject: Subject, *, now: datetime) -> Iterator[Verdict]:
    """Whether a key will soon be valid no more.

    From then on documents wait in the spool, and nothing else says so.
    """
    keys = [("the exporter's API key", subject.writer)]
    if subject.config.viewer_api_key:
        keys.append(("the viewer's API key", subject.reader))
    ends = [(who, _expiration(api)) for who, api in keys]
    soon = [(who, end) for who, end in ends if end is not None and end - now < _SOON]
    for who, end in soon:
        days = max((end - now).days, 0)
        yield warning(
            f"{who[0].upper()}{who[1:]} is valid until {end:%Y-%m-%d %H:%M} UTC only, "
            f"{counted(days, 'day')} from now",
            _NEW_KEYS,
        )
    if not soon:
        known = [f"{who} is valid until {end:%Y-%m-%d}" for who, end in ends if end is not None]
        yield ok("; ".join(known) or "no key is known to expire")


def _expiration(api: Api) -> datetime | None:
    key_id = authenticate(api).key_id
    return expiration_of(api, key_id) if key_id else None


def _judge_viewer(held: _Held, subject: Subject) -> Verdict:
    of_cluster = [name for name in VIEWER.cluster if not held.cluster.get(name)]
    missing = [
        *filter(None, [held.missing(subject.read_names, _READS)]),
        *([f"{', '.join(of_cluster)} on the cluster"] if of_cluster else []),
    ]
    if missing:
        return warning(
            f"{held.who} lacks {'; '.join(missing)}: commands that look see less, or nothing",
            _SETUP,
        )
    if excess := held.any_of([*subject.streams], _CHANGES):
        return warning(f"{held.who}, which is to look only, also has {', '.join(excess)}", _SETUP)
    return ok(f"{held.who} may read, and no more")


def _ask(api: Api, subject: Subject) -> _Held | None:
    """Return what the credentials of `api` may do; None where there is no security.

    Raises:
        ElasticsearchError: they are not accepted, or there is no good answer.
    """
    try:
        asker = authenticate(api)
    except NotAllowedError as error:
        raise ElasticsearchError(
            str(error)
        ) from None  # that nobody knows this key is no reason to look away
    if not asker.secured:
        return None
    asked = {
        "cluster": ["all", *VIEWER.cluster],
        "index": [
            {"names": subject.read_names, "privileges": sorted({*_WRITES, *_READS, *_CHANGES})},
            {"names": [_EVERYTHING], "privileges": ["read", "all"]},
        ],
    }
    held = api.expect(
        "POST", "/_security/user/_has_privileges", asked, doing="to ask for its privileges"
    )
    return _Held(
        f"The API key (of {asker.name})" if asker.is_api_key else f"The user {asker.name}",
        held["cluster"],
        held["index"],
    )
