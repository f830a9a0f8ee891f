"""Environments of published packages:

made once under `.cache/applications`, and used again as long as their pins stay the same.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from applications.plan import Application

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "applications"
PROGRAMS = Path(__file__).parent / "programs"
_PINS = Path(__file__).parent / "requirements"
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
_AT_A_TIME = 3
"""Environments that are made at a time: most of it is waiting for the package index."""


@contextmanager
def environments_of(
    applications: Sequence[Application],
) -> Iterator[Mapping[str, Future[Path]]]:
    """Make the environments of some applications, beside whatever happens in the block, and give
    what leads to their folders."""
    builders = ThreadPoolExecutor(_AT_A_TIME)
    made: dict[str, Future[Path]] = {}
    for application in applications:
        if application.environment not in made:
            made[application.environment] = builders.submit(_environment_of, application)
    try:
        yield made
    finally:
        builders.shutdown(cancel_futures=True)


def _environment_of(application: Application) -> Path:
    """Return the folder of an application's environment, which is made where it is not there as the
    pins say."""
    folder, pins = FOLDER / application.environment, _PINS / f"{application.environment}.txt"
    stamp, state = folder / "made-of", _state(pins, application.prepare)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != state:
        venv = ("-m", "venv", "--clear", "--without-pip", str(folder))
        subprocess.run([sys.executable, *venv], check=True)
        pip = (*_PIP, "--python", str(folder / "bin" / "python"))
        packages = ("-r", str(pins), "--editable", str(ROOT))
        subprocess.run([sys.executable, *pip, "install", "--no-deps", *packages], check=True)
        if application.prepare:
            words = [word.format(programs=PROGRAMS) for word in application.prepare]
            subprocess.run([str(folder / "bin" / words[0]), *words[1:]], cwd=folder, check=True)
        stamp.write_text(state, encoding="utf-8")
    return folder


def _state(pins: Path, prepare: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for part in (
        sys.version,
        pins.read_text(encoding="utf-8"),
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        *prepare,
    ):
        digest.update(part.encode())
    for program in sorted(PROGRAMS.glob("prepare_*.py")):
        digest.update(program.read_bytes())
    return digest.hexdigest()
