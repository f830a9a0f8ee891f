"""Who runs Elasticsearch: it refuses to run as root, so root lends it to a system user."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elasticsearch_server.errors import HarnessError

SYSTEM_USER = "otel-asayer-es"


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int

    def can_enter(self, path: Path) -> bool:
        """Whether the account may look into the folder, and into every folder above it."""
        folder = path.resolve()
        return all(self._may_search(step.stat()) for step in (folder, *folder.parents))

    def _may_search(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    @property
    def is_ours(self) -> bool:
        """Whether this process runs as this account already."""
        return self.uid == os.geteuid()

    def own(self, tree: Path) -> None:
        """Give a folder and all in it to the account."""
        if not self.is_ours:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, self.uid, self.gid)


def node_account() -> Account:
    """The account that nodes run as: a system user, created when missing, for root; else the
    present user.

    Raises:
        HarnessError: The system user is missing and cannot be created.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    return _system_user() or _create_system_user()


def present_account() -> Account:
    """The account that nodes will run as, as far as it is there already: nothing is created."""
    return (os.geteuid() == 0 and _system_user()) or Account(os.geteuid(), os.getegid())


def _system_user() -> Account | None:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _create_system_user() -> Account:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        SYSTEM_USER,
    ]
    try:
        complaint = subprocess.run(
            command, check=False, capture_output=True, text=True
        ).stderr.strip()
    except FileNotFoundError:
        complaint = "there is no useradd here"
    if account := _system_user():  # even after a complaint: another process may have been first
        return account
    raise HarnessError(
        f"Elasticsearch refuses to run as root, and the system user {SYSTEM_USER} could not be "
        f"created ({complaint}). "
        f"Create it yourself, or run the tests as another user."
    )
