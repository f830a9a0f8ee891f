"""Safe file operations in a folder that belongs to this user alone.

- Each operation opens the folder anew, follows no link in its place, and checks it while it is
  open: it must belong to this user, and nobody else may write to it. Everything in it is looked up
  relative to the open folder, so a path that is swapped meanwhile changes nothing.
- A file appears under its name only when it is whole: temporary file, fsync, rename, fsync of the
  folder.
- Other processes work in the same folder, so names vanish at any time. That is an answer (`False`,
  `None`), not an error.
- Every other failure is a `SpoolError`: a sentence that says where, what, and what to do.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from otel_asayer.errors import AsayerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Folder", "SpoolError", "explained", "find_folder", "make_folder"]

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600

# Absent on Windows, where this module must import. `find_folder` refuses before they are used.
_COMMON: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_OPEN_FOLDER: Final[int] = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _COMMON
_CREATE_FILE: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON
# Without O_NONBLOCK, opening a named pipe that somebody put there would wait forever for a writer.
_READ_FILE: Final[int] = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON

_SUPPORTED: Final = os.open in os.supports_dir_fd

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full. Free space, or choose a spool directory on another disk",
    errno.EDQUOT: "this user's disk quota is used up. Free space, or choose a spool directory on "
    "another disk",
    errno.EFBIG: "the file would exceed the process's limit of file size. Raise it (ulimit -f), or "
    "send smaller batches",
    errno.EROFS: "the file system is read-only. Choose a spool directory that can be written to",
    errno.EACCES: "this user has no right to it. Choose a spool directory that this user can write "
    "to",
    errno.EPERM: "this user has no right to it. Choose a spool directory that this user can write "
    "to",
    errno.ENOTDIR: "it is a symbolic link, or no folder. Give the folder itself: links are not "
    "followed",
    errno.ELOOP: "it is a symbolic link. Give the folder itself: links are not followed",
}


class SpoolError(AsayerError):
    """The spool cannot do what was asked, and leaves nothing half-written.

    The message says where, why, and what to do.
    """


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of the system about `path` into a `SpoolError`."""
    try:
        yield
    except OSError as error:
        advice = (
            _ADVICE.get(error.errno or 0)
            or f"{error.strerror or error}. Check the folder and its disk"
        )
        raise SpoolError(f"The spool cannot use {path}: {advice}.") from error


class Folder(AbstractContextManager["Folder"]):
    """An open folder of ours; leaving its `with` block closes it.

    The descriptor lives for one operation only, so a forked child inherits none that matters.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def scan(self) -> Iterator[str]:
        """Yield the names of regular files, in no order.

        A file that is renamed meanwhile may be missed, or seen under both names.
        """
        with explained(self.path), os.scandir(self._descriptor) as entries:
            yield from (entry.name for entry in entries if entry.is_file(follow_symlinks=False))

    def folders(self) -> list[str]:
        """Return the names of the folders in this one, sorted."""
        with explained(self.path), os.scandir(self._descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def status(self, name: str) -> os.stat_result | None:
        """Return a file's size and times; None when it vanished."""
        with explained(self.path):
            try:
                return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def write(self, name: str, temporary: str, content: bytes) -> None:
        """Write `content` as `name`, durably: a loss of power afterwards does not lose it.

        Raises:
            SpoolError: it could not be written; neither `name` nor `temporary` exists then.
        """
        with explained(self.path):
            descriptor = os.open(temporary, _CREATE_FILE, _FILE_MODE, dir_fd=self._descriptor)
            present = temporary
            try:
                _fill(descriptor, content)
                os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
                present = name
                self.sync()
            except BaseException:
                # Report the first error. The next start's recovery removes what stays here.
                with suppress(OSError):
                    os.unlink(present, dir_fd=self._descriptor)
                raise

    def read(self, name: str) -> BinaryIO:
        """Open `name` for reading.

        Raises:
            OSError: the system's own, as its number tells damage from a shortage; ENOENT when
                `name` vanished, EPERM when it is no regular file of this user.
        """
        descriptor = os.open(name, _READ_FILE, dir_fd=self._descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "no regular file of this user", name)

    def rename(self, name: str, new_name: str, *, to: Folder | None = None) -> bool:
        """Rename a file in one step; False when it vanished.

        So one of several processes learns that another was faster.
        """
        return self._unless_gone(
            lambda: os.rename(
                name,
                new_name,
                src_dir_fd=self._descriptor,
                dst_dir_fd=(to or self)._descriptor,  # noqa: SLF001 (of this class)
            )
        )

    def remove(self, name: str) -> bool:
        """Remove a file; False when it vanished."""
        return self._unless_gone(lambda: os.unlink(name, dir_fd=self._descriptor))

    def touch(self, name: str, now_ns: int) -> bool:
        """Set a file's time of modification, nanoseconds since 1970; False when it vanished."""

        def touch() -> None:
            # A file that another user copied here cannot be touched; it only looks old then.
            with suppress(PermissionError):
                os.utime(name, ns=(now_ns, now_ns), dir_fd=self._descriptor, follow_symlinks=False)

        return self._unless_gone(touch)

    def find(self, name: str) -> Folder | None:
        """Open a folder in this one, or return None when there is none."""
        return _opened(name, self.path / name, self._descriptor)

    def make(self, name: str) -> Folder:
        """Open a folder in this one, made when missing."""
        if found := self.find(name):
            return found
        with explained(self.path / name):
            _make(name, self._descriptor)
            self.sync()
        return _present(self.find(name), self.path / name)

    def _unless_gone(self, operation: Callable[[], object]) -> bool:
        with explained(self.path):
            try:
                operation()
            except FileNotFoundError:
                return False
        return True

    def sync(self) -> None:
        """Make its entries durable, where the file system can."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # Some network file systems cannot sync a folder. The rename is done.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise


def find_folder(path: Path) -> Folder | None:
    """Open the folder at `path`, or return None when there is none.

    Raises:
        SpoolError: it is a link, another user's, or writable by others.
    """
    if not _SUPPORTED:
        raise SpoolError(
            f"The spool cannot use {path}: it needs a POSIX system. Switch the spool off."
        )
    return _opened(path, path, None)


def make_folder(path: Path) -> Folder:
    """Open the folder at `path`; make it and its parents when they are missing.

    They are for this user alone, whatever the umask is.

    Raises:
        SpoolError: it cannot be made, is a link, another user's, or writable by others.
    """
    if found := find_folder(path):
        return found
    with explained(path):
        for missing in reversed(
            [folder for folder in (path, *path.parents) if not folder.exists()]
        ):
            _make(missing, None)
            above = missing.parent
            # If that cannot be synced, only a loss of power right now removes the folder.
            with suppress(OSError), Folder(os.open(above, os.O_RDONLY), above) as parent:
                parent.sync()
    return _present(find_folder(path), path)


def _opened(name: Path | str, path: Path, parent: int | None) -> Folder | None:
    with explained(path):
        try:
            descriptor = os.open(name, _OPEN_FOLDER, dir_fd=parent)
        except FileNotFoundError:
            return None
    complaint = _complaint(os.fstat(descriptor))
    if complaint:
        os.close(descriptor)
        raise SpoolError(f"The spool cannot use {path}: {complaint}.")
    return Folder(descriptor, path)


def _present(folder: Folder | None, path: Path) -> Folder:
    if folder is None:
        raise SpoolError(
            f"The spool cannot use {path}: something removed it just after it was made. Choose a "
            "spool directory of its own."
        )
    return folder


def _complaint(status: os.stat_result) -> str:
    user = os.geteuid()
    complaints = {
        f"it belongs to user {status.st_uid}, and this process is user {user}. Change its owner, "
        "or choose another spool directory": status.st_uid != user,
        "other users can write to it. Take that right away (chmod go-w), or choose another spool "
        "directory": status.st_mode & 0o022,
    }
    return next((complaint for complaint, applies in complaints.items() if applies), "")


def _make(name: Path | str, parent: int | None) -> None:
    # Another process may make it meanwhile; opening it checks the owner.
    with suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
        with suppress(FileNotFoundError):  # something removed it already; opening it says so
            _restrict(name, parent)


def _restrict(name: Path | str, parent: int | None) -> None:
    """Give a new folder its mode, where a umask has taken rights from the owner.

    Through a descriptor of that very folder: a link may stand in its place by now, and chmod would
    follow it to a file that somebody else chose.
    """
    descriptor = os.open(
        name,
        getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _COMMON,
        dir_fd=parent,
    )
    try:
        made = os.fstat(descriptor)
        if made.st_uid == os.geteuid() and stat.S_IMODE(made.st_mode) & 0o777 != _FOLDER_MODE:
            # fchmod does not take an O_PATH descriptor; chmod takes its entry in /proc.
            if hasattr(os, "O_PATH"):
                Path(f"/proc/self/fd/{descriptor}").chmod(_FOLDER_MODE)
            else:
                os.fchmod(descriptor, _FOLDER_MODE)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes) -> None:
    """Write all of `content`, durably, and close: some file systems report errors only then."""
    try:
        os.fchmod(descriptor, _FILE_MODE)  # whatever the umask is
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
