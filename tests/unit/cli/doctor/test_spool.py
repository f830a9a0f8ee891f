"""What the doctor says about the spool."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.spool import check_disk, check_spool
from otel_asayer.documents import Operation
from otel_asayer.spool import Spool, configured_spool
from unit.cli.doctor.support import config, short, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from otel_asayer.config import Config

OPERATION = Operation(
    b'{"create":{"_index":"traces-generic.otel-default","_id":"a"}}\n{"name":"GET /a"}\n'
)


class Usage(NamedTuple):
    free: int


def settings(folder: Path, **more: Any) -> Config:
    return config(spool="on_failure", spool_directory=str(folder), **more)


def test_an_empty_spool_is_well(tmp_path: Path) -> None:
    assert short(check_spool(settings(tmp_path))) == [
        ("ok", f"0 documents waiting in {tmp_path} (0.0 of 268 MB)")
    ]


def test_without_an_endpoint_it_is_the_store(tmp_path: Path) -> None:
    local = settings(tmp_path, endpoint="")
    spool = configured_spool(local)
    assert spool
    spool.write([OPERATION])
    assert short(check_spool(local))[0][1].startswith(f"1 document kept in {tmp_path}")


def test_what_was_kept_without_an_endpoint_waits_for_someone_to_send_it(tmp_path: Path) -> None:
    local = configured_spool(settings(tmp_path, endpoint=""))
    assert local
    local.write([OPERATION])
    assert list(check_spool(settings(tmp_path))) == [
        CheckResult(
            Status.WARNING,
            f"1 document in {tmp_path}/local, kept while no Elasticsearch was configured",
            "otel-asayer spool drain sends them",
        )
    ]


def other(folder: Path) -> Spool:
    spool = configured_spool(settings(folder, endpoint="http://127.0.0.1:8"))
    assert spool
    spool.write([OPERATION])
    return spool


def test_what_waits_for_another_elasticsearch_may_be_another_applications(tmp_path: Path) -> None:
    other(tmp_path)
    assert statuses(check_spool(settings(tmp_path))) == [Status.OK]


def test_what_waits_for_another_elasticsearch_for_long_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = other(tmp_path)
    real = Spool.status
    monkeypatch.setattr(Spool, "status", lambda one: real(one)._replace(oldest_seconds=3600.0))
    assert short(check_spool(settings(tmp_path, endpoint=""))) == [
        (
            "warning",
            (
                f"1 document in {spool.folder} for http://127.0.0.1:8, which is not what is "
                "configured"
            ),
        )
    ]


def test_what_was_kept_is_seen_without_a_spool(tmp_path: Path) -> None:
    local = configured_spool(settings(tmp_path, endpoint=""))
    assert local
    local.write([OPERATION])
    without = config(spool="off", spool_directory=str(tmp_path))
    assert statuses(check_spool(without)) == [Status.SKIPPED, Status.WARNING]


def test_what_was_refused_or_damaged_is_a_problem(tmp_path: Path) -> None:
    spool = configured_spool(settings(tmp_path))
    assert spool
    spool.reject([(OPERATION, "because")])
    (result,) = check_spool(settings(tmp_path))
    assert result.status == Status.PROBLEM
    assert result.detail == "Elasticsearch refused 1 document for good"


def status(monkeypatch: pytest.MonkeyPatch, folder: Path, **changed: Any) -> list[tuple[str, str]]:
    real = configured_spool(settings(folder))
    assert real
    found = real.status()._replace(**changed)
    monkeypatch.setattr(type(real), "status", lambda _: found)
    return short(check_spool(settings(folder)))


def test_damaged_files_are_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert status(monkeypatch, tmp_path, damaged_files=2) == [
        ("problem", "2 files cannot be read any more")
    ]


def test_what_waits_for_long_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert status(monkeypatch, tmp_path, documents=7, oldest_seconds=3600.0) == [
        ("warning", "7 documents waiting, the oldest for 60 min")
    ]


def test_a_spool_that_is_nearly_full_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert status(monkeypatch, tmp_path, bytes=250_000_000) == [
        (
            "warning",
            "It is nearly full (250 of 268 MB); when it is full, the oldest documents are evicted",
        )
    ]


@pytest.mark.parametrize(
    ("endpoint", "result"), [("http://127.0.0.1:9", Status.SKIPPED), ("", Status.PROBLEM)]
)
def test_without_a_spool_there_has_to_be_an_endpoint(
    tmp_path: Path, endpoint: str, result: Status
) -> None:
    found = check_spool(config(spool="off", endpoint=endpoint, spool_directory=str(tmp_path)))
    assert statuses(found) == [result]


def test_a_disk_with_room_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12))
    assert short(check_disk(settings(tmp_path / "not" / "yet"))) == [("ok", "1000000 MB are free")]


def test_a_disk_that_is_smaller_than_the_spool_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6))
    assert short(check_disk(settings(tmp_path))) == [
        ("warning", "1 MB are free, and the spool may take 268")
    ]


def test_a_folder_of_somebody_else_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert short(check_disk(settings(tmp_path))) == [
        ("problem", f"{tmp_path} cannot be written by this user")
    ]


def test_without_a_spool_the_disk_does_not_matter() -> None:
    assert statuses(check_disk(config(spool="off"))) == [Status.SKIPPED]
