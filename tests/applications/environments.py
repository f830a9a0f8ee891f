"""Environments of published packages:

made once under `.cache/applications`, and used again as long as their pins stay the same.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from applications.plan import Application

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "applications"
PROGRAMS = Path(__file__).parent / "programs"
_PINS = Path(__file__).parent / "requirements"
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


def environment_of(application: Application) -> Path:
    """Return the folder of an application's environment, which is made where it is not there as the
    pins say."""
    folder, pins = FOLDER / application.environment, _PINS / f"{application.environment}.txt"
    stamp, state = folder / "made-of", _state(pins, application.prepare)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != state:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([python, *_PIP, "-r", str(pins)], check=True)
        subprocess.run([python, *_PIP, "--editable", str(ROOT)], check=True)
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
