"""A real OpenTelemetry Collector: built once with its own builder, kept in the tests' cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fleet.artifacts import cache, run_go
from fleet.servers import listening

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


_CONFIGURATION: Final = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
processors:
  transform:
    trace_statements: &namespace
      - set(resource.attributes["data_stream.namespace"], "{namespace}")
    log_statements: *namespace
exporters:
  elasticsearch:
    endpoints: ["{url}"]
    api_key: {api_key}
    mapping:
      allowed_modes: [otel]
    include_source_on_error: false
    sending_queue:
      batch:
        flush_timeout: 100ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      processors: [transform]
      exporters: [elasticsearch]
    logs:
      receivers: [otlp]
      processors: [transform]
      exporters: [elasticsearch]
"""


@contextmanager
def collecting(server: Endpoint, api_key: str, namespace: str, folder: Path) -> Iterator[str]:
    """Run a Collector that writes to streams of a namespace; gives its endpoint for OTLP/HTTP."""
    port = free_port()
    file = folder / "collector.yaml"
    values = {"port": port, "namespace": namespace, "url": server.url, "api_key": api_key}
    file.write_text(_CONFIGURATION.format(**values), encoding="utf-8")
    command = [str(collector()), "--config", str(file)]
    with listening(command, port, folder / "collector.log"):
        yield f"http://127.0.0.1:{port}"
