"""What Elasticsearch refused of a session, and put into failure stores, as places that `otel-asayer forget` looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_asayer.cli import output
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.timeline.failure_stores import FailureStore, failure_stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.timeline import Selection, Stored

__all__ = ["places_of_refused"]

_MOST: Final = 100_000
"""Documents of a failure store that are looked through:

one by one, for none is found by its session.
"""


def places_of_refused(config: Config, api: Api) -> Iterator[_InFailureStore | _Unseen]:
    """Those in which something lies; last, for what waits elsewhere is refused meanwhile."""
    try:
        yield from (
            _InFailureStore(config, api, store) for store in failure_stores(api) if store.indices
        )
    except ElasticsearchError as error:
        yield _Unseen(config, error)


class _Unseen:
    """Failure stores of which it is not known whether there are any."""

    def __init__(self, config: Config, why: ElasticsearchError) -> None:
        self.name = f"{config.destination}, failure stores"
        self.troubles: Sequence[str] = (
            f"It is not known whether failure stores hold documents of it. {why}",
        )

    def count(self, selection: Selection) -> int:  # noqa: ARG002 (nothing is seen)
        return 0

    delete = count

    def remains(self, selection: Selection) -> list[str]:  # noqa: ARG002 (it has no files of ours)
        return []


class _InFailureStore:
    """What Elasticsearch refused.

    Whatever is wrong there keeps nothing elsewhere from being deleted.
    """

    def __init__(self, config: Config, api: Api, store: FailureStore) -> None:
        self._stream = sanitize_line(store.stream)
        self.name = f"{config.destination}, failure store of {self._stream}"
        self._api = api
        self._store = store
        self._found: list[Stored] = []
        self._unseen = self._undeleted = ""

    @property
    def troubles(self) -> Sequence[str]:
        return [sentence for sentence in (self._unseen, self._undeleted) if sentence]

    def count(self, selection: Selection) -> int:
        stream = self._stream
        unknown = f"It is not known whether the failure store of {stream} holds documents of it"
        self._found, self._unseen = [], ""
        try:
            self._found, complete = self._store.find(self._api, selection, _MOST)
        except NotAllowedError:
            self._unseen = f"{unknown}: not allowed to look there, which takes the index privilege 'read_failure_store' on {stream}."
        except ElasticsearchError as error:
            self._unseen = f"{unknown}. {error}"
        else:
            if not complete:
                self._unseen = f"The failure store of {stream} holds more than {_MOST:,} documents: those that came later were not looked at."
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
        self._undeleted = f"Of {selection.named}, the failure store of {self._stream} held {number}, in {where}, and not all could be deleted: {why}."
        return 0

    def remains(self, selection: Selection) -> list[str]:  # noqa: ARG002 (it has no files of ours)
        return []
