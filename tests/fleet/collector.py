"""A real OpenTelemetry Collector: built once with its own builder, kept in the tests' cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from fleet.artifacts import cache, run_go
from fleet.servers import listening

from documentation import HOW_TO, blocks
from instrumented import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Endpoint

_MANIFEST: Final = Path(__file__).parent / "builder" / "builder.yaml"
_BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder@v0.156.0"


def collector() -> Path:
    """The Collector's binary, built when it is missing: that takes some minutes of two processors.

    Raises:
        HarnessError: there is no Go, or it cannot be built.
    """
    binary = cache() / f"otelcol-{hashlib.sha256(_MANIFEST.read_bytes()).hexdigest()[:10]}"
    if not binary.exists():
        with tempfile.TemporaryDirectory(dir=cache(), prefix="otelcol-") as folder:
            _build(Path(folder)).replace(binary)
    return binary


def _build(folder: Path) -> Path:
    shutil.copy(_MANIFEST, folder)
    run_go(folder, "run", _BUILDER, "--config", _MANIFEST.name)
    return folder / "build" / "otelcol"


_PAGE: Final = (HOW_TO / "fleet.md").read_text(encoding="utf-8")


@contextmanager
def collecting(server: Endpoint, api_key: str, namespace: str, folder: Path) -> Iterator[str]:
    """Run a Collector with the documentation's configuration; gives its endpoint for OTLP/HTTP.

    What differs: where it listens and writes to, and the namespace of its data streams.
    """
    port, storage = free_port(), folder / "collector"
    storage.mkdir()
    _, settings = map(yaml.safe_load, blocks(_PAGE, "yaml"))
    settings["receivers"]["otlp"]["protocols"] = {"http": {"endpoint": f"127.0.0.1:{port}"}}
    settings["exporters"]["elasticsearch"]["endpoints"] = [server.url]
    settings["extensions"]["file_storage"]["directory"] = str(storage)
    statements = [f'set(resource.attributes["data_stream.namespace"], "{namespace}")']
    settings["processors"]["transform"] = dict.fromkeys(
        ("trace_statements", "log_statements"), statements
    )
    for pipeline in settings["service"]["pipelines"].values():
        pipeline["processors"].append("transform")
    settings["service"]["telemetry"] = {"metrics": {"level": "none"}}
    file = folder / "collector.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [str(collector()), "--config", str(file)]
    environment = {**os.environ, "COLLECTOR_API_KEY": api_key}
    with listening(command, port, folder / "collector.log", environment):
        yield f"http://127.0.0.1:{port}"
