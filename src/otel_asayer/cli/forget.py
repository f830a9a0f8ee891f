"""`otel-asayer forget`: delete what was stored of one session, everywhere it can be."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

import click
import orjson

from otel_asayer.cli import output
from otel_asayer.cli.connection import connection, require_usable
from otel_asayer.cli.refused import places_of_refused
from otel_asayer.cli.subject import SESSION
from otel_asayer.documents import mentions, source_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.sanitize import sanitize_line
from otel_asayer.spool import Spool, destinations, spool_root
from otel_asayer.timeline import parse_selection
from otel_asayer.timeline.failure_stores import may_have_failure_stores
from otel_asayer.timeline.search import OTEL_STREAMS, REPLAY_STREAMS, Search

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation
    from otel_asayer.timeline import Selection

__all__ = ["forget"]

_PRIVILEGES: Final = ("read", "delete")


@click.command()
@SESSION
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@output.AS_JSON
@connection(personal=True)
def forget(config: Config, session: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Delete all documents of a SESSION (its id, a token, or the address of its replay): spans, log
    records, exceptions, replay records.

    With - in its place it is read from standard input, where a token does not show.

    They are deleted from Elasticsearch, and from the spool of this machine, with what was refused,
    is damaged or was left half-written there; files in which the id is found even so are named. It
    needs a key or user with the index privileges read and delete. Failure stores of data streams
    are looked through where it may read them, and named where it may not. The recording itself is
    Asayer's or OpenReplay's, and stays.
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
        places = _places(config, stack)
        found = _counts(places, selection)
        said = _troubles(places)
        if not as_json:
            _show(found, selection, said)
        wanted = bool(sum(found.values())) and not dry_run and _agreed(selection, yes=yes)
        deleted = {place.name: place.delete(selection) for place in places} if wanted else {}
        left = _counts(places, selection) if wanted else found
        remains = {place.name: place.remains(selection) if wanted else [] for place in places}
        troubles = _troubles(places)
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


class _Place(Protocol):
    """Where documents of a session may be."""

    @property
    def name(self) -> str:
        """Where it is, for a person."""

    def count(self, selection: Selection) -> int:
        """Return how many of a session's documents are there."""

    def delete(self, selection: Selection) -> int:
        """Delete them; return how many."""

    def remains(self, selection: Selection) -> list[str]:
        """Return the files in which the session's id is still found, each with the reason."""

    @property
    def troubles(self) -> Sequence[str]:
        """Why it is not known what is there, or why what is there stays, as sentences."""


class _InElasticsearch:
    troubles: Sequence[str] = ()

    def __init__(self, config: Config, api: Api) -> None:
        self.name = config.destination
        self._search = Search(api, (*OTEL_STREAMS, *REPLAY_STREAMS))
        self.identity = api.identify()
        self._search.require(*_PRIVILEGES)

    def count(self, selection: Selection) -> int:
        return self._search.count(selection)

    def delete(self, selection: Selection) -> int:
        return self._search.delete(selection)

    def remains(self, selection: Selection) -> list[str]:  # noqa: ARG002 (it has no files of ours)
        return []


class _InSpool:
    troubles: Sequence[str] = ()

    def __init__(self, spool: Spool) -> None:
        self.name = str(spool.folder)
        self._spool = spool

    def count(self, selection: Selection) -> int:
        """Count documents, and files whose documents cannot be told apart."""
        documents = sum(
            map(partial(_is_of, selection), chain(self._spool.read(), self._spool.read_rejected()))
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


def _is_of(selection: Selection, operation: Operation) -> bool:
    """Whether an operation is one of the session; one that nobody can read is where it names the session."""
    if not mentions(operation, selection.session_id.encode()):
        return False
    try:
        return selection.holds(orjson.loads(source_of(operation)))
    except (ValueError, TypeError, AttributeError):
        return True


def _places(config: Config, stack: ExitStack) -> list[_Place]:
    """Where documents may be; the spools first, for what is drained meanwhile goes from there to Elasticsearch."""
    found: list[_Place] = [
        _InSpool(Spool.from_config(config, destination))
        for destination in destinations(spool_root(config))
    ]
    if config.has_destination:
        api = stack.enter_context(closing(Api.from_config(config)))
        found.append(elasticsearch := _InElasticsearch(config, api))
        if may_have_failure_stores(elasticsearch.identity):
            found.extend(places_of_refused(config, api))
    return found


def _counts(places: Sequence[_Place], selection: Selection) -> dict[str, int]:
    return {place.name: place.count(selection) for place in places}


def _troubles(places: Iterable[_Place]) -> dict[str, list[str]]:
    return {place.name: list(place.troubles) for place in places}


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


def _agreed(selection: Selection, *, yes: bool) -> bool:
    return yes or click.confirm(
        f"Delete them? What is deleted of {selection.named} cannot be brought back"
    )


def _outcome(deleted: int, left: dict[str, int], troubles: dict[str, list[str]]) -> str:
    rest = sum(left.values())
    if not rest:
        return f"{output.counted(deleted, 'document')} deleted; none is left{', as far as that was seen' if any(troubles.values()) else ''}."
    if not sum(number for name, number in left.items() if not troubles[name]):
        return f"{output.counted(deleted, 'document')} deleted, and {rest} still there, for the reason above."
    why = (
        f"{rest} still there: they came meanwhile, or another process is sending them. Run it again"
    )
    return f"{output.counted(deleted, 'document')} deleted, and {why}."
