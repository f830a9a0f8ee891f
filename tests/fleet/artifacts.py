"""What the fleet runs beside Python, brought once by Maven and kept in the tests' cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from elasticsearch_server import HarnessError
from elasticsearch_server.accounts import node_account
from elasticsearch_server.install import cache_directory

_HERE = Path(__file__).parent


def java() -> str:
    """The command that runs Java.

    Raises:
        HarnessError: there is none.
    """
    if found := shutil.which("java"):
        return found
    raise HarnessError("The fleet runs programs in Java: install a JDK 17 or newer.")


def cache() -> Path:
    """The folder of what was brought."""
    return cache_directory(node_account())


def jars(name: str) -> Path:
    """A folder with the libraries that `<name>/pom.xml` asks for, and all that those need.

    Complete, or not there: any number of processes may ask at once.

    Raises:
        HarnessError: there is no Maven, or it does not find them.
    """
    pom = _HERE / name / "pom.xml"
    folder = cache() / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:10]}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=cache(), prefix=f"{name}-") as staging:
            _run_maven(pom, staged := Path(staging) / "jars")
            if not folder.is_dir():
                staged.replace(folder)
    return folder


def _run_maven(pom: Path, folder: Path) -> None:
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        f"--file={pom}",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={folder}",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise HarnessError(f"{pom} is fetched with Maven: install Maven.") from None
    except subprocess.CalledProcessError as error:
        raise HarnessError(
            f"Maven could not fetch what {pom} asks for:\n{error.stdout}{error.stderr}"
        ) from None


_GO: Final = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GONOSUMDB": "*"}
"""The checksum database does not know every module, and all versions are pinned."""


def run_go(folder: Path, *words: str) -> None:
    """Run Go's command in a folder, gently: it takes all processors for minutes.

    Raises:
        HarnessError: there is no Go, or it fails.
    """
    if not shutil.which("go"):
        raise HarnessError("The fleet builds programs in Go: install Go 1.26 or newer.")
    done = subprocess.run(
        ["nice", "go", *words],
        cwd=folder,
        env={**os.environ, **_GO},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise HarnessError(f"go {' '.join(words)} failed:\n{done.stdout[-4000:]}")
