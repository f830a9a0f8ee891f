"""Write the saved objects for Kibana, into the package and here: `python docs/generate_kibana.py`.

A test asserts that both are current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_asayer import kibana

NAME: Final = "otel-asayer.ndjson"
FILES: Final = (Path(kibana.__file__).parent / NAME, Path(__file__).parent / "kibana" / NAME)


def content() -> str:
    """What both files hold: no replay's URL, for that is each team's own."""
    return kibana.ndjson()


if __name__ == "__main__":
    for file in FILES:
        file.write_text(content(), encoding="utf-8")
