"""The pages about frameworks:

the application that each shows runs by the command that it shows, and leaves the session it
promises.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from otel_asayer.config import Config
from otel_asayer.timeline import EventKind, Selection, Timeline
from otel_asayer.timeline.stores import LocalStore

from documentation import HOW_TO, blocks
from instrumented import application, free_port
from store import SESSION

if TYPE_CHECKING:
    from pathlib import Path

_LEFT_TO_THE_TEST = ("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", "OTEL_EXPORTER_ELASTICSEARCH_API_KEY")


def shown_environment(block: str) -> dict[str, str]:
    words = (
        word
        for line in block.splitlines()
        if line.startswith("export ")
        for word in shlex.split(line)[1:]
    )
    return {
        name: value
        for name, _, value in (word.partition("=") for word in words)
        if name not in _LEFT_TO_THE_TEST
    }


def shown_command(block: str, port: int) -> list[str]:
    """The page's command with a port of the test's own, and one worker:

    gunicorn's signal is lost on one that still boots when the test is over.
    """
    (line,) = re.findall(r"^opentelemetry-instrument (.*)$", block, re.MULTILINE)
    return shlex.split(line.replace("8000", str(port)).replace("--workers 4", "--workers 1"))


@pytest.mark.parametrize("page", ["flask", "fastapi", "django", "aiohttp", "wsgi-asgi"])
def test_the_application_of_the_page_leaves_its_request_and_its_log_record_in_the_session(
    page: str, tmp_path: Path
) -> None:
    text = (HOW_TO / f"{page}.md").read_text(encoding="utf-8")
    (app,) = (block for block in blocks(text, "python") if block.startswith("# app: "))
    (run,) = (block for block in blocks(text, "sh") if "opentelemetry-instrument" in block)
    (tmp_path / app.partition("\n")[0].removeprefix("# app: ")).write_text(app, encoding="utf-8")
    port = free_port()
    spool = str(tmp_path / "spool")
    variables = {
        **shown_environment(run),
        "PYTHONPATH": str(tmp_path),
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "on_failure",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": spool,
    }
    with application(shown_command(run, port), port, tmp_path / "console", variables) as shop:
        assert shop.get("/products/lamp", X_Session_Id=SESSION).status == 200
    found = Timeline.of(
        LocalStore(Config.from_environment({}, spool_directory=spool)).documents(
            Selection(session_id=SESSION)
        )
    )
    requests = [event for event in found.events if event.kind is EventKind.REQUEST]
    assert [(event.service, event.level) for event in requests] == [("shop", "info")]
    assert [
        (event.title, event.level) for event in found.events if event.kind is EventKind.LOG
    ] == [("Only one lamp is left", "warning")]


def test_fastapi_records_one_span_a_request_as_its_page_says(tmp_path: Path) -> None:
    text = (HOW_TO / "fastapi.md").read_text(encoding="utf-8")
    (app,) = (block for block in blocks(text, "python") if block.startswith("# file: "))
    (run,) = (block for block in blocks(text, "sh") if "opentelemetry-instrument" in block)
    (switch,) = (block for block in blocks(text, "sh") if "DISABLED_INSTRUMENTATIONS" in block)
    (tmp_path / "fastapi_shop.py").write_text(app, encoding="utf-8")
    port = free_port()
    spool = str(tmp_path / "spool")
    variables = {
        **shown_environment(run),
        **shown_environment(switch),
        "PYTHONPATH": str(tmp_path),
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "on_failure",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": spool,
    }
    with application(shown_command(run, port), port, tmp_path / "console", variables) as shop:
        assert shop.get("/products/lamp", X_Session_Id=SESSION).status == 200
    found = LocalStore(Config.from_environment({}, spool_directory=spool)).documents(
        Selection(session_id=SESSION)
    )
    assert [stored.source["name"] for stored in found] == ["GET /products/{sku}"]
    assert "needs your attention" not in (tmp_path / "console").read_text(encoding="utf-8")
