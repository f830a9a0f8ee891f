"""The content of a file, whole and damaged."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from otel_asayer.elasticsearch import compression
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool import bodies
from otel_asayer.spool.bodies import DamagedBodyError, operations_of, readable_operations
from unit.spool.support import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.documents import Operation

WHOLE = operations("first", "second", "third")


@pytest.fixture(params=["zlib", "isal"])
def compressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    compression._open.cache_clear()
    yield gzip_of(WHOLE)
    compression._open.cache_clear()


def read(content: bytes) -> tuple[list[Operation], str]:
    operations, error = readable_operations(io.BytesIO(content))
    return operations, str(error or "")


def test_a_body_comes_back_as_it_was(compressed: bytes) -> None:
    assert read(compressed) == (WHOLE, "")


def test_gunzip_reads_a_body(compressed: bytes) -> None:
    assert subprocess.run(
        ["gzip", "-dc"], input=compressed, capture_output=True, check=True
    ).stdout == b"".join(WHOLE)


def test_the_same_operations_make_the_same_bytes(compressed: bytes) -> None:
    assert gzip_of(WHOLE) == compressed


def test_bodies_that_a_human_joined_come_back_as_one() -> None:
    assert read(gzip_of(WHOLE[:1]) + gzip_of(WHOLE[1:])) == (WHOLE, "")


def test_of_a_body_cut_short_anywhere_come_the_first_operations_and_a_complaint(
    compressed: bytes,
) -> None:
    for end in range(1, len(compressed)):
        found, complaint = read(compressed[:end])
        assert found == WHOLE[: len(found)]
        assert bool(complaint) is True


def test_of_a_body_without_its_trailer_come_all_operations(compressed: bytes) -> None:
    assert read(compressed[:-8]) == (
        WHOLE,
        "Compressed file ended before the end-of-stream marker was reached",
    )


def test_of_a_body_with_any_bit_turned_come_only_whole_operations_and_no_error(
    compressed: bytes,
) -> None:
    for position in range(len(compressed) * 8):
        damaged = bytearray(compressed)
        damaged[position // 8] ^= 1 << position % 8
        found, _ = read(bytes(damaged))
        assert all(
            isinstance(json.loads(line), dict)
            for operation in found
            for line in operation.splitlines()
        )


def test_a_turned_bit_that_keeps_the_shape_is_found_by_the_checksum() -> None:
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    content = bytearray(stored.compress(b"".join(WHOLE)) + stored.flush())
    content[content.index(b"second")] ^= 1
    found, complaint = read(bytes(content))
    assert len(found) == 3
    assert complaint[:16] == "CRC check failed"


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_damaged(content: bytes) -> None:
    assert read(content) == ([], "it is empty")


def test_what_is_no_gzip_has_no_operation() -> None:
    assert read(b"".join(WHOLE)) == ([], "Not a gzipped file (b'{\"')")


def test_a_body_with_something_behind_it_is_read_to_its_end() -> None:
    found, complaint = read(gzip_of(WHOLE) + b"more")
    assert found == WHOLE
    assert complaint == "Not a gzipped file (b'mo')"


@pytest.mark.parametrize("document", [b"\n", b"[1]\n", b"b\n"])
def test_what_follows_a_document_that_is_no_json_line_is_not_read(document: bytes) -> None:
    found, complaint = read(
        gzip.compress(b"".join(WHOLE) + ACTION + document + b"".join(WHOLE[:1]) * 2)
    )
    assert found[:3] == WHOLE
    assert complaint == "it holds something else than pairs of JSON lines"


ACTION = b'{"create":{"_index":"logs-generic.otel-default","_id":"a"}}\n'
FORGED = [
    b'{"delete":{"_index":"accounts","_id":"1"}}\n',
    b'{"delete":{"_index":"logs-generic.otel-default","_id":"1"}}\n',
    b'{"index":{"_index":"logs-generic.otel-default","_id":"1"}}\n{"a":1}\n',
    b'{"update":{"_index":"logs-generic.otel-default","_id":"1"}}\n{"doc":{"a":1}}\n',
    b'{"create":{"_index":"accounts","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":".security","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"metrics-generic.otel-default","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"<logs-generic-{now/d}>","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default::failures","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","_id":"1","pipeline":"theirs"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","_id":"1","routing":"theirs"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","require_data_stream":false,"_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"asayer-logs-default","pipeline":"theirs","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","_index":"accounts","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","_id":"1"},"delete":{"_index":"accounts","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"_index":"logs-generic-default","_id":"1"}} \n{"a":1}\n',
    b' {"create":{"_index":"logs-generic-default","_id":"1"}}\n{"a":1}\n',
    b'{"create":{"\\u005findex":"accounts","_id":"1"}}\n{"a":1}\n',
    b'{"create":{}}\n{"a":1}\n',
    b"\n\n",
    b"a\nb\n",
]


@pytest.mark.parametrize("forged", FORGED)
def test_an_action_that_this_program_does_not_write_is_left_out_and_the_others_are_read(
    forged: bytes,
) -> None:
    found, complaint = read(gzip.compress(b"".join(WHOLE[:1]) + forged + b"".join(WHOLE[1:])))
    assert found == WHOLE
    assert "nothing that this program writes" in complaint


@pytest.mark.parametrize(
    "index",
    [
        b'"traces-shop.otel-default","_id":"1"',
        b'"logs-shop.otel-team-one","_id":"1"',
        b'"logs-shop.otel-\xc3\xa4rger","_id":"1r"',
        b'"asayer-logs-default","_id":"1r"',
        b'"asayer-logs-default-2026.11.24","pipeline":"asayer-replay","require_data_stream":false,"_id":"0-1r"',
    ],
)
def test_every_form_of_action_that_this_program_writes_is_read(index: bytes) -> None:
    operation = b'{"create":{"_index":%b}}\n{"a":1}\n' % index
    assert read(gzip_of([operation])) == ([operation], "")


def test_a_file_that_decompresses_to_a_hundred_times_its_size_is_read_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_MAX_BYTES_OF_A_SMALL_BODY", 10_000)
    bomb = gzip.compress(b"".join(WHOLE) + (ACTION + b'{"a":"%b"}\n' % (b"a" * 1000)) * 1000)
    found, complaint = read(bomb)
    assert sum(map(len, found)) <= max(10_000, 100 * len(bomb))
    assert found[:3] == WHOLE
    assert complaint == "it decompresses to more than any body holds"


def test_a_line_without_an_end_is_read_to_the_same_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_MAX_BYTES_OF_A_SMALL_BODY", 1000)
    monkeypatch.setattr(bodies, "_MAX_RATIO", 1)
    endless = gzip.compress(b"".join(WHOLE[:1]) + ACTION + b'{"' + b"a" * 100_000 + b'"}\n')
    assert read(endless) == (WHOLE[:1], "it decompresses to more than any body holds")


def test_a_bomb_of_half_a_megabyte_takes_little_memory() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    pieces = [compressor.compress(ACTION + b'{"a":"')]
    pieces += [compressor.compress(b"a" * 1_000_000) for _ in range(550)]
    bomb = b"".join([*pieces, compressor.compress(b'"}\n'), compressor.flush()])
    assert 500_000 < len(bomb) < 700_000
    tracemalloc.start()
    try:
        assert read(bomb)[0] == []
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


def test_a_line_nested_too_deeply_is_no_operation_of_a_damaged_body() -> None:
    deep = ACTION + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    assert read(gzip.compress(b"".join(WHOLE) + deep)[:-1])[0] == WHOLE


def test_operations_are_read_one_by_one() -> None:
    stream = operations_of(io.BytesIO(gzip_of(WHOLE)[:-4]))
    assert [next(stream), next(stream), next(stream)] == WHOLE
    with pytest.raises(DamagedBodyError):
        next(stream)
