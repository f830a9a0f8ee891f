"""What a crash left behind:

bodies leased by a process that is gone, and files it had not finished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_asayer.spool.names import Entry, Temporary, parse, parse_temporary

if TYPE_CHECKING:
    from otel_asayer.spool.directory import Folder

__all__ = ["Recovered", "recover"]


class Recovered(NamedTuple):
    """What was found."""

    bodies: int
    """Leased bodies given back."""

    temporary_files: int
    """Half-written files removed; nobody was ever told that these were written."""


def recover(folder: Folder, *, now_ns: int, stale_ns: int) -> Recovered:
    """Give back what nobody works on any more, and remove what nobody will finish.

    A lease is stale when its holder is gone, or did not renew it for `stale_ns`: a holder on
    another host cannot be asked, and one that hangs would keep it for ever. A temporary file costs
    little and may be somebody's last words, so it goes only when it is that old *and* its writer is
    not known to run.
    """
    bodies = temporary_files = 0
    for name in list(folder.scan()):
        file = parse(name) or parse_temporary(name)
        if file is None or file.holder is None:
            continue
        modified_ns = folder.modified_ns(name)
        if modified_ns is None:  # another process was faster
            continue
        # A time far ahead of ours is as old: some clock was set back since.
        is_old = abs(now_ns - modified_ns) > stale_ns
        if isinstance(file, Entry):
            bodies += _give_back(folder, file, is_old=is_old)
        else:
            temporary_files += _sweep(folder, file, is_old=is_old)
    return Recovered(bodies, temporary_files)


def _give_back(folder: Folder, file: Entry, *, is_old: bool) -> bool:
    is_stale = is_old or (file.holder is not None and file.holder.is_gone)
    return is_stale and folder.rename(file.name, file.body)


def _sweep(folder: Folder, file: Temporary, *, is_old: bool) -> bool:
    return is_old and not file.holder.is_alive and folder.remove(file.name)
