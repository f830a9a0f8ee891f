"""Write the golden files anew, after a change that is meant:

`PYTHONPATH=tests python -m golden.write`. The diff shows what it does to documents.
"""

from __future__ import annotations

from pathlib import Path

from golden.cases import CASES, file_name, golden


def main() -> None:
    """Write one file for each case, and remove what no case makes."""
    folder = Path(__file__).parent
    contents = {file_name(case): golden(case) for case in CASES}
    for path in folder.glob("*.ndjson"):
        if path.name not in contents:
            path.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
