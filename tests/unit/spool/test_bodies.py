"""The content of a file, whole and damaged."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest

from otel_asayer import compression
from otel_asayer.compression import gzip_of
from otel_asayer.spool import bodies
from otel_asayer.spool.bodies import DamagedBodyError, operations_of, salvage
from unit.spool.support import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = operations("first", "second", "third")


@pytest.fixture(params=["zlib", "isal"])
def compressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    compression._open.cache_clear()
    yield gzip_of(WHOLE)
    compression._open.cache_clear()


def read(content: bytes) -> tuple[list[bytes], str]:
    return salvage(io.BytesIO(content))


def test_a_body_comes_back_as_it_was(compressed: bytes) -> None:
    assert read(compressed) == (WHOLE, "")


def test_gunzip_reads_a_body(compressed: bytes) -> None:
    assert subprocess.run(["gzip", "-dc"], input=compressed, capture_output=True, check=True).stdout == b"".join(WHOLE)


def test_the_same_operations_make_the_same_bytes(compressed: bytes) -> None:
    assert gzip_of(WHOLE) == compressed


def test_bodies_that_a_human_joined_come_back_as_one() -> None:
    assert read(gzip_of(WHOLE[:1]) + gzip_of(WHOLE[1:])) == (WHOLE, "")


def test_of_a_body_cut_short_anywhere_come_the_first_operations_and_a_complaint(compressed: bytes) -> None:
    for end in range(1, len(compressed)):
        found, complaint = read(compressed[:end])
        assert found == WHOLE[: len(found)]
        assert bool(complaint) is True


def test_of_a_body_without_its_trailer_come_all_operations(compressed: bytes) -> None:
    assert read(compressed[:-8]) == (WHOLE, "Compressed file ended before the end-of-stream marker was reached")


def test_of_a_body_with_any_bit_turned_come_only_whole_operations_and_no_error(compressed: bytes) -> None:
    for position in range(len(compressed) * 8):
        damaged = bytearray(compressed)
        damaged[position // 8] ^= 1 << position % 8
        found, _ = read(bytes(damaged))
        assert all(isinstance(json.loads(line), dict) for operation in found for line in operation.splitlines())


def test_a_turned_bit_that_keeps_the_shape_is_found_by_the_checksum() -> None:
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    content = bytearray(stored.compress(b"".join(WHOLE)) + stored.flush())
    content[content.index(b"second")] ^= 1
    found, complaint = read(bytes(content))
    assert len(found) == 3
    assert complaint[:16] == "CRC check failed"


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
def test_an_empty_file_is_damaged(content: bytes) -> None:
    assert read(content) == ([], "it is empty")


def test_what_is_no_gzip_has_no_operation() -> None:
    assert read(b"".join(WHOLE)) == ([], "Not a gzipped file (b'{\"')")


def test_a_body_with_something_behind_it_is_read_to_its_end() -> None:
    found, complaint = read(gzip_of(WHOLE) + b"more")
    assert found == WHOLE
    assert complaint == "Not a gzipped file (b'mo')"


@pytest.mark.parametrize("foreign", [b'{"create":{}}\n', b"\n\n", b'{"create":{}}\n{"a":1}', b'{"create":{}}\n[1]\n', b"a\nb\n"])
def test_what_follows_something_else_than_pairs_of_json_lines_is_not_read(foreign: bytes) -> None:
    found, complaint = read(gzip.compress(b"".join(WHOLE) + foreign + b"".join(WHOLE[:1]) * 2))
    assert found[:3] == WHOLE
    assert complaint == "it holds something else than pairs of JSON lines"


def test_a_line_longer_than_any_request_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_LONGEST_LINE", 100)
    endless = gzip.compress(b"".join(WHOLE[:1]) + b'{"' + b"a" * 1000 + b'"}\n{}\n')
    assert read(endless) == (WHOLE[:1], "it holds something else than pairs of JSON lines")


def test_a_line_nested_too_deeply_is_no_operation_of_a_damaged_body() -> None:
    deep = b'{"create":{}}\n{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    assert read(gzip.compress(b"".join(WHOLE) + deep)[:-1])[0] == WHOLE


def test_operations_are_read_one_by_one() -> None:
    stream = operations_of(io.BytesIO(gzip_of(WHOLE)[:-4]))
    assert [next(stream), next(stream), next(stream)] == WHOLE
    with pytest.raises(DamagedBodyError):
        next(stream)
