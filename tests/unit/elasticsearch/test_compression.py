"""Compressed bodies: the same bytes come out, with isal and without."""

from __future__ import annotations

import gzip
import sys
from importlib.metadata import requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

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


SERVER = {
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "python_version": "3.13",
    "sys_platform": "linux",
}


def asks_for_isal(environment: dict[str, str]) -> bool:
    requirements = map(Requirement, requires("otel-asayer") or ())
    return any(
        one.marker is not None and one.marker.evaluate({"extra": "", **environment})
        for one in requirements
        if one.name == "isal"
    )


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"python_version": "3.10"},
        {"platform_machine": "aarch64"},
        {"sys_platform": "darwin"},
        {"sys_platform": "darwin", "platform_machine": "arm64", "python_version": "3.14"},
        {"sys_platform": "win32", "platform_machine": "AMD64"},
    ],
    ids=str,
)
def test_isal_comes_along_where_it_has_wheels(other: dict[str, str]) -> None:
    assert asks_for_isal(SERVER | other)


@pytest.mark.parametrize(
    "other",
    [
        {"platform_machine": "ppc64le"},
        {"platform_machine": "armv7l"},
        {"implementation_name": "pypy"},
        {"python_version": "3.15"},
        {"sys_platform": "darwin", "python_version": "3.14"},
        {"sys_platform": "win32", "platform_machine": "ARM64"},
    ],
    ids=str,
)
def test_an_installation_never_needs_a_compiler_for_isal(other: dict[str, str]) -> None:
    assert not asks_for_isal(SERVER | other)
