"""The form of a spool on the disk: a folder that an older version wrote is read whole.

The code at commit 9e3902e wrote `tests/golden/spool-9e3902e`. `waiting.txt` and `rejected.txt`
there hold the operations that it wrote. Never write that folder anew: it proves that an upgrade
loses nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from otel_asayer.spool import Destination, Recovered, Spool, destinations
from unit.spool.support import ROOMY

GOLDEN = Path(__file__).parents[2] / "golden" / "spool-9e3902e"
DESTINATION = Destination.of(["https://elasticsearch.example:9200"])


@pytest.fixture
def older(tmp_path: Path) -> Spool:
    """A spool in a copy of the older version's folder, whose files are of long ago."""
    root = tmp_path / "spool"
    shutil.copytree(GOLDEN, root)
    for path in (root, *root.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (0, 0))
    return Spool(root, DESTINATION, max_bytes=ROOMY)


def test_the_folder_is_found_by_its_endpoints(older: Spool) -> None:
    assert older.folder.is_dir()


def test_the_endpoints_are_read_from_the_description(older: Spool) -> None:
    assert destinations(older.folder.parent) == [DESTINATION]


def test_all_that_waits_is_read_a_leased_body_included(older: Spool) -> None:
    assert b"".join(older.read()) == (GOLDEN / "waiting.txt").read_bytes()


def test_what_was_refused_is_read(older: Spool) -> None:
    assert b"".join(older.read(rejected=True)) == (GOLDEN / "rejected.txt").read_bytes()


def test_a_lease_of_the_older_version_and_its_half_written_file_are_recovered(older: Spool) -> None:
    assert older.recover() == Recovered(bodies=1, temporary_files=1)


def test_all_that_waits_is_leased_and_delivered(older: Spool) -> None:
    older.recover()
    delivered = []
    while lease := older.lease():
        delivered += lease.operations()
        lease.done()
    assert b"".join(delivered) == (GOLDEN / "waiting.txt").read_bytes()


def test_all_is_counted(older: Spool) -> None:
    status = older.status()
    assert (status.files, status.documents, status.leased_files) == (3, 11, 1)
    assert (status.rejected_files, status.rejected_documents, status.damaged_files) == (1, 2, 1)
