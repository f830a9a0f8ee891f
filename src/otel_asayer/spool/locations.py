"""Where spools lie: a root, with one folder per destination.

So no process delivers another's bodies to the wrong destination. Beside the waiting bodies of a
destination lie `rejected/` and `damaged/`.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.directory import Folder, find_folder, make_folder
from otel_asayer.spool.names import temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = [
    "DAMAGED",
    "LOCAL",
    "REJECTED",
    "Destination",
    "SpoolFolders",
    "default_directory",
    "destinations",
    "spool_root",
]

REJECTED: Final = "rejected"
DAMAGED: Final = "damaged"
_SIDE_SHARE: Final = 8

_LOCAL_FOLDER: Final = "local"
_FOLDER: Final = re.compile(rf"[0-9a-f]{{16}}|{_LOCAL_FOLDER}")
_DESCRIPTION: Final = "destination.txt"
_COMMENT: Final = "#"
_MAX_DESCRIPTION_BYTES: Final = 64 * 1024

_USER_AND_PASSWORD: Final = re.compile(r"(?<=://)\S*@")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)

_GUIDE: Final = """\
# Request bodies of otel-asayer that wait for delivery, the oldest name first.
# Each .ndjson.gz file is the body of one bulk request. To send one by hand:
#   gunzip -c FILE | curl -H 'content-type: application/x-ndjson' --data-binary @- \\
#     'URL/_bulk?require_data_stream=true'
# rejected/ holds what was refused for good, with the reasons beside it; damaged/ what
# could not be read.
"""
_TO_NOWHERE: Final = "# No destination is configured: what is here stays until someone sends it.\n"


class Destination(NamedTuple):
    """Where bodies are to go, and the name of the folder where they wait."""

    folder: str
    endpoints: tuple[str, ...] = ()

    @classmethod
    def of(cls, endpoints: Sequence[str]) -> Destination:
        """Return the destination with these endpoints, in any order; without any, `LOCAL`.

        Its folder is named by a hash of them. User names, passwords and queries are left out: a new
        password is no new destination.
        """
        found = tuple(
            sorted({_QUERY.sub("", _USER_AND_PASSWORD.sub("", endpoint)) for endpoint in endpoints})
        )
        joined = ",".join(found).encode()
        return cls(hashlib.sha256(joined).hexdigest()[:16] if joined else _LOCAL_FOLDER, found)


LOCAL: Final = Destination(_LOCAL_FOLDER)
"""No destination: the spool itself is the store."""


class SpoolFolders(NamedTuple):
    """The folders of one spool, and its clock.

    Each operation opens a folder anew: it may have been removed, or replaced, since the last one.
    """

    root: Path
    destination: Destination
    max_bytes: int
    clock: Callable[[], int]
    """Nanoseconds since 1970."""

    @property
    def side_bytes(self) -> int:
        """The cap of `rejected/`, and that of `damaged/`."""
        return self.max_bytes // _SIDE_SHARE

    @contextmanager
    def find(self, side: str = "") -> Iterator[Folder | None]:
        """Open the destination's folder, or its folder `side`; None when there is none yet."""
        with ExitStack() as stack:
            folder = find_folder(self.root)
            for name in (self.destination.folder, side):
                if folder and name:
                    folder = stack.enter_context(folder).find(name)
            yield stack.enter_context(folder) if folder else None

    @contextmanager
    def make(self, side: str = "") -> Iterator[Folder]:
        """Open the destination's folder, or its folder `side`; make it when it is missing."""
        with make_folder(self.root) as root, root.make(self.destination.folder) as folder:
            if folder.status(_DESCRIPTION) is None:  # say what this folder is to those who find it
                lines = "".join(f"{one}\n" for one in self.destination.endpoints) or _TO_NOWHERE
                folder.write(_DESCRIPTION, temporary_name(_DESCRIPTION), (_GUIDE + lines).encode())
            if side:
                with folder.make(side) as beside:
                    yield beside
            else:
                yield folder


def destinations(root: Path) -> list[Destination]:
    """Return the destinations that have a folder in `root`, in the order of their folders' names.

    Raises:
        SpoolError: `root` cannot be used.
    """
    found = find_folder(root)
    if found is None:
        return []
    with found:
        return [
            Destination(name, _endpoints_in(found, name))
            for name in found.folders()
            if _FOLDER.fullmatch(name)
        ]


def _endpoints_in(root: Folder, name: str) -> tuple[str, ...]:
    lines: list[str] = []
    if folder := root.find(name):
        # Removed, or not written yet: it is for people, and nothing needs it.
        with folder, suppress(OSError), folder.read(_DESCRIPTION) as file:
            lines = file.read(_MAX_DESCRIPTION_BYTES).decode(errors="replace").splitlines()
    return tuple(line for line in lines if line and not line.startswith(_COMMENT))


def spool_root(config: Config) -> Path:
    """Return the folder that holds the spools of all destinations."""
    return (
        Path(config.spool_directory)
        if config.spool_directory
        else default_directory(dict(config.base_directories))
    )


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return the spool's root for a process with this environment; make nothing.

    The first of these to which this user can write: `$XDG_STATE_HOME/otel-asayer/spool`,
    `$HOME/.local/state/otel-asayer/spool`, `otel-asayer-<uid>` in `$TMPDIR`, the same in `/tmp`.
    When there is none, it is the last one: using that says what is wrong.
    """
    *preferred, last = _candidates(environ)
    return next(filter(_is_usable, preferred), last)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    state, home, temporary = (
        environ.get(name, "") for name in ("XDG_STATE_HOME", "HOME", "TMPDIR")
    )
    mine = f"otel-asayer-{_user()}"
    if Path(state).is_absolute():  # the XDG specification: ignore a relative path
        yield Path(state, "otel-asayer", "spool")
    # Under sudo and in containers, HOME may be another user's, who could not use a folder of ours.
    if Path(home).is_absolute() and _belongs_to_us(Path(home)):
        yield Path(home, ".local", "state", "otel-asayer", "spool")
    if Path(temporary).is_absolute():
        yield Path(temporary, mine)
    # The name is predictable on purpose: opening it checks the owner.
    yield Path("/tmp", mine)  # noqa: S108


def _user() -> int:
    # On Windows, using the folder says why it cannot be used.
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _belongs_to_us(path: Path) -> bool:
    try:
        return path.stat().st_uid == _user()
    except OSError:
        return False


def _is_usable(path: Path) -> bool:
    """Whether a spool at `path` is ours, or can be made in the nearest folder above it."""
    try:
        nearest = next(folder for folder in (path, *path.parents) if folder.exists())
        writable = nearest.is_dir() and os.access(
            nearest, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
        )
        return writable and (nearest != path or (not path.is_symlink() and _belongs_to_us(path)))
    except OSError:
        return False
