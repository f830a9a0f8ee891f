"""Where a spool lies, and what the names in it say.

A root has one folder per destination, so no process delivers another's bodies to the wrong one.
Beside the waiting bodies of a destination lie `rejected/` and `damaged/`. The files are::

    01795536236662271530-4711-9f86d081884c7d65-512.ndjson.gz             a body that waits
    ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.lease                       that body, leased
    ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.tmp                         a file being written
    ….reasons.ndjson                                                     beside a rejected body

A body's name is the time it was first written in nanoseconds since 1970 (20 digits, so that sorting
by name sorts by age), the writer's pid, random digits (unique among hosts), and its number of
documents. Leases do not change it: a released body returns to its place. Before `.lease` and `.tmp`
stand the owner and random digits, which tell one lease of a process from its next.

An owner is a *scope* (host and pid namespace: a pid means nothing elsewhere), a pid, and the
process's start in clock ticks since boot: the system reuses a pid, but not at the same tick.
Containers that share a folder have different scopes, as each of them has a pid 1; between them,
only time tells whether an owner is gone.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.directory import Folder, find_folder, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otel_asayer.config import Config

__all__ = [
    "DAMAGED",
    "LOCAL",
    "REJECTED",
    "Destination",
    "LeaseOwner",
    "SpoolFile",
    "SpoolFolders",
    "current_process",
    "default_directory",
    "destinations",
    "leased_name",
    "new_body",
    "parse",
    "reasons_name",
    "spool_root",
    "temporary_name",
]

REJECTED: Final = "rejected"
DAMAGED: Final = "damaged"

_LOCAL_FOLDER: Final = "local"
_FOLDER: Final = re.compile(rf"[0-9a-f]{{16}}|{_LOCAL_FOLDER}")
_DESCRIPTION: Final = "destination.txt"

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

_BODY_SUFFIX: Final = ".ndjson.gz"
_TEMPORARY_SUFFIX: Final = ".tmp"

_OWNER: Final = r"([0-9a-f]{8})-([1-9][0-9]{0,9})-([0-9]{1,19})-[0-9a-f]{8}"
_FILE: Final = re.compile(
    r"(([0-9]{20})-[0-9]{1,10}-[0-9a-f]{16}-([0-9]{1,9})(?:\.ndjson\.gz|(\.reasons\.ndjson)))"
    rf"(?:\.{_OWNER}\.lease)?"
)
_TEMPORARY: Final = re.compile(rf".+\.{_OWNER}\.tmp")

_UNKNOWN: Final = 0
"""The start of a process where the system does not tell it."""


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
        return self.max_bytes // 8

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
    if (found := find_folder(root)) is None:
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
            lines = file.read(64 * 1024).decode(errors="replace").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


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


class LeaseOwner(NamedTuple):
    """A process, named so that another one can recognise it later."""

    scope: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.scope}-{self.pid}-{self.started}"

    @property
    def is_alive(self) -> bool | None:
        """Whether the process runs.

        None: nobody can know that of one on another host or in another container.
        """
        if self.scope != current_process().scope:
            return None
        started = _started(self.pid)
        return started is not None and (
            _UNKNOWN in (started, self.started) or started == self.started
        )


class SpoolFile(NamedTuple):
    """A body, the reasons beside one, or a file being written, as its name describes it."""

    body: str
    """The name without a lease: sorts by age. Of a file being written, all of the name."""

    name: str
    written_ns: int
    documents: int
    """0 for anything but a body."""

    owner: LeaseOwner | None = None
    """The process that leased it, or writes it; None while it waits."""

    @property
    def writer(self) -> int:
        """The pid of the process that wrote it, on whatever host."""
        return int(self.body.split("-")[1])

    @property
    def is_body(self) -> bool:
        """Whether this is a body: not the reasons beside one, and not being written."""
        return self.body.endswith(_BODY_SUFFIX)

    @property
    def is_temporary(self) -> bool:
        """Whether the file is being written, or was when its writer died."""
        return self.body.endswith(_TEMPORARY_SUFFIX)


def parse(name: str) -> SpoolFile | None:
    """Return what a file's name says, or None for a file that is not ours."""
    if match := _FILE.fullmatch(name):
        body, written, documents, reasons, scope, pid, started = match.groups()
        owner = LeaseOwner(scope, int(pid), int(started)) if scope else None
        return SpoolFile(body, name, int(written), 0 if reasons else int(documents), owner)
    match = _TEMPORARY.fullmatch(name)
    return match and SpoolFile(name, name, 0, 0, LeaseOwner(match[1], int(match[2]), int(match[3])))


def new_body(written_ns: int, documents: int) -> str:
    """Return a name for a new body, unique among all processes and hosts."""
    # From the system, not from `random`, whose state forked workers share.
    return (
        f"{max(written_ns, 0):020d}-{os.getpid()}-{os.urandom(8).hex()}-{documents}{_BODY_SUFFIX}"
    )


def leased_name(body: str) -> str:
    """Return the name of `body` while this process leases it; another one for each lease."""
    return f"{body}.{current_process()}-{os.urandom(4).hex()}.lease"


def temporary_name(name: str) -> str:
    """Return the name under which this process writes what will be `name`."""
    return f"{name}.{current_process()}-{os.urandom(4).hex()}.tmp"


def reasons_name(body: str) -> str:
    """Return the name of the reasons beside a rejected body."""
    return body.removesuffix(_BODY_SUFFIX) + ".reasons.ndjson"


def current_process() -> LeaseOwner:
    """Return the name of this process; right in a forked child, too."""
    return _named(os.getpid())


@lru_cache(maxsize=1)
def _named(pid: int) -> LeaseOwner:
    return LeaseOwner(_scope(), pid, _started(pid) or _UNKNOWN)


def _scope() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        machine = boot + str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no /proc: the host's name has to do
        machine = ""
    return hashlib.sha256(f"{os.uname().nodename} {machine}".encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _UNKNOWN if _answers(pid) else None
    # The second field is the program's name, in parentheses, and may hold anything. The state is
    # the third field and the start the twenty-second.
    state, *fields = text.rpartition(b")")[2].split()
    # A container's pid 1 may never reap its children: a zombie is as dead as one that was reaped.
    return None if state in (b"Z", b"X") else int(fields[18])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
