"""Run the two services of the shop, and send requests as a browser with a tracker does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented import Application, application, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

SHOP = Path(__file__).parent.parent / "shop"


@dataclass(frozen=True)
class Request:
    """One request of the demo's browser."""

    what: str
    method: str
    path: str
    headers: Mapping[str, str]


def service(
    script: str, console: Path, environment: Mapping[str, str]
) -> AbstractContextManager[Application]:
    """Run a service under `opentelemetry-instrument` with its console output in a file."""
    port = free_port()
    return application(
        [sys.executable, str(SHOP / script)], port, console, {**environment, "PORT": str(port)}
    )


def send(request: Request, to: Application) -> int:
    """Send a request as a script in a browser would, and return the status."""
    return to.request(
        request.method, request.path, {"sec-fetch-mode": "cors", **request.headers}
    ).status
