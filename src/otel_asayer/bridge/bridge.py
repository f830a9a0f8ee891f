"""The bridge: scan what is there, then follow what comes, and write the records of both.

While one page is turned into records, the next one is read, and those before are written.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from otel_asayer.bridge.follower import Follower
from otel_asayer.bridge.patience import Patience, StoppedError
from otel_asayer.bridge.queries import Slice, documents, since
from otel_asayer.bridge.reader import Hit, Reader, ScanLostError
from otel_asayer.bridge.records import Document, RecordMaker, document_of
from otel_asayer.bridge.resolver import Ready, Resolver
from otel_asayer.bridge.writer import Writer
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.documents.replay_records import Batch
from otel_asayer.spool import SpoolError
from otel_asayer.timeline.stored import stored_of
from otel_asayer.timeline.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otel_asayer.bridge.checkpoint import Checkpoint
    from otel_asayer.config import Config
    from otel_asayer.delivery.sender import ExportContext
    from otel_asayer.elasticsearch.api import Api

__all__ = ["Bridge", "Clocks", "Counts", "Options"]

_T = TypeVar("_T")

_logger = logging.getLogger(__name__)

_POLL_S: Final = 1.0
_WRITES: Final = 2
"""Pages that are written at the same time."""
_SAVE_S: Final = 10.0
_UNSEEN_NS: Final = 40 * NS_PER_S
"""Time in which a document that was taken is seen: by the follower's second look at the latest."""


class Options(NamedTuple):
    """What a person asks for.

    Attributes:
        lateness_s: Seconds in which documents arrive.
        since_ns: How far to look back first, in nanoseconds; None: as far as the checkpoint, or the
            lateness, says.
        part: Which traces.
        once: Whether to end when nothing is left.
    """

    lateness_s: float = 900.0
    since_ns: int | None = None
    part: Slice = Slice()
    once: bool = False


@dataclass
class Counts:
    """What became of documents and records so far.

    Attributes:
        read: Documents that were read.
        written: Records that are new.
        present: Records that were there already.
        refused: Records that Elasticsearch will never take.
        ignored: Documents without a valid session or valid ids.
        without_session: Exceptions whose span belongs to no session.
        without_span: Exceptions whose span did not come in time.
        waiting: Exceptions that wait for their span.
    """

    read: int = 0
    written: int = 0
    present: int = 0
    refused: int = 0
    ignored: int = 0
    without_session: int = 0
    without_span: int = 0
    waiting: int = 0


class Clocks(NamedTuple):
    """Time and chance.

    Attributes:
        clock: Returns seconds that only grow.
        now_ns: Returns nanoseconds since 1970.
        random: Returns numbers from 0 to 1.
        wait: Waits for some seconds, or less once the event is set.
    """

    clock: Callable[[], float] = time.monotonic
    now_ns: Callable[[], int] = time.time_ns
    random: Callable[[], float] = random.random
    wait: Callable[[threading.Event, float], object] = threading.Event.wait


class Bridge:
    """Writes the replay records of what others store.

    Args:
        config: The destination, and which records are wanted.
        api: The requests that read.
        context: The way there for records.
        checkpoint: Where the bridge before was.
        options: What a person asks for.
        say: Tells a person a sentence.
        on_progress: Called after each page.
        clocks: Time and chance.
    """

    def __init__(  # noqa: PLR0913 (each is one of its doors)
        self,
        config: Config,
        api: Api,
        context: ExportContext,
        checkpoint: Checkpoint,
        options: Options,
        *,
        say: Callable[[str], None],
        on_progress: Callable[[], None] = lambda: None,
        clocks: Clocks = Clocks(),  # noqa: B008 (an immutable value)
    ) -> None:
        self._options = options
        self._checkpoint = checkpoint
        self._say = say
        self._on_progress = on_progress
        self._clock, self._now_ns = clocks.clock, clocks.now_ns
        self._stopping = threading.Event()
        self._patience = Patience(self._stopping, say, clocks.clock, clocks.random, clocks.wait)
        self._reader = Reader(api)
        self._filters = documents(options.part)
        self._follower = Follower(self._reader, self._filters, self._patience, clocks.clock)
        self._resolver = Resolver(self._reader, options.lateness_s, clocks.clock, clocks.now_ns)
        self._maker = RecordMaker(config.replay_level, config.namespace)
        self._writer = Writer(context, self._patience, say)
        self._under_way: deque[Future[None]] = deque()
        self._read = self._ignored = 0
        self._until_ns: int | None = None
        self._saved_at = float("-inf")
        self._warned = False

    def stop(self) -> None:
        """End after the page under way; from any thread, or a signal's handler."""
        self._stopping.set()

    def counts(self) -> Counts:
        """Return what became of documents and records so far."""
        resolver, total = self._resolver, self._writer.total
        return Counts(
            self._read,
            total(Outcome.INDEXED),
            total(Outcome.DUPLICATE),
            total(Outcome.REJECTED),
            self._ignored,
            resolver.without_session,
            resolver.without_span,
            resolver.waiting,
        )

    def run(self) -> None:
        """Scan and follow until nothing is left, or until `stop`.

        Raises:
            ElasticsearchError: Elasticsearch refuses what the bridge asks.
        """
        with (
            ThreadPoolExecutor(1, "otel-asayer-read") as self._reading,
            ThreadPoolExecutor(_WRITES, "otel-asayer-write") as self._writing,
        ):
            try:
                self._run()
            except StoppedError:
                pass
            finally:
                self.stop()
                self._save()

    def _run(self) -> None:
        self._patience.ask(self._reader.require_privileges)
        begin_ns = self._now_ns()
        recent = since(self._first_ns(begin_ns))
        self._follower.begin(recent)
        while not self._scan(recent):
            _logger.debug("The snapshot is gone; the scan begins anew.")
            self._patience.pause(_POLL_S)
        self._reached(begin_ns)
        while True:
            begin_ns = self._now_ns()
            self._take_all(self._follower.pages())
            self._retry()
            self._reached(begin_ns)
            if self._options.once and not self._resolver.undecided:
                return
            self._patience.pause(_POLL_S)

    def _first_ns(self, now_ns: int) -> int:
        """Return the time from which documents are scanned, in nanoseconds since 1970."""
        lateness_ns = int(self._options.lateness_s * NS_PER_S)
        looked_back = self._options.since_ns
        asked = now_ns - (lateness_ns if looked_back is None else looked_back)
        try:
            until_ns = self._checkpoint.read()
        except SpoolError as error:
            self._say(f"{error} The bridge begins at its lateness before now.")
            until_ns = None
        if until_ns is None:
            return asked
        first = min(until_ns, now_ns) - lateness_ns
        return first if looked_back is None else min(asked, first)

    def _scan(self, recent: Mapping[str, Any]) -> bool:
        """Take a snapshot's documents; return False where it is lost on the way."""
        pit = self._patience.ask(self._reader.open_scan)
        if not pit:
            return True
        try:
            self._take_all(self._scanned(pit, [*self._filters, recent]))
        except ScanLostError:
            return False
        finally:
            self._reader.close_scan(pit)
        return True

    def _scanned(self, pit: str, filters: list[Mapping[str, Any]]) -> Iterator[list[Hit]]:
        after, complete = None, False
        while not complete:
            hits, complete, pit = self._patience.ask(
                partial(self._reader.scanned, pit, filters, after)
            )
            if hits:
                self._follower.note(hits)
                yield hits
                after = hits[-1]["sort"]

    def _take_all(self, pages: Iterator[list[Hit]]) -> None:
        for hits in self._read_ahead(pages):
            self._take(hits)
            self._retry()

    def _read_ahead(self, pages: Iterator[_T]) -> Iterator[_T]:
        """Yield pages; read the next one meanwhile."""
        following = self._reading.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = self._reading.submit(next, pages, None)
            yield page

    def _take(self, hits: list[Hit]) -> None:
        found = [document for hit in hits if (document := self._document(hit))]
        self._read += len(hits)
        self._ignored += len(hits) - len(found)
        self._write(self._patience.ask(lambda: self._resolver.resolve(found)))
        self._on_progress()

    def _retry(self) -> None:
        if self._resolver.waiting:
            self._write(self._patience.ask(self._resolver.again))

    def _document(self, hit: Hit) -> Document | None:
        try:
            return document_of(stored_of(hit))
        except Exception:
            # It would come again for ever, and hold up all others.
            _logger.debug("A document cannot be read", exc_info=True)
            return None

    def _write(self, ready: Iterable[Ready]) -> None:
        batch = Batch()
        for one in sorted(ready, key=lambda one: one.document.rank):
            try:
                self._maker.add(batch, one.document, one.session, handled=one.handled)
            except Exception:  # noqa: PERF203 (as above: one must not hold up the others)
                _logger.debug("A record cannot be made", exc_info=True)
                self._ignored += 1
        if batch.operations:
            self._let_finish(_WRITES - 1)
            self._under_way.append(self._writing.submit(self._writer.write, batch.operations))

    def _let_finish(self, most: int) -> None:
        """Wait until no more than so many pages are being written."""
        while len(self._under_way) > most:
            self._under_way.popleft().result()

    def _reached(self, begin_ns: int) -> None:
        """Finish all that was visible at a time, but for what waits."""
        self._let_finish(0)
        waits_since = self._resolver.waits_since
        waited_ns = 0 if waits_since is None else int((self._clock() - waits_since) * NS_PER_S)
        self._until_ns = min(begin_ns - _UNSEEN_NS, self._now_ns() - waited_ns)
        if self._clock() - self._saved_at >= _SAVE_S:
            self._save()

    def _save(self) -> None:
        if self._until_ns is None:
            return
        self._saved_at = self._clock()
        try:
            self._checkpoint.write(self._until_ns)
        except SpoolError as error:
            if not self._warned:
                self._warned = True
                self._say(f"The checkpoint cannot be written, and is not needed: {error}")
