"""Reading for the page: a session is read once for many clicks.

It is read again when it is some seconds old, or when the browser reloads.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from otel_asayer.timeline import (
    NS_PER_S,
    ErrorGroup,
    Selection,
    SessionFilter,
    SessionSummary,
    Timeline,
    TimelineEvent,
    group_errors,
    linked,
)
from otel_asayer.timeline.stores import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from otel_asayer.config import Config
    from otel_asayer.propagation.session_id import SessionId

__all__ = ["Overview", "Reader", "Story"]

_KEPT_NS: Final = 30 * NS_PER_S
_MAX_KEPT: Final = 4
_MAX_SESSIONS: Final = 100
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
class Overview:
    """What the first page shows, and where it was read."""

    sessions: Sequence[SessionSummary]
    """The latest first."""

    complete: bool
    """Whether these are all sessions that were asked for."""

    requests: Mapping[SessionId, TimelineEvent]
    """Their first requests, with links to the replay."""

    groups: Sequence[ErrorGroup]
    """The errors of the period."""

    unseen: int
    """How many older errors of the period were not read."""

    source: str


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

    def overview(self, wanted: SessionFilter) -> Overview:
        """Return the sessions that are wanted, and the errors of the same period.

        Raises:
            NotAllowedError: the key or user may not read them.
            ElasticsearchError: there is no good answer.
            SpoolError: the folder of the local store cannot be used.
        """
        with self._opened(self._config) as store:
            sessions, complete = store.sessions(wanted, _MAX_SESSIONS)
            documents, total = store.exceptions(wanted.since_ns, _MAX_EXCEPTIONS)
            found = Timeline.of(documents, replay_url=self._config.replay_url)
            return Overview(
                sessions,
                complete,
                linked(sessions, self._config.replay_url),
                group_errors(found.only(services=wanted.services).events),
                total - len(documents),
                store.name,
            )

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
