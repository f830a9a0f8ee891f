"""Reading for the page: a session is read once for many clicks.

It is read again when it is some seconds old, or when the browser reloads.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from otel_asayer.timeline import NS_PER_S, Timeline, group_errors
from otel_asayer.timeline.stores import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from otel_asayer.config import Config
    from otel_asayer.timeline import ErrorGroup, Selection
    from otel_asayer.timeline.stores import Store

__all__ = ["Errors", "Reader", "Story"]

_KEPT_NS: Final = 30 * NS_PER_S
_MAX_KEPT: Final = 4
_DAY_NS: Final = 86_400 * NS_PER_S
_MAX_EXCEPTIONS: Final = 2000


@dataclass(frozen=True)
class Story:
    """A timeline, where it was read, and when (nanoseconds since 1970)."""

    timeline: Timeline
    source: str
    read_at_ns: int
    complete: bool = True
    """Whether all of it was read."""


@dataclass(frozen=True)
class Errors:
    """The errors of the last 24 hours in groups, and where they were read.

    `unseen` is how many older ones of that time were not read.
    """

    groups: Sequence[ErrorGroup]
    source: str
    unseen: int


class Reader:
    """Reads what the page shows, from the configured store. Threads read one after another.

    Args:
        config: the connection, and the template of replay URLs.
        opened: opens the store.
        now_ns: the time, in nanoseconds since 1970.
    """

    def __init__(
        self,
        config: Config,
        *,
        opened: Callable[[Config], AbstractContextManager[Store]] = open_store,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._opened = opened
        self._now_ns = now_ns
        self._lock = Lock()
        self._kept: OrderedDict[Selection, Story] = OrderedDict()

    def story(self, selection: Selection, *, anew: bool = False) -> Story:
        """Return the timeline of a session or a trace.

        Args:
            selection: which one.
            anew: read it again, however recently it was read.

        Raises:
            NotAllowedError: the key or user may not read it.
            ElasticsearchError: there is no good answer.
            SpoolError: the folder of the local store cannot be used.
        """
        with self._lock:
            kept = self._kept.pop(selection, None)
            young = kept is not None and 0 <= self._now_ns() - kept.read_at_ns < _KEPT_NS
            story = kept if kept is not None and young and not anew else self._read(selection)
            if story.timeline.events:  # a person who waits for the first one shall see it
                self._kept[selection] = story
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
            return story

    def errors(self) -> Errors:
        """Return the errors of the last 24 hours.

        Raises:
            NotAllowedError: the key or user may not read them.
            ElasticsearchError: there is no good answer.
            SpoolError: the folder of the local store cannot be used.
        """
        with self._opened(self._config) as store:
            documents, total = store.exceptions(self._now_ns() - _DAY_NS, _MAX_EXCEPTIONS)
            found = Timeline.of(documents, replay_url=self._config.replay_url)
            return Errors(group_errors(found.events), store.name, total - len(documents))

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970."""
        return self._now_ns()

    def _read(self, selection: Selection) -> Story:
        read_at_ns = self._now_ns()
        with self._opened(self._config) as store:
            part = store.first_documents(selection)
            return Story(
                Timeline.of(part.documents, replay_url=self._config.replay_url),
                store.name,
                read_at_ns,
                part.complete,
            )
