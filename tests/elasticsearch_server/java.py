"""Finds a JDK for a version of Elasticsearch; the test distribution brings none."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from elasticsearch_server.accounts import Account
from elasticsearch_server.config import release
from elasticsearch_server.errors import HarnessError

JAVA_HOME_VARIABLE = "OTEL_ASAYER_TEST_JAVA_HOME"
INSTALLED = Path("/usr/lib/jvm")

_RELEASE_LINE = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Jdk:
    """An installed JDK: its folder and the major number of its version."""

    home: Path
    major: int


def minimum_java(version: str) -> int:
    """The oldest Java that a version of Elasticsearch runs on; also the class file version of its
    plugins."""
    first_with_java_21 = 9
    return 21 if release(version)[0] >= first_with_java_21 else 17


def find_jdk(
    version: str,
    account: Account,
    environ: Mapping[str, str] = os.environ,
    installed: Path = INSTALLED,
) -> Jdk:
    """The first JDK that fits: the variable's, JAVA_HOME's, the oldest of `/usr/lib/jvm`, the one
    on PATH.

    Raises:
        HarnessError: None fits; the message names those that were looked at.
    """
    needed = minimum_java(version)
    seen = list(_candidates(environ, installed))
    for jdk in seen:
        if jdk.major >= needed and account.can_enter(jdk.home):
            return jdk
    raise HarnessError(
        f"Elasticsearch {version} needs a JDK {needed} or newer that its user can enter; "
        f"seen: {', '.join(f'{jdk.major} in {jdk.home}' for jdk in seen) or 'none'}. "
        f"Install one, or name its folder in {JAVA_HOME_VARIABLE}."
    )


def _candidates(environ: Mapping[str, str], installed: Path) -> Iterator[Jdk]:
    for variable in (JAVA_HOME_VARIABLE, "JAVA_HOME"):
        if folder := environ.get(variable):
            yield from _jdk(Path(folder))
    yield from sorted(
        (jdk for folder in installed.glob("*") for jdk in _jdk(folder)),
        key=lambda jdk: (jdk.major, jdk.home),
    )
    if java := shutil.which("java", path=environ.get("PATH", "")):
        yield from _jdk(Path(java).resolve().parent.parent)


def _jdk(folder: Path) -> Iterator[Jdk]:
    """The JDK in a folder, if there is one:

    a runtime without a compiler cannot build the plugin, and so does not count.
    """
    facts = folder / "release"
    if (
        (folder / "bin" / "javac").is_file()
        and facts.is_file()
        and (found := _RELEASE_LINE.search(facts.read_text(encoding="utf-8")))
    ):
        yield Jdk(folder, int(found[1]))
