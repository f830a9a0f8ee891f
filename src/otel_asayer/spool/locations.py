"""Where a spool lies:

its root, and in it one folder per destination, so that no process delivers another's bodies to the
wrong one.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.directory import Folder, find_folder
from otel_asayer.spool.names import temporary_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = [
    "LOCAL",
    "Destination",
    "default_directory",
    "describe",
    "destination_folder",
    "destinations",
    "spool_root",
]

_LOCAL_FOLDER: Final = "local"
_FOLDER: Final = re.compile(rf"[0-9a-f]{{16}}|{_LOCAL_FOLDER}")
_DESCRIPTION: Final = "destination.txt"
_COMMENT: Final = "#"
_MAX_DESCRIPTION_BYTES: Final = 64 * 1024

_USER_AND_PASSWORD: Final = re.compile(r"(?<=://)\S*@")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)

_GUIDE: Final = """\
# Request bodies of otel-asayer that wait for delivery, oldest name first. Each .ndjson.gz file is the body of one bulk request:
#   gunzip -c FILE | curl -H 'content-type: application/x-ndjson' --data-binary @- 'URL/_bulk?require_data_stream=true'
# rejected/ holds what was refused for good, with the reasons beside it; damaged/ what could not be read.
"""
_TO_NOWHERE: Final = "# No destination is configured: what is here stays until someone sends it.\n"


class Destination(NamedTuple):
    """Where bodies are to go, and the name of the folder where they wait."""

    folder: str
    endpoints: tuple[str, ...] = ()

    @classmethod
    def of(cls, endpoints: Sequence[str]) -> Destination:
        """Return the destination with these endpoints; without any, `LOCAL`.

        Credentials in them are left out.
        """
        return cls(destination_folder(endpoints), _without_secrets(endpoints))


LOCAL: Final = Destination(_LOCAL_FOLDER)
"""No destination: the spool itself is the store."""


def destination_folder(endpoints: Sequence[str]) -> str:
    """Return the name of the folder for these endpoints, in any order: digits of a hash, or `local`
    for none.

    User names, passwords and queries do not count: a new password is no new destination.
    """
    joined = ",".join(_without_secrets(endpoints))
    return hashlib.sha256(joined.encode()).hexdigest()[:16] if joined else _LOCAL_FOLDER


def _without_secrets(endpoints: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        sorted({_QUERY.sub("", _USER_AND_PASSWORD.sub("", endpoint)) for endpoint in endpoints})
    )


def describe(folder: Folder, destination: Destination) -> None:
    """Tell a human who finds this folder what it is, once."""
    if folder.size(_DESCRIPTION) is None:
        told = "".join(f"{endpoint}\n" for endpoint in destination.endpoints) or _TO_NOWHERE
        folder.write(_DESCRIPTION, temporary_name(_DESCRIPTION), (_GUIDE + told).encode())


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
    folder = root.find(name)
    if folder is None:
        return ()
    with folder:
        try:
            with folder.read(_DESCRIPTION) as file:
                lines = file.read(_MAX_DESCRIPTION_BYTES).decode(errors="replace").splitlines()
        except OSError:  # removed, or not written yet: it is for humans, and nothing depends on it
            return ()
    return tuple(line for line in lines if line and not line.startswith(_COMMENT))


def spool_root(config: Config) -> Path:
    """Return the folder in which the spools of all destinations lie."""
    return (
        Path(config.spool_directory)
        if config.spool_directory
        else default_directory(dict(config.base_directories))
    )


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return the spool's root for a process with this environment. Nothing is made.

    `$XDG_STATE_HOME/otel-asayer/spool`, else `$HOME/.local/state/otel-asayer/spool`, else
    `otel-asayer-<uid>` in `$TMPDIR` or `/tmp`; the first where this user can write. The last one is
    returned in any case: using it then tells what is wrong.
    """
    *preferred, last = _candidates(environ)
    return next(filter(_is_usable, preferred), last)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    state, home, temporary = (
        environ.get(name, "") for name in ("XDG_STATE_HOME", "HOME", "TMPDIR")
    )
    mine = f"otel-asayer-{_user()}"
    if Path(state).is_absolute():  # the XDG specification: a relative path is to be ignored
        yield Path(state, "otel-asayer", "spool")
    # Under sudo and in containers, HOME may be another user's: a folder left there would be one
    # that its owner cannot use.
    if Path(home).is_absolute() and _belongs_to_us(Path(home)):
        yield Path(home, ".local", "state", "otel-asayer", "spool")
    if Path(temporary).is_absolute():
        yield Path(temporary, mine)
    # The name is predictable on purpose; whose it is gets checked at every opening
    yield Path("/tmp", mine)  # noqa: S108


def _user() -> int:
    return (
        os.geteuid() if hasattr(os, "geteuid") else 0
    )  # on Windows the place is named, and using it says why it cannot be used


def _belongs_to_us(path: Path) -> bool:
    try:
        return path.stat().st_uid == _user()
    except OSError:
        return False


def _is_usable(path: Path) -> bool:
    """Whether a spool at `path` could be written:

    it is ours, or can be made in the nearest folder above that exists.
    """
    try:
        nearest = next(folder for folder in (path, *path.parents) if folder.exists())
        writable = nearest.is_dir() and os.access(
            nearest, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
        )
        return writable and (nearest != path or (not path.is_symlink() and _belongs_to_us(path)))
    except OSError:
        return False
