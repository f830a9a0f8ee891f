"""`otel-asayer browser`: the script as it is shipped."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

import otel_asayer
from otel_asayer.cli.commands import otel_asayer as commands

SCRIPT = (Path(otel_asayer.__file__).parent / "browser" / "carry-session.js").read_text("utf-8")


def test_the_script_is_printed() -> None:
    assert CliRunner().invoke(commands, ["browser"]).stdout == SCRIPT


def test_the_script_is_written_to_a_file(tmp_path: Path) -> None:
    output = tmp_path / "carry-session.js"
    result = CliRunner().invoke(commands, ["browser", "--output", str(output)])
    assert result.stdout == ""
    assert output.read_text("utf-8") == SCRIPT


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    result = CliRunner().invoke(commands, ["browser", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "is a folder" in result.stderr


def test_the_script_is_no_module() -> None:
    assert "\nexport " not in SCRIPT
    assert "\nimport " not in SCRIPT
