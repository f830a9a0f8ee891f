"""What the documentation says is generated or executed."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import otel_asayer
from otel_asayer import environment_variables
from otel_asayer.config import SETTINGS

from documentation import PAGES, ROOT, blocks
from instrumented import clean_environment
from patience import HANG_SECONDS

SNIPPETS = [
    pytest.param(snippet, id=f"{page.name}-{number}")
    for page in PAGES
    for number, snippet in enumerate(blocks(page.read_text(encoding="utf-8"), "python"))
]


def test_the_table_of_variables_is_current() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / "reference" / "variables.md").read_text(encoding="utf-8") == generator[
        "variables"
    ]()


def test_the_pages_of_commands_and_of_python_are_current() -> None:
    # In a process of its own: click keeps the help of a command as it was first asked for, and
    # other tests ask for some without their group.
    generator = str(ROOT / "docs" / "generate_commands.py")
    code = (
        f"import json, runpy; of = runpy.run_path({generator!r}); "
        f"print(json.dumps([of['commands_page'](), of['python_page']()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    commands, python = json.loads(done.stdout)
    assert (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8") == commands
    assert (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8") == python


def test_the_tables_of_metrics_and_outcomes_are_current() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8") == generator[
        "metrics"
    ]()


def test_the_tables_of_queues_are_current() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate_queues.py"))
    page = ROOT / "docs" / "how-to" / "queues.md"
    assert page.read_text(encoding="utf-8") == generator["queues"]()


def test_every_variable_is_documented_and_read() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    constants = {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    assert set(generator["documented_constants"]()) == constants
    assert {setting.variable for setting in SETTINGS.values()} == constants


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_runs(snippet: str, tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(snippet, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        check=True,
        env=clean_environment(),
        timeout=HANG_SECONDS,
        capture_output=True,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_public_name_is_what_it_says() -> None:
    assert sorted(otel_asayer.__all__) == otel_asayer.__all__
    assert all(getattr(otel_asayer, name) is not None for name in otel_asayer.__all__)


def test_no_public_name_is_also_a_module() -> None:
    modules = {path.stem for path in Path(otel_asayer.__file__).parent.iterdir()}
    assert modules.isdisjoint(otel_asayer.__all__)
