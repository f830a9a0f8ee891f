"""Compressed bodies: the same bytes come out, with isal and without."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from otel_asayer.elasticsearch import compression

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["isal", "zlib"])
def _compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    compression._open.cache_clear()
    yield
    compression._open.cache_clear()


@pytest.mark.usefixtures("_compressor")
@pytest.mark.parametrize("number", [0, 1, 31, 32, 33, 1000])
def test_what_was_compressed_comes_out_again(number: int) -> None:
    pieces = [b'{"n":%d}\n' % position for position in range(number)]
    assert gzip.decompress(compression.gzip_of(pieces)) == b"".join(pieces)


@pytest.mark.usefixtures("_compressor")
def test_alike_documents_become_small() -> None:
    pieces = [
        b'{"create":{"_index":"traces-generic.otel-default","_id":"%d"}}\n{"name":"GET /cart"}\n'
        % position
        for position in range(500)
    ]
    assert len(compression.gzip_of(pieces)) < sum(map(len, pieces)) / 8
