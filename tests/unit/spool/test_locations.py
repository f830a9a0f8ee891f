"""Where a spool lies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from otel_asayer.spool import (
    LOCAL,
    Destination,
    Spool,
    SpoolError,
    default_directory,
    destinations,
)
from otel_asayer.spool.directory import Folder
from unit.spool.support import ROOMY, failing, operation


def spool_for(root: Path, *endpoints: str) -> Spool:
    return Spool(root, Destination.of(endpoints), max_bytes=ROOMY)


# Destinations.


def test_without_endpoints_the_folder_is_local() -> None:
    assert Destination.of([]).folder == "local"
    assert Destination.of(()) == LOCAL


def test_a_destinations_folder_is_the_hash_of_its_endpoints() -> None:
    assert Destination.of(["https://es:9200"]).folder == "d56e15c5c5b72c1c"


def test_the_order_of_endpoints_does_not_matter() -> None:
    assert (
        Destination.of(["https://b:9200", "https://a:9200"]).folder
        == Destination.of(["https://a:9200", "https://b:9200"]).folder
    )


def test_other_endpoints_have_another_folder() -> None:
    assert (
        Destination.of(["https://a:9200"]).folder
        != Destination.of(["https://a:9200", "https://b:9200"]).folder
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://alice:secret@es:9200",
        "https://alice:se@cret@es:9200",
        "https://alice:se/cret@es:9200",
        "https://es:9200?key=secret",
        "https://es:9200#secret",
    ],
)
def test_credentials_are_no_part_of_a_destination(endpoint: str) -> None:
    assert Destination.of([endpoint]) == Destination.of(["https://es:9200"])


def test_no_credential_is_written_anywhere(root: Path) -> None:
    spool_for(root, "https://alice:secret@es:9200?key=secret").write([operation(1)])
    written = b"".join(
        path.read_bytes() + str(path).encode() for path in root.rglob("*") if path.is_file()
    )
    assert b"secret" not in written


def test_a_folder_tells_humans_its_endpoints_and_how_to_send_a_file(root: Path) -> None:
    spool = spool_for(root, "https://b:9200", "https://a:9200")
    spool.write([operation(1)])
    text = (spool.folder / "destination.txt").read_text()
    assert text.splitlines() == [
        "# Request bodies of otel-asayer that wait for delivery, the oldest name first.",
        "# Each .ndjson.gz file is the body of one bulk request. To send one by hand:",
        "#   gunzip -c FILE | curl -H 'content-type: application/x-ndjson' --data-binary @- \\",
        "#     'URL/_bulk?require_data_stream=true'",
        "# rejected/ holds what was refused for good, with the reasons beside it; damaged/ what",
        "# could not be read.",
        "https://a:9200",
        "https://b:9200",
    ]


def test_the_local_folder_tells_humans_that_it_is_the_store(root: Path) -> None:
    spool_for(root).write([operation(1)])
    assert (root / "local" / "destination.txt").read_text().splitlines()[-1] == (
        "# No destination is configured: what is here stays until someone sends it."
    )


def test_all_destinations_of_a_root_are_known(root: Path) -> None:
    spool_for(root).write([operation(1)])
    spool_for(root, "https://b:9200", "https://a:9200").write([operation(1)])
    (root / "something else").mkdir()
    assert destinations(root) == sorted(
        [LOCAL, Destination.of(["https://a:9200", "https://b:9200"])]
    )


def test_a_root_that_is_not_there_has_no_destinations(root: Path) -> None:
    assert destinations(root) == []
    assert not root.exists()


def test_a_folder_without_its_description_is_still_a_destination(root: Path) -> None:
    spool = spool_for(root, "https://a:9200")
    spool.write([operation(1)])
    (spool.folder / "destination.txt").unlink()
    assert destinations(root) == [Destination(Destination.of(["https://a:9200"]).folder)]


def test_a_destination_removed_while_they_are_listed_has_no_endpoints(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool_for(root, "https://a:9200").write([operation(1)])
    monkeypatch.setattr(Folder, "find", lambda *_: None)
    assert destinations(root) == [Destination(Destination.of(["https://a:9200"]).folder)]


def test_a_description_that_is_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    spool = spool_for(root, "https://a:9200")
    spool.write([operation(1)])
    (tmp_path / "secret").write_text("secret\n")
    (spool.folder / "destination.txt").unlink()
    (spool.folder / "destination.txt").symlink_to(tmp_path / "secret")
    assert destinations(root) == [Destination(Destination.of(["https://a:9200"]).folder)]


def test_destinations_of_a_link_are_refused(root: Path, tmp_path: Path) -> None:
    root.symlink_to(tmp_path)
    with pytest.raises(SpoolError, match="links are not followed"):
        destinations(root)


# The default directory.

TEMPORARY = Path(f"/tmp/otel-asayer-{os.geteuid()}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_the_state_directory_is_preferred(tmp_path: Path, home: Path) -> None:
    environ = {"XDG_STATE_HOME": f"{tmp_path}/state", "HOME": str(home)}
    assert default_directory(environ) == tmp_path / "state" / "otel-asayer" / "spool"


def test_the_default_is_below_home(home: Path) -> None:
    assert (
        default_directory({"HOME": str(home)})
        == home / ".local" / "state" / "otel-asayer" / "spool"
    )


def test_choosing_a_directory_makes_none(tmp_path: Path, home: Path) -> None:
    default_directory({"XDG_STATE_HOME": f"{tmp_path}/state", "HOME": str(home)})
    assert list(home.iterdir()) == []
    assert sorted(tmp_path.iterdir()) == [home]


def test_a_relative_state_directory_is_ignored(home: Path) -> None:
    assert (
        default_directory({"XDG_STATE_HOME": "state", "HOME": str(home)})
        == home / ".local" / "state" / "otel-asayer" / "spool"
    )


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HOME": ""},
        {"HOME": "/nonexistent"},
        {"HOME": "home"},
        {"XDG_STATE_HOME": "/dev/null/state"},
        {"TMPDIR": "/dev/null"},
    ],
)
def test_without_a_usable_home_the_default_is_temporary(environ: dict[str, str]) -> None:
    assert default_directory(environ) == TEMPORARY


def test_the_temporary_directory_of_the_environment_is_used(tmp_path: Path) -> None:
    assert default_directory({"TMPDIR": str(tmp_path)}) == tmp_path / TEMPORARY.name


def test_another_users_home_is_left_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    us = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: us)
    assert default_directory({"HOME": str(home)}) == Path(f"/tmp/otel-asayer-{us}")


def test_a_home_that_cannot_be_written_to_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode, **options: access(path, mode, **options) and Path(path) != home,
    )
    assert default_directory({"HOME": str(home)}) == TEMPORARY


def test_a_home_that_cannot_be_looked_at_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", failing(errno.EACCES))
    assert default_directory({"HOME": str(home)}) == TEMPORARY


def test_a_directory_that_is_there_and_ours_is_used(home: Path) -> None:
    spool = home / ".local" / "state" / "otel-asayer" / "spool"
    spool.mkdir(parents=True)
    assert default_directory({"HOME": str(home)}) == spool


def test_a_link_in_place_of_the_directory_is_passed_over(home: Path, tmp_path: Path) -> None:
    (home / ".local" / "state" / "otel-asayer").mkdir(parents=True)
    (home / ".local" / "state" / "otel-asayer" / "spool").symlink_to(tmp_path)
    assert default_directory({"HOME": str(home)}) == TEMPORARY


def test_a_file_in_the_way_is_passed_over(home: Path) -> None:
    (home / ".local").touch()
    assert default_directory({"HOME": str(home)}) == TEMPORARY
