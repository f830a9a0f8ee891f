"""The checkpoint: one file for each destination and slice, and never the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_asayer.bridge.checkpoint import Checkpoint
from otel_asayer.bridge.queries import Slice
from otel_asayer.config import Config
from otel_asayer.spool import SpoolError, destinations

if TYPE_CHECKING:
    from pathlib import Path


def checkpoint(folder: Path, endpoint: str = "http://es:9200", part: Slice = Slice()) -> Checkpoint:  # noqa: B008
    return Checkpoint(
        Config.from_environment({}, endpoint=endpoint, spool_directory=str(folder)), part
    )


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert checkpoint(tmp_path / "spool").read() is None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    checkpoint(tmp_path).write(17)
    checkpoint(tmp_path).write(18)
    assert checkpoint(tmp_path).read() == 18


@pytest.mark.parametrize(
    "other", [{"endpoint": "http://other:9200"}, {"part": Slice(1, 2)}, {"part": Slice(2, 2)}]
)
def test_each_destination_and_slice_has_its_own(
    tmp_path: Path, other: dict[str, str | Slice]
) -> None:
    checkpoint(tmp_path).write(17)
    assert checkpoint(tmp_path, **other).read() is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"until_ns": "7"}',
        b'{"until_ns": true}',
        b'{"until_ns": -1}',
        b'{"until_ns": 1e9}',
        b'{"until_ns": 99999999999999999999}',
        b"\xff",
    ],
)
def test_one_that_makes_no_sense_is_told(tmp_path: Path, content: bytes) -> None:
    one = checkpoint(tmp_path)
    one.write(17)
    one.path.write_bytes(content)
    with pytest.raises(SpoolError, match="cannot be read"):
        one.read()


def test_the_spool_takes_it_for_no_destination(tmp_path: Path) -> None:
    checkpoint(tmp_path).write(17)
    assert destinations(tmp_path) == []
