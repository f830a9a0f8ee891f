"""The network of the browser tests: a shop's two backends, a stranger, and a tracker's ingest
service, on loopback."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from browser.bundles import TRACKERS, bundle
from browser.loopback import Ingest, Stranger, served

from documentation import HOW_TO, blocks
from instrumented import BINARIES, application, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented import Application
    from store import Store

BACKENDS: Final = Path(__file__).parent / "backends"
COMMANDS: Final = {
    "flask": ("python", str(BACKENDS / "flask_backend.py")),
    "fastapi": ("uvicorn", "--app-dir", str(BACKENDS), "--port", "{port}", "fastapi_backend:app"),
    "django": ("python", "-m", "django", "runserver", "--noreload", "{port}"),
}
_PAGE: Final = (HOW_TO / "browser.md").read_text(encoding="utf-8")
SCRIPTS: Final = blocks(_PAGE, "js")
CORS: Final = dict(
    zip(("flask", "flask-cors", "fastapi", "django"), blocks(_PAGE, "python"), strict=True)
)
"""The page's snippets that allow another origin what it needs, by framework."""
TOKEN_HEADER: Final = "X-OpenReplay-Session-Token"
"""The header of the tracker's own option."""
SHOP_OF_PAGE: Final = "https://shop.example"
API_OF_PAGE: Final = "https://api.shop.example"


class Network(NamedTuple):
    """Where everything listens.

    Attributes:
        own: the origin of the pages, on Flask.
        listed: another origin of the shop, on FastAPI, with the page's CORS snippet, which allows
            the header of the tracker's own option as well.
        foreign: the origin of the stranger.
        ingest_url: the origin of the ingest service.
        static: the folder of the scripts.
        backends: the shop's processes.
    """

    own: str
    listed: str
    foreign: str
    ingest_url: str
    ingest: Ingest
    stranger: Stranger
    static: Path
    backends: tuple[Application, ...]


def write_scripts(folder: Path) -> None:
    """Write what the pages load: the script as the documentation's command writes it, trackers,
    libraries."""
    folder.mkdir()
    command = [str(BINARIES / "otel-asayer"), "browser", "--output", "carry-session.js"]
    subprocess.run(command, cwd=folder, check=True)
    for tracker in TRACKERS:
        (folder / f"{tracker.package}.js").write_text(bundle(tracker.script), encoding="utf-8")
    axios = 'import axios from "axios"; globalThis.axios = axios;'
    (folder / "axios.js").write_text(bundle(axios), encoding="utf-8")
    ways = Path(__file__).with_name("requests.js").read_text(encoding="utf-8")
    (folder / "requests.js").write_text(ways, encoding="utf-8")


@contextmanager
def backend(
    kind: str, folder: Path, environment: dict[str, str], *, page: str = "", snippet: str = ""
) -> Iterator[tuple[str, Application]]:
    """Run a backend, with a snippet of the documentation that allows `page` what it needs; gives
    its origin."""
    port = free_port()
    name = f"{kind}-{port}"
    variables = {
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join(map(str, (BACKENDS, *BACKENDS.parents[:2]))),
        **environment,
    }
    if kind == "django":
        variables["DJANGO_SETTINGS_MODULE"] = "django_backend"
    if snippet:
        file = folder / f"{name}.py"
        file.write_text(snippet.replace(SHOP_OF_PAGE, page), encoding="utf-8")
        variables["SNIPPET"] = str(file)
    command = [word.format(port=port) for word in COMMANDS[kind]]
    with application(command, port, folder / f"{name}.log", variables) as running:
        yield f"http://localhost:{port}", running


@contextmanager
def network(folder: Path, store: Store) -> Iterator[Network]:
    """Start everything."""
    write_scripts(static := folder / "scripts")
    environment = environment_of(store, static)
    ingest, stranger = Ingest(), Stranger()
    with ExitStack() as stack:
        ingest_port = stack.enter_context(served(ingest.application))
        stranger_port = stack.enter_context(served(stranger.application))
        own, flask = stack.enter_context(backend("flask", folder, environment))
        both = CORS["fastapi"].replace('"X-Session-Id"', f'"X-Session-Id", "{TOKEN_HEADER}"')
        listed, fastapi = stack.enter_context(
            backend("fastapi", folder, environment, page=own, snippet=both)
        )
        yield Network(
            own,
            listed,
            f"http://localhost:{stranger_port}",
            f"http://localhost:{ingest_port}",
            ingest,
            stranger,
            static,
            (flask, fastapi),
        )


def environment_of(store: Store, static: Path) -> dict[str, str]:
    """The variables of a backend that delivers at once."""
    return store.environment(
        STATIC=str(static),
        OTEL_PYTHON_EXCLUDED_URLS="/scripts/",
        OTEL_ASAYER_TRACE_RESPONSE="true",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_BLRP_SCHEDULE_DELAY="100",
    )
