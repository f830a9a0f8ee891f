"""Checks on the spool and its disk. Without Elasticsearch, the spool is the local store."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, skipped, warning
from otel_asayer.cli.output import counted
from otel_asayer.spool import LOCAL, Spool, SpoolStatus, configured_spool, destinations, spool_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.config import Config

__all__ = ["check_disk", "check_spool"]

_LONG_SECONDS: Final = 600
"""An outage that lasts longer is not a short one."""
_NEARLY_FULL: Final = 0.8
_MB: Final = 1e6


def check_spool(config: Config) -> Iterator[CheckResult]:
    """Check what waits, for how long, and what will never be delivered."""
    spool = configured_spool(config)
    if spool is None:
        yield _without_spool(config)
        yield from _elsewhere(config, None)
        return
    status = spool.status()
    found = [*_lost(status, config), *_waiting(status, config), *_elsewhere(config, spool)]
    kept = (
        f"{counted(status.documents, 'document')} {'waiting' if config.has_destination else 'kept'}"
    )
    yield from found or [
        ok(
            f"{kept} in {spool_root(config)} ({status.bytes / _MB:.1f} of "
            f"{config.spool_max_bytes / _MB:.0f} MB)"
        )
    ]


def _elsewhere(config: Config, spool: Spool | None) -> Iterator[CheckResult]:
    """Report documents that no process sends with these settings.

    They were kept while no Elasticsearch was configured, or wait for another one. What waits there
    for a short time may belong to another application.
    """
    for destination in destinations(spool_root(config)):
        other = Spool.from_config(config, destination)
        if spool is not None and other.folder == spool.folder:
            continue
        status = other.status()
        waiting = counted(status.documents, "document")
        if destination == LOCAL and status.documents:
            yield warning(
                f"{waiting} in {other.folder}, kept while no Elasticsearch was configured",
                "otel-asayer spool drain sends them",
            )
        elif status.documents and (status.oldest_seconds or 0) > _LONG_SECONDS:
            yield warning(
                f"{waiting} in {other.folder} for {', '.join(destination.endpoints)}, which is not "
                "what is configured",
                "otel-asayer spool drain sends them, with the variables of that Elasticsearch",
            )


def _without_spool(config: Config) -> CheckResult:
    if config.has_destination:
        return skipped(
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL is off: an outage of more than a few seconds loses "
            "telemetry"
        )
    return problem(
        "Everything is lost: no Elasticsearch is configured, and OTEL_EXPORTER_ELASTICSEARCH_SPOOL "
        "is off",
        "Set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or unset OTEL_EXPORTER_ELASTICSEARCH_SPOOL",
    )


def _lost(status: SpoolStatus, config: Config) -> Iterator[CheckResult]:
    folder = spool_root(config)
    if status.rejected_documents:
        refused = counted(status.rejected_documents, "document")
        yield problem(
            f"Elasticsearch refused {refused} for good",
            f"See the reasons in rejected/ in {folder}",
        )
    if status.damaged_files:
        yield problem(
            f"{counted(status.damaged_files, 'file')} cannot be read any more",
            f"See damaged/ in {folder}",
        )


def _waiting(status: SpoolStatus, config: Config) -> Iterator[CheckResult]:
    if config.has_destination and (status.oldest_seconds or 0) > _LONG_SECONDS:
        waiting, minutes = counted(status.documents, "document"), (status.oldest_seconds or 0) / 60
        yield warning(
            f"{waiting} waiting, the oldest for {minutes:.0f} min",
            "otel-asayer spool drain sends them, and says what is in the way",
        )
    if status.bytes > _NEARLY_FULL * config.spool_max_bytes:
        remedy = (
            "Raise OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES, or send its documents: otel-asayer "
            "spool drain"
        )
        yield warning(
            f"It is nearly full ({status.bytes / _MB:.0f} of {config.spool_max_bytes / _MB:.0f} "
            f"MB); when it is full, the oldest documents are evicted",
            remedy,
        )


def check_disk(config: Config) -> Iterator[CheckResult]:
    """Check that the spool can be written to, and can grow to its full size."""
    if config.spool == "off":
        yield skipped("OTEL_EXPORTER_ELASTICSEARCH_SPOOL is off")
        return
    root = spool_root(config)
    nearest = _nearest(root)
    free = shutil.disk_usage(nearest).free
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield problem(
            f"{root} cannot be written by this user",
            "Set OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY to a folder that can",
        )
    elif free < config.spool_max_bytes:
        yield warning(
            f"{free / _MB:.0f} MB are free, and the spool may take "
            f"{config.spool_max_bytes / _MB:.0f}",
            "Free disk space, or lower the spool's maximum size",
        )
    else:
        yield ok(f"{free / _MB:.0f} MB are free")


def _nearest(path: Path) -> Path:
    """This folder, or the nearest one above that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
