"""Scripts as a page loads them: trackers and libraries from npm, put together by esbuild. `make
browser` fetches both."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from patience import HANG_SECONDS

PACKAGES: Final = Path(__file__).parents[2] / ".cache" / "trackers"
"""Where `make browser` installs what `trackers/package.json` names."""


class Tracker(NamedTuple):
    """A tracker of one version.

    Attributes:
        name: how results call it.
        package: its name in `trackers/package.json`.
        options: JavaScript, what it is made with; `ingest` is where its ingest service listens.
        renew: JavaScript, what begins a new session of `tracker` while a page is open.
    """

    name: str
    package: str
    options: str
    renew: str

    @property
    def script(self) -> str:
        """The module that makes the tracker known to the page."""
        return (
            f'import Tracker from "{self.package}"; '
            f"globalThis.makeTracker = "
            f"(ingest, more) => new Tracker({{ {self.options}, ...more }});"
        )


_OPENREPLAY: Final = 'projectKey: "shop", ingestPoint: ingest, __DISABLE_SECURE_MODE: true'
_ASAYER: Final = (
    'projectID: 7, ws_url: `${ingest.replace("http", "ws")}/ws/`, '
    "__fallback_origin: ingest, __allow_not_secure: true"
)
_FORCE_NEW: Final = "tracker.stop(); await tracker.start({ forceNew: true });"
_AGAIN: Final = "tracker.stop(); tracker.start();"

TRACKERS: Final = (
    Tracker("19", "tracker-19", _OPENREPLAY, _FORCE_NEW),
    Tracker("14", "tracker-14", _OPENREPLAY, _FORCE_NEW),
    Tracker("9", "tracker-9", _OPENREPLAY, _FORCE_NEW),
    Tracker("3", "tracker-3", _OPENREPLAY, _AGAIN),
    Tracker("asayer", "tracker-asayer", _ASAYER, _AGAIN),
)
NEWEST: Final = TRACKERS[0]


def bundle(script: str, **aliases: str) -> str:
    """Return a module and all that it imports as one script; `aliases` say which package stands for
    another, with `_` for `/`."""
    done = subprocess.run(
        [
            PACKAGES / "node_modules" / ".bin" / "esbuild",
            "--bundle",
            "--format=iife",
            "--log-level=error",
            *(f"--alias:{name}={package}" for name, package in aliases.items()),
        ],
        input=script,
        cwd=PACKAGES,
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
