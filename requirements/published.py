"""Write the constraints that we publish: OpenTelemetry's packages in one release, for pip.

`make constraints` runs this. The release is the one in `requirements/constraints.txt`, which the
environment has. Each package in the list has to exist in that release: if the package index lacks
one, pip says so, and nothing is written. Then wait for the rest of the release.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.instrumentation.bootstrap_gen import default_instrumentations, libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLISHED = Path(__file__).parents[1] / "src" / "otel_asayer" / "cli" / "constraints.txt"

STABLE = (
    "opentelemetry-api",
    "opentelemetry-exporter-otlp",
    "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-propagator-b3",
    "opentelemetry-propagator-jaeger",
    "opentelemetry-proto",
    "opentelemetry-sdk",
)
"""What has the version of the API. Instrumentations need none of the exporters, but applications
install them beside ours, and all depend on one version of the SDK."""
UNSTABLE = (
    "opentelemetry-configuration",
    "opentelemetry-distro",
    "opentelemetry-exporter-http-transport",
    "opentelemetry-exporter-otlp-common",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-instrumentation",
    "opentelemetry-instrumentation-aws-lambda",
    "opentelemetry-processor-baggage",
    "opentelemetry-propagator-ot-trace",
    "opentelemetry-semantic-conventions",
    "opentelemetry-util-http",
)
"""What has the version of the instrumentations, in addition to those `opentelemetry-bootstrap`
knows."""

_HEAD = (
    "# OpenTelemetry's packages in one complete release that otel-asayer is tested with: "
    "pip install -c FILE. `make constraints` renews it.\n"
)


def published() -> str:
    """Return the content of the published file, for the installed release."""
    return _HEAD + "".join(f"{line}\n" for line in sorted(_constraints(), key=_name))


def _constraints() -> Iterator[str]:
    yield from (f"{name}=={version('opentelemetry-api')}" for name in STABLE)
    release = f"=={version('opentelemetry-instrumentation')}"
    yield from (f"{name}{release}" for name in UNSTABLE)
    # Some follow a release of their own, such as the one for Vertex AI: pip chooses it.
    known = {*default_instrumentations, *(library["instrumentation"] for library in libraries)}
    yield from (requirement for requirement in known if requirement.endswith(release))


def _name(constraint: str) -> str:
    return constraint.partition("==")[0]


def main() -> int:
    """Check that pip can install all packages together, then write the file."""
    text = published()
    packages = [line for line in text.splitlines() if not line.startswith("#")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    failed = subprocess.run([*command, *packages], check=False).returncode  # noqa: S603 (own list)
    if not failed:
        PUBLISHED.write_text(text, encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
