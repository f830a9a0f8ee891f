"""The fleet's services in three languages, each as the documentation sets it up."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fleet.artifacts import cache, jars, java, run_go
from fleet.running import PROGRAMS
from fleet.servers import listening

from documentation import HOW_TO, blocks, exported
from elasticsearch_server import HarnessError
from instrumented import application, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented import Application

_PAGE: Final = (HOW_TO / "other-languages.md").read_text(encoding="utf-8")
_GO: Final = Path(__file__).parent / "go"
_NODE: Final = Path(__file__).parents[2] / ".cache" / "fleet-node"
"""Where `make fleet` installs what `node/package.json` names."""
_AT_ONCE: Final = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100"}
_AGENT: Final = "opentelemetry-javaagent.jar"


@contextmanager
def stock(folder: Path, collector: str) -> Iterator[str]:
    """Run the service on Java, as the page says; gives its origin."""
    (agent,) = jars("java").glob("opentelemetry-javaagent-*.jar")
    (folder / _AGENT).symlink_to(agent)
    source = Path(__file__).parent / "java" / "Stock.java"
    if not (javac := shutil.which("javac")):
        raise HarnessError("The service on Java is compiled here: install a JDK 17 or newer.")
    subprocess.run([javac, "-d", str(folder), str(source)], check=True)
    variables, command = _typed("java ")
    words = command.replace("-jar stock.jar", f"-cp {folder} Stock").split()
    port = free_port()
    with _running([java(), *words[1:]], port, folder, "stock", {**variables, **otlp(collector)}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def delivery(folder: Path, collector: str, **variables: str) -> Iterator[str]:
    """Run the service on Node, with the page's `telemetry.js`.

    The variables are BILLING and STOCK, the origins that it asks, and PAGE, which may ask it.
    """
    if not (_NODE / "node_modules").is_dir() or not (node := shutil.which("node")):
        raise HarnessError("What the service on Node needs is missing: run `make fleet`.")
    (script,) = [block for block in blocks(_PAGE, "js") if "// file: telemetry.js" in block]
    (folder / "telemetry.js").write_text(script, encoding="utf-8")
    (folder / "delivery.js").write_text((PROGRAMS / "delivery.js").read_text(encoding="utf-8"))
    (folder / "node_modules").symlink_to(_NODE / "node_modules")
    exports, command = _typed("node ")
    port = free_port()
    words = [node, *command.split()[1:]]
    more = {**exports, **variables, **otlp(collector)}
    with _running(words, port, folder, "delivery", more):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def billing(folder: Path, collector: str) -> Iterator[str]:
    """Run the service in Go, with the page's `telemetry.go`; gives its origin."""
    exports, _ = _typed("go ")
    port = free_port()
    more = {**exports, **otlp(collector)}
    with _running([str(_built())], port, folder, "billing", more):
        yield f"http://127.0.0.1:{port}"


def _built() -> Path:
    """The service in Go, built when it is missing or the page has changed."""
    (snippet,) = blocks(_PAGE, "go")
    files = {path.name: path.read_text(encoding="utf-8") for path in _GO.iterdir()}
    files["telemetry.go"] = snippet
    contents = "".join(files[name] for name in sorted(files)).encode()
    binary = cache() / f"billing-{hashlib.sha256(contents).hexdigest()[:10]}"
    if not binary.exists():
        with tempfile.TemporaryDirectory(dir=cache(), prefix="billing-") as folder:
            for name, text in files.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            run_go(Path(folder), "build", "-o", "billing", ".")
            Path(folder, "billing").replace(binary)
    return binary


@contextmanager
def shop(
    folder: Path, port: int, environment: dict[str, str], delivery_origin: str, static: Path
) -> Iterator[Application]:
    """Run the service on Flask under `opentelemetry-instrument`."""
    variables = {
        "PORT": str(port),
        "PYTHONPATH": str(PROGRAMS.parents[1]),
        "DELIVERY": delivery_origin,
        "STATIC": str(static),
        "OTEL_PYTHON_EXCLUDED_URLS": "/scripts/",
        **environment,
    }
    command = ["python", str(PROGRAMS / "shop.py")]
    with application(command, port, folder / "shop.log", variables) as running:
        yield running


def _typed(command: str) -> tuple[dict[str, str], str]:
    """The variables and the command of the page's block that has a line with this beginning."""
    for block in blocks(_PAGE, "sh"):
        lines = block.replace("\\\n", "").splitlines()
        for line in lines:
            if line.startswith(command):
                exports = [exported(other) for other in lines if other.startswith("export ")]
                return {name: value for each in exports for name, value in each.items()}, line
    raise AssertionError(f"The page has no command {command}")


def otlp(collector: str) -> dict[str, str]:
    """The variables of a process that exports to a Collector at once."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        **_AT_ONCE,
    }


@contextmanager
def _running(
    command: list[str], port: int, folder: Path, name: str, variables: dict[str, str]
) -> Iterator[None]:
    environment = {**clean_environment(), "PATH": os.environ["PATH"], "PORT": str(port)}
    console = folder / f"{name}.log"
    with listening(command, port, console, {**environment, **variables}, folder):
        yield
