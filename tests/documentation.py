"""The pages of the documentation, what stands in them to be executed, and which test does it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple

from instrumented import BINARIES, clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
SHELL = "docs/test_shell.py"
DATA = "docs/test_data.py"
FLEET = "docs/test_fleet.py"
EXECUTED: dict[str, dict[str, str]] = {
    "python": {"*": "docs/test_documentation.py"},
    "json": {"*": DATA},
    "yaml": {
        "docs/how-to/containers.md": SHELL,
        "docs/how-to/declarative.md": "integration/test_declarative.py",
        "docs/how-to/fleet.md": FLEET,
    },
    "ini": {
        "docs/how-to/fleet.md": FLEET,
        "docs/reliability.md": "integration/test_processes.py",
    },
    "py": {"docs/how-to/wsgi-asgi.md": "harness/test_applications_accounts.py"},
    "js": {
        "docs/how-to/browser.md": "browser/test_browser_page.py",
        "docs/how-to/other-languages.md": "fleet/services.py",
    },
    "go": {"docs/how-to/other-languages.md": "fleet/services.py"},
    "sh": {
        "README.md": "integration/test_empty_environment.py",
        "docs/how-to/browser.md": SHELL,
        "CONTRIBUTING.md": SHELL,
        "docs/how-to/celery.md": SHELL,
        "docs/how-to/containers.md": SHELL,
        "docs/how-to/django.md": "docs/test_frameworks.py",
        "docs/how-to/aiohttp.md": "docs/test_frameworks.py",
        "docs/how-to/doctor.md": "integration/test_pages.py",
        "docs/how-to/fastapi.md": "docs/test_frameworks.py",
        "docs/how-to/fleet.md": FLEET,
        "docs/how-to/flask.md": "docs/test_frameworks.py",
        "docs/how-to/install.md": SHELL,
        "docs/how-to/kibana.md": SHELL,
        "docs/how-to/other-languages.md": "fleet/services.py",
        "docs/how-to/openreplay.md": SHELL,
        "docs/how-to/session-page.md": SHELL,
        "docs/how-to/sessions.md": SHELL,
        "docs/how-to/setup.md": "integration/test_pages.py",
        "docs/how-to/wsgi-asgi.md": "docs/test_frameworks.py",
        "docs/reliability.md": "integration/test_pages.py",
        "docs/tutorial.md": "integration/test_tutorial.py",
    },
}
"""For each language the pages that have such blocks, and the test that executes them; `*` is every
page."""
SHOWN_ONLY = ("text", "{toctree}")
"""What a reader looks at, and the contents that Sphinx reads."""

PREPARATIONS = ("git ", "pip ", "opentelemetry-bootstrap ", "export ", "make ")
"""How lines begin that are the same on every page: `docs/test_shell.py` checks them all."""


class Fence(NamedTuple):
    """A fenced block: what stands behind the fence, and the text."""

    language: str
    text: str


def fences(text: str) -> list[Fence]:
    """All fenced blocks, those inside of tabs too."""
    found = re.findall(r"^( *)```([^\n`]*)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE)
    return [Fence(language.strip(), dedent(block)) for _, language, block in found]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [fence.text for fence in fences(text) if fence.language == language]


def page_name(page: Path) -> str:
    """Where a page is in the repository."""
    return page.relative_to(ROOT).as_posix()


def lines(page: Path) -> list[str]:
    """All that a page lets one type."""
    return [
        line
        for block in blocks(page.read_text(encoding="utf-8"), "sh")
        for line in block.splitlines()
        if line
    ]


def commands(page: Path) -> list[str]:
    """What a page lets one type, but for the preparations; without comments at the end."""
    return [
        re.split(r"\s+# ", line)[0] for line in lines(page) if not line.startswith(PREPARATIONS)
    ]


def exported(line: str) -> dict[str, str]:
    """The variables that a line sets."""
    pairs = (word.partition("=") for word in shlex.split(line, comments=True)[1:])
    return {name: value for name, _, value in pairs}


def typed(
    command: str, folder: Path, variables: Mapping[str, str], *, answer: str = "", status: int = 0
) -> str:
    """Type a command in a folder, and answer what it asks; return what it said.

    There is no terminal: it asks and reads by the standard streams.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=_environment(variables),
        cwd=folder,
        input=answer,
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        start_new_session=True,
    )
    assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def typed_until(
    said: str, command: str, folder: Path, variables: Mapping[str, str], *, kill: bool = False
) -> Iterator[str]:
    """Type a command that goes on until Ctrl-C; gives what it has printed as soon as it `said`
    this.

    Ctrl-C comes at the end of the block, or the end by force, for what takes its time.
    """
    end = signal.SIGKILL if kill else signal.SIGINT
    output: list[str] = []
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        env=_environment(variables),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = Timer(HANG_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if said in line:
                break
        try:
            assert output, f"{command} printed nothing"
            assert said in output[-1], "".join(output)
            yield "".join(output)
        finally:
            os.killpg(process.pid, end)
            rest = process.stdout.read()
            deadline.cancel()
    assert process.returncode == (-end if kill else 0), f"{command}\n{''.join(output)}{rest}"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        **clean_environment(),
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
        **variables,
    }
