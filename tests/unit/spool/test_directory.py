"""Safe file operations: who may see what, what is followed, and what is left behind."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Spool, SpoolError, directory
from otel_asayer.spool.directory import Folder, find_folder, make_folder
from unit.spool.support import (
    ROOMY,
    failing,
    files_in,
    leased,
    names_of,
    open_descriptors,
    operation,
    operations,
    umask,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = "00000000000000000001-1-0123456789abcdef-1.ndjson.gz"
NOBODY = 65534


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


def is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def refuse_to_sync_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: (failing(number) if is_folder(descriptor) else fsync)(descriptor),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with make_folder(tmp_path / "folder") as made:
        yield made


# Who may see what.


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_folders_and_files_are_for_their_owner_alone_whatever_the_umask_is(
    root: Path, mask: int
) -> None:
    with umask(mask):
        spool = Spool(root / "below", max_bytes=ROOMY)
        spool.write([operation(1)])
        spool.reject([(operation(2), "refused")])
    assert {mode(path) for path in (root, *root.rglob("*")) if path.is_dir()} == {"0o700"}
    assert {mode(path) for path in root.rglob("*") if not path.is_dir()} == {"0o600"}


def test_a_link_put_in_the_place_of_a_folder_that_was_just_made_changes_no_rights_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    theirs.chmod(0o755)
    make = os.mkdir

    def make_and_swap(name: Path | str, mode: int, *, dir_fd: int | None = None) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink(theirs, name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", make_and_swap)
    with pytest.raises(SpoolError):
        make_folder(tmp_path / "spool")
    assert mode(theirs) == "0o755"


@pytest.mark.parametrize("extra", [0o020, 0o002, 0o022])
def test_a_folder_that_others_can_write_to_is_refused(root: Path, spool: Spool, extra: int) -> None:
    spool.write([operation(1)])
    root.chmod(0o700 | extra)
    with pytest.raises(
        SpoolError,
        match=rf"^The spool cannot use {root}: other users can write to it\. Take that right away "
        r"\(chmod go-w\)",
    ):
        spool.write([operation(2)])


def test_a_destinations_folder_that_others_can_write_to_is_refused(spool: Spool) -> None:
    spool.write([operation(1)])
    spool.folder.chmod(0o770)
    with pytest.raises(SpoolError, match=rf"{spool.folder}: other users can write to it"):
        spool.lease()


def test_a_folder_that_others_can_only_look_into_is_used(root: Path, spool: Spool) -> None:
    root.mkdir(mode=0o755)
    spool.write([operation(1)])
    assert names_of(spool.read()) == ["1"]


def test_another_users_folder_is_refused(
    root: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation(1)])
    owner, us = root.stat().st_uid, root.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: us)
    with pytest.raises(
        SpoolError,
        match=rf"{root}: it belongs to user {owner}, and this process is user {us}\. Change its "
        r"owner, or choose another",
    ):
        spool.status()


@contextmanager
def without_rights_to(folder: Path) -> Iterator[None]:
    """Take the right to write from this process.

    The superuser has it always, and becomes somebody else for that time.
    """
    user = os.geteuid()
    folders = [path for path in (folder, *folder.rglob("*")) if path.is_dir()]
    try:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user or NOBODY, -1)
        for path in folders:
            path.chmod(0o500)
        os.seteuid(user or NOBODY)
        yield
    finally:
        os.seteuid(user)
        for path in folders:
            path.chmod(0o700)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user reaches, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_a_folder_that_this_user_cannot_write_to_is_said(reachable: Path) -> None:
    spool = Spool(reachable / "spool", max_bytes=ROOMY)
    with (
        without_rights_to(reachable),
        pytest.raises(
            SpoolError,
            match=rf"^The spool cannot use {reachable}/spool: this user has no right to it\. "
            r"Choose a spool directory that",
        ),
    ):
        spool.write([operation(1)])


def test_what_waits_in_a_folder_that_became_read_only_can_still_be_read(reachable: Path) -> None:
    spool = Spool(reachable, max_bytes=ROOMY)
    spool.write([operation(1)])
    with without_rights_to(reachable):
        assert names_of(spool.read()) == ["1"]
        assert spool.status().files == 1
        assert spool.empty is False


# What is followed.


def test_a_link_in_place_of_the_root_is_refused(tmp_path: Path, root: Path, spool: Spool) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        SpoolError,
        match=rf"{root}: it is a symbolic link, or no folder\. Give the folder itself: links are "
        r"not followed",
    ):
        spool.write([operation(1)])


def test_a_link_in_place_of_a_destinations_folder_is_refused(
    tmp_path: Path, root: Path, spool: Spool
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    root.mkdir(mode=0o700)
    spool.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match="symbolic link"):
        spool.write([operation(1)])


def test_a_link_that_leads_nowhere_is_refused_too(tmp_path: Path, root: Path, spool: Spool) -> None:
    root.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SpoolError, match="symbolic link"):
        spool.write([operation(1)])


def test_a_file_in_place_of_the_root_is_refused(root: Path, spool: Spool) -> None:
    root.touch()
    with pytest.raises(SpoolError, match="no folder"):
        spool.write([operation(1)])


def test_links_among_the_bodies_are_not_seen(tmp_path: Path, spool: Spool) -> None:
    spool.write([operation(1)])
    (tmp_path / "secret").write_bytes(b"secret")
    (spool.folder / BODY).symlink_to(tmp_path / "secret")
    lease = leased(spool)
    assert names_of(lease.operations()) == ["1"]
    assert spool.empty is True
    assert spool.status().files == 1


def test_a_file_swapped_for_a_link_is_not_read(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (folder.path / BODY).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        folder.read(BODY)


def test_a_file_swapped_for_a_pipe_does_not_block_its_reader(folder: Folder) -> None:
    os.mkfifo(folder.path / BODY)
    with pytest.raises(PermissionError, match="no regular file of this user"):
        folder.read(BODY)


def test_a_temporary_file_is_never_written_through_a_link(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (folder.path / "temporary").symlink_to(tmp_path / "victim")
    with pytest.raises(SpoolError):
        folder.write("name", "temporary", b"content")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_folder_swapped_while_it_is_open_is_not_written_to(tmp_path: Path) -> None:
    with make_folder(tmp_path / "a") as folder:
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "a").mkdir()
        folder.write("name", "temporary", b"content")
    assert files_in(tmp_path) == ["b/name"]


# What is left behind.


def test_a_write_is_synced_then_renamed_and_then_its_folder_is_synced(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        calls.append("sync of the folder" if is_folder(descriptor) else "sync of the file")
        fsync(descriptor)

    def recorded_rename(name: str, new_name: str, **folders: int) -> None:
        calls.append("rename")
        rename(name, new_name, **folders)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    folder.write("name", "temporary", b"content")
    assert calls == ["sync of the file", "rename", "sync of the folder"]


def test_a_write_that_the_system_takes_in_pieces_is_whole(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    folder.write("name", "temporary", bytes(range(256)))
    assert (folder.path / "name").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("function", ["fchmod", "write", "fsync", "close", "rename"])
def test_a_write_that_fails_leaves_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    spool.write([operation(1)])
    before = files_in(spool.folder)
    with monkeypatch.context() as patched, make_folder(spool.folder) as folder:
        original = getattr(os, function)
        patched.setattr(os, function, failing(errno.EIO))
        with pytest.raises(
            SpoolError, match=f"{spool.folder}: Input/output error. Check the folder and its disk"
        ):
            folder.write(BODY, f"{BODY}.tmp", b"content")
        patched.setattr(os, function, original)
    assert files_in(spool.folder) == before


def test_a_write_whose_folder_cannot_be_synced_is_taken_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync_folders(monkeypatch, errno.EIO)
    with pytest.raises(SpoolError):
        folder.write("name", "temporary", b"content")
    assert files_in(folder.path) == []


def test_a_file_system_that_cannot_sync_folders_at_all_will_do(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync_folders(monkeypatch, errno.EINVAL)
    folder.write("name", "temporary", b"content")
    assert files_in(folder.path) == ["name"]


def test_an_interrupted_write_leaves_nothing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int, content: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.write("name", "temporary", b"content")
    assert files_in(folder.path) == []


def test_a_write_that_fails_and_cannot_be_cleared_away_tells_its_first_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    monkeypatch.setattr(os, "unlink", failing(errno.EIO))
    with pytest.raises(SpoolError, match="the disk is full"):
        folder.write("name", "temporary", b"content")


def test_a_real_limit_of_file_size_cuts_a_write_short_and_leaves_nothing(spool: Spool) -> None:
    spool.write([operation(1)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(
            SpoolError,
            match=r"the file would exceed the process's limit of file size\. Raise it "
            r"\(ulimit -f\)",
        ):
            spool.write(operations(*range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names_of(spool.read()) == ["1"]
    assert len(files_in(spool.folder)) == 1


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full. Free space, or choose a spool directory on another disk"),
        (
            errno.EDQUOT,
            (
                "this user's disk quota is used up. Free space, or choose a spool directory on "
                "another "
                "disk"
            ),
        ),
        (
            errno.EROFS,
            "the file system is read-only. Choose a spool directory that can be written to",
        ),
        (
            errno.EACCES,
            "this user has no right to it. Choose a spool directory that this user can write to",
        ),
        (errno.EIO, "Input/output error. Check the folder and its disk"),
    ],
)
def test_a_failed_write_says_where_what_and_what_to_do(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    spool.write([operation(1)])
    monkeypatch.setattr(os, "write", failing(number))
    with pytest.raises(SpoolError) as raised:
        spool.write([operation(2)])
    assert str(raised.value) == f"The spool cannot use {spool.folder}: {sentence}."


def test_no_descriptor_is_left_open(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.write([operation(1)])
    before = open_descriptors()
    spool.write([operation(2)])
    spool.reject([(operation(3), "refused")])
    lease = leased(spool)
    lease.replace([operation(4)])
    spool.recover(), spool.status(), list(spool.read()), spool.empty
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", failing(errno.ENOSPC))
        with pytest.raises(SpoolError):
            spool.write([operation(5)])
    spool.folder.chmod(0o777)
    with pytest.raises(SpoolError):
        spool.write([operation(6)])
    assert open_descriptors() == before


def test_no_descriptor_is_left_open_when_the_folder_cannot_be_described(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    with pytest.raises(SpoolError):
        spool.write([operation(1)])
    assert open_descriptors() == before


# What comes and goes.


def test_what_vanished_is_an_answer_and_no_error(folder: Folder) -> None:
    answers = (
        folder.status("a"),
        folder.rename("a", "b"),
        folder.remove("a"),
        folder.touch("a", 1),
        folder.find("a"),
    )
    assert answers == (None, False, False, False, None)


def test_a_folder_that_is_not_there_is_not_made_by_looking(root: Path, spool: Spool) -> None:
    answers = spool.lease(), spool.empty, list(spool.read()), spool.recover(), spool.status().files
    assert answers == (None, True, [], (0, 0), 0)
    assert not root.exists()


def test_a_folder_removed_by_hand_is_made_again(root: Path, spool: Spool) -> None:
    spool.write([operation(1)])
    subprocess.run(["rm", "-r", root], check=True)
    spool.write([operation(2)])
    assert names_of(spool.read()) == ["2"]


def test_a_folder_that_another_process_makes_first_is_used(
    root: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def late(path: str, mode: int, *, dir_fd: int | None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        mkdir(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", late)
    spool.write([operation(1)])
    assert names_of(spool.read()) == ["1"]


def test_a_folder_removed_as_soon_as_it_is_made_is_said(
    root: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "mkdir", lambda *_, **__: None)
    with pytest.raises(
        SpoolError,
        match=r"something removed it just after it was made\. Choose a spool directory of its own",
    ):
        spool.write([operation(1)])


def test_a_parent_that_cannot_be_synced_does_not_matter(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse_parents(
        path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        if flags == os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse_parents)
    with make_folder(root) as folder:
        assert folder.path == root


# Other systems.


def test_elsewhere_than_on_posix_a_spool_says_so(
    root: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_SUPPORTED", False)
    for use in (
        spool.lease,
        lambda: spool.write([operation(1)]),
        lambda: spool.write_ahead([operation(1)]),
        lambda: find_folder(root),
    ):
        with pytest.raises(SpoolError, match=r"it needs a POSIX system\. Switch the spool off"):
            use()


def test_the_package_imports_where_posix_names_are_missing() -> None:
    program = (
        "import os\n"
        "for name in ('geteuid', 'getuid', 'uname', 'fchmod', 'O_NOFOLLOW', 'O_DIRECTORY', "
        "'O_NONBLOCK', 'O_CLOEXEC'):\n"
        "    delattr(os, name)\n"
        "import otel_asayer.spool\n"
        "print(otel_asayer.spool.default_directory({}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "/tmp/otel-asayer-0\n"
