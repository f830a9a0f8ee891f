"""Builds the plugin in `shim/`:

what the test distribution lacks and a client of Elasticsearch meets.
"""

import hashlib
import subprocess
import tempfile
import zipfile
from pathlib import Path

from elasticsearch_server.config import release
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.java import Jdk, minimum_java

SOURCES = Path(__file__).parent / "shim"

_DESCRIPTOR = """\
name=otel-asayer-shim
description=Analysis parts of the security index, and GET /
version={version}
elasticsearch.version={version}
java.version={java}
classname=shim.ShimPlugin
"""


def fingerprint() -> str:
    """Changes with the plugin's source, so that a distribution with an older one is not taken for a
    good one."""
    digest = hashlib.sha256(_DESCRIPTOR.encode())
    for source in sorted(SOURCES.rglob("*.java")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:10]


def install(version: str, jdk: Jdk, home: Path) -> None:
    """Compile the plugin against an unpacked distribution, and put it there."""
    folder = home / "plugins" / "otel-asayer-shim"
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as classes:
        _compile(version, jdk, home, Path(classes))
        _pack(Path(classes), folder / "otel-asayer-shim.jar")
    descriptor = _DESCRIPTOR.format(version=version, java=minimum_java(version))
    (folder / "plugin-descriptor.properties").write_text(descriptor, encoding="utf-8")


def _sources(version: str) -> list[Path]:
    """The common part, and the half that fits: `getRestHandlers` changed its signature in 9.3."""
    variant = "since_9_3" if release(version) >= (9, 3) else "before_9_3"
    return sorted((*SOURCES.glob("*.java"), *(SOURCES / variant).glob("*.java")))


def _compile(version: str, jdk: Jdk, home: Path, classes: Path) -> None:
    # --release, because the distribution is cached and may be run by an older JDK than the one that
    # compiles.
    options = [
        "-nowarn",
        "--release",
        str(minimum_java(version)),
        "-classpath",
        f"{home}/lib/*",
        "-d",
        str(classes),
    ]
    done = subprocess.run(
        [jdk.home / "bin" / "javac", *options, *_sources(version)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise HarnessError(
            f"The plugin in {SOURCES} does not compile against Elasticsearch "
            f"{version}:\n{done.stderr}"
        )


def _pack(classes: Path, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w") as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes))
