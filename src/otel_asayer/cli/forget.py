"""`otel-asayer forget`: delete what was stored of one session, everywhere it can be."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

import click
import orjson

from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import SESSION, connection, require_usable
from otel_asayer.documents import Operation, mentions, source_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.spool import Spool, destinations, spool_root
from otel_asayer.timeline import Selection, Stored, parse_selection
from otel_asayer.timeline.failure_stores import (
    FailureStore,
    failure_stores,
    may_have_failure_stores,
)
from otel_asayer.timeline.search import OTEL_STREAMS, REPLAY_STREAMS, Search

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_asayer.config import Config

__all__ = ["forget"]

# Documents of a failure store that are read, one by one: no query finds them by session.
_MAX_REFUSED: Final = 100_000


@click.command(cls=Command)
@SESSION
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@output.AS_JSON
@connection(personal=True)
def forget(config: Config, session: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Delete all documents of a SESSION: spans, log records, exceptions, replay records.

    SESSION is a session id, a token, or a replay URL; - reads it from standard input, where a token
    does not show.

    Documents are deleted from Elasticsearch and from the spool of this machine, including refused,
    damaged and half-written ones. Files that still contain the id are named. The key or user needs
    the index privileges read and delete. Failure stores of data streams are searched if the key may
    read them, else named. The recording itself belongs to Asayer or OpenReplay, and stays.
    """
    require_usable(config)
    selection, *_ = parse_selection(
        session, replay_url=config.replay_url, opaque=config.opaque_session_ids
    ).readings
    if selection.trace_id:
        raise click.UsageError("Expected a session, and this is the id of a trace.")
    if as_json and not (yes or dry_run):
        raise click.UsageError(
            "With --json nobody is asked: say --yes to delete, or --dry-run to count."
        )
    with ExitStack() as stack:
        locations = _locations(config, stack)
        found = _counts(locations, selection)
        said = _troubles(locations)
        if not as_json:
            _show(found, selection, said)
        wanted = (
            bool(sum(found.values()))
            and not dry_run
            and (
                yes
                or click.confirm(
                    f"Delete them? What is deleted of {selection.named} cannot be brought back"
                )
            )
        )
        deleted = (
            {location.name: location.delete(selection) for location in locations} if wanted else {}
        )
        left = _counts(locations, selection) if wanted else found
        remains = {
            location.name: location.remains(selection) if wanted else [] for location in locations
        }
        troubles = _troubles(locations)
    if as_json:
        output.print_json(
            [
                {
                    "place": name,
                    "found": found[name],
                    "deleted": deleted.get(name, 0),
                    "left": left[name],
                    "remains": [*remains[name], *troubles[name]],
                }
                for name in found
            ]
        )
    elif wanted:
        for sentence in chain.from_iterable(remains.values()):
            click.echo(f"The id is still found in {sanitize_line(sentence)}.")
        for sentence in _sentences(troubles, without=said):
            click.echo(sanitize_line(sentence))
        click.echo(_outcome(sum(deleted.values()), left, troubles))
    incomplete = any(troubles.values()) or any(left.values())
    click.get_current_context().exit(
        int(incomplete and (wanted or not (dry_run or any(found.values()))))
    )


class _Location:
    """A store in which a session may have documents; of this class, nothing is seen in it."""

    def __init__(self, name: str, *troubles: str) -> None:
        """Name it, for a person, and say why its content is not known, or why documents stay."""
        self.name = name
        self.troubles: Sequence[str] = troubles

    def count(self, selection: Selection) -> int:  # noqa: ARG002 (nothing is seen)
        """Return how many of a session's documents are there."""
        return 0

    def delete(self, selection: Selection) -> int:  # noqa: ARG002 (nothing is seen)
        """Delete them; return how many."""
        return 0

    def remains(self, selection: Selection) -> list[str]:  # noqa: ARG002 (no files of ours)
        """Return the files in which the session's id is still found, each with the reason."""
        return []


class _InElasticsearch(_Location):
    def __init__(self, config: Config, api: Api) -> None:
        super().__init__(config.destination)
        self._search = Search(api, (*OTEL_STREAMS, *REPLAY_STREAMS))
        self.identity = api.identify()
        self._search.require("read", "delete")

    def count(self, selection: Selection) -> int:
        return self._search.count(selection)

    def delete(self, selection: Selection) -> int:
        return self._search.delete(selection)


class _InSpool(_Location):
    def __init__(self, spool: Spool) -> None:
        super().__init__(str(spool.folder))
        self._spool = spool

    def count(self, selection: Selection) -> int:
        """Count documents, and files whose documents cannot be told apart."""
        documents = sum(
            map(
                partial(_is_of, selection),
                chain(self._spool.read(), self._spool.read(rejected=True)),
            )
        )
        return documents + sum(
            not one.apart for one in self._spool.remains(selection.session_id.encode())
        )

    def delete(self, selection: Selection) -> int:
        return self._spool.erase(partial(_is_of, selection)) + self._spool.erase_remains(
            selection.session_id.encode()
        )

    def remains(self, selection: Selection) -> list[str]:
        return [
            f"{one.path}: {one.why}" for one in self._spool.remains(selection.session_id.encode())
        ]


class _InFailureStore(_Location):
    """A failure store; no error there keeps documents elsewhere from being deleted."""

    def __init__(self, config: Config, api: Api, store: FailureStore) -> None:
        self._stream = sanitize_line(store.stream)
        super().__init__(f"{config.destination}, failure store of {self._stream}")
        self._api = api
        self._store = store
        self._found: list[Stored] = []
        self._undeleted = ""

    def count(self, selection: Selection) -> int:
        stream = self._stream
        unknown = f"It is not known whether the failure store of {stream} holds documents of it"
        self._found, unseen = [], ""
        try:
            self._found, complete = self._store.find(self._api, selection, _MAX_REFUSED)
        except NotAllowedError:
            unseen = (
                f"{unknown}: not allowed to look there, which takes the index privilege "
                f"'read_failure_store' on {stream}."
            )
        except ElasticsearchError as error:
            unseen = f"{unknown}. {error}"
        else:
            if not complete:
                unseen = (
                    f"The failure store of {stream} holds more than {_MAX_REFUSED:,} documents: "
                    "those that came later were not looked at."
                )
        self.troubles = [sentence for sentence in (unseen, self._undeleted) if sentence]
        return len(self._found)

    def delete(self, selection: Selection) -> int:
        try:
            return self._store.delete(self._api, self._found) if self._found else 0
        except NotAllowedError:
            why = f"deleting takes the index privilege 'delete' on .fs-{self._stream}-*"
        except ElasticsearchError as error:
            why = str(error).rstrip(".")
        where = ", ".join(sorted({stored.index for stored in self._found}))
        number = output.counted(len(self._found), "document")
        self._undeleted = (
            f"Of {selection.named}, the failure store of {self._stream} held {number}, in {where}, "
            f"and not all could be deleted: {why}."
        )
        return 0


def _is_of(selection: Selection, operation: Operation) -> bool:
    """Whether an operation belongs to the session; one that is not JSON does if it has the id."""
    if not mentions(operation, selection.session_id.encode()):
        return False
    try:
        return selection.holds(orjson.loads(source_of(operation)))
    except (ValueError, TypeError, AttributeError):
        return True


def _locations(config: Config, stack: ExitStack) -> list[_Location]:
    """Return all stores; the spools first: draining moves documents from there to Elasticsearch."""
    found: list[_Location] = [
        _InSpool(Spool.from_config(config, destination))
        for destination in destinations(spool_root(config))
    ]
    if config.has_destination:
        api = stack.enter_context(closing(Api.from_config(config)))
        found.append(elasticsearch := _InElasticsearch(config, api))
        if may_have_failure_stores(elasticsearch.identity):
            found.extend(_failure_stores(config, api))
    return found


def _failure_stores(config: Config, api: Api) -> Iterator[_Location]:
    """Yield failure stores that are not empty; last, as documents are refused meanwhile.

    If Elasticsearch does not list them, yield one that is not seen.
    """
    try:
        yield from (
            _InFailureStore(config, api, store) for store in failure_stores(api) if store.indices
        )
    except ElasticsearchError as error:
        yield _Location(
            f"{config.destination}, failure stores",
            f"It is not known whether failure stores hold documents of it. {error}",
        )


def _counts(locations: Sequence[_Location], selection: Selection) -> dict[str, int]:
    return {location.name: location.count(selection) for location in locations}


def _troubles(locations: Iterable[_Location]) -> dict[str, list[str]]:
    return {location.name: list(location.troubles) for location in locations}


def _sentences(troubles: dict[str, list[str]], *, without: dict[str, list[str]]) -> list[str]:
    return [
        sentence
        for name, sentences in troubles.items()
        for sentence in sentences
        if sentence not in without.get(name, ())
    ]


def _show(found: dict[str, int], selection: Selection, troubles: dict[str, list[str]]) -> None:
    for sentence in _sentences(troubles, without={}):
        click.echo(sanitize_line(sentence))
    if not sum(found.values()):
        click.echo(
            f"Nothing is stored of "
            f"{selection.named}{', as far as that was seen' if any(troubles.values()) else ''}."
        )
        return
    table = output.plain_table("documents", f"of {selection.named} in")
    for name, number in found.items():
        if number:
            table.add_row(str(number), output.as_text(name))
    output.console().print(table)


def _outcome(deleted: int, left: dict[str, int], troubles: dict[str, list[str]]) -> str:
    done = f"{output.counted(deleted, 'document')} deleted"
    rest = sum(left.values())
    if not rest:
        return (
            f"{done}; none is left{', as far as that was seen' if any(troubles.values()) else ''}."
        )
    if not sum(number for name, number in left.items() if not troubles[name]):
        return f"{done}, and {rest} still there, for the reason above."
    return (
        f"{done}, and {rest} still there: they came meanwhile, or another process is sending them. "
        "Run it again."
    )
