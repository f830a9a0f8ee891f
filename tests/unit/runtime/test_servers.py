"""Applications that a server loads and that nothing instruments are told of."""

from __future__ import annotations

from inspect import unwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvicorn
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.applications import Starlette

from otel_asayer.runtime import frameworks, sdk
from otel_asayer.runtime.frameworks import Installed

if TYPE_CHECKING:
    from types import ModuleType

TOLD = tuple[str, str, str]


def page(environ: object, start_response: object) -> list[bytes]:
    return []


async def asgi_page(scope: object, receive: object, send: object) -> None:
    """Answer nothing."""


class Bottle:
    """An application of a framework that no package instruments."""

    __module__ = "bottle"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[TOLD]:
    """What is told, in a process in which no framework is imported."""
    found: list[TOLD] = []
    monkeypatch.setattr(frameworks._State, "wrapped", False)
    monkeypatch.setattr(frameworks, "_FRAMEWORKS", {})
    monkeypatch.setattr(frameworks._State, "tell", lambda *words: found.append(words))
    return found


class Gunicorn:
    """The part of gunicorn's worker that loads an application."""

    def __init__(self, application: object) -> None:
        self.application = application
        self.wsgi: object = None

    def load_wsgi(self) -> None:
        self.wsgi = self.application


def load_by_gunicorn(application: object) -> None:
    worker = type("Worker", (Gunicorn,), {"load_wsgi": Gunicorn.load_wsgi})
    frameworks._watch_gunicorn(module(Worker=worker))
    worker(application).load_wsgi()


def module(**names: object) -> ModuleType:
    return cast("ModuleType", SimpleNamespace(**names))


def active(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(frameworks, "_FRAMEWORKS", {"os": "flask"})
    monkeypatch.setattr(sdk, "is_instrumented", lambda name: name in names)


def test_an_application_of_no_framework_is_told_of(told: list[TOLD]) -> None:
    load_by_gunicorn(page)
    assert told == [(f"{__name__}.page", "wsgi", "")]


def test_an_asgi_application_that_gunicorn_loads_is_recognised(told: list[TOLD]) -> None:
    load_by_gunicorn(asgi_page)
    assert told == [(f"{__name__}.asgi_page", "asgi", "")]


def test_an_application_that_uvicorn_loads_is_told_of(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        uvicorn.Config, "load", unwrap(uvicorn.Config.load)
    )  # a test of the hook may have left word there
    frameworks._watch_uvicorn(uvicorn.config)
    uvicorn.Config(asgi_page, log_config=None).load()
    assert told == [(f"{__name__}.asgi_page", "asgi", "")]


def test_an_application_that_waitress_serves_is_told_of(told: list[TOLD]) -> None:
    waitress: Any = module(create_server=lambda _, port: port)
    frameworks._watch_waitress(waitress)
    assert waitress.create_server(page, port=8080) == 8080
    assert told == [(f"{__name__}.page", "wsgi", "")]


def test_what_bottle_itself_serves_is_told_of(told: list[TOLD]) -> None:
    bottle: Any = module(run=lambda **_: "served", default_app=Bottle)
    frameworks._watch_bottle(bottle)
    assert bottle.run(port=8080) == "served"
    assert told == [("bottle.Bottle", "wsgi", "")]


def test_an_application_of_an_instrumented_framework_is_not_told_of(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    active(monkeypatch, "flask")
    load_by_gunicorn(page)
    assert told == []


def test_bottle_is_told_of_beside_an_instrumented_framework(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    active(monkeypatch, "flask")
    load_by_gunicorn(Bottle())
    assert told == [("bottle.Bottle", "wsgi", "")]


def test_a_framework_whose_instrumentation_is_not_at_work_is_told_of_with_its_package(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    active(monkeypatch)
    load_by_gunicorn(page)
    assert told == [("os", "wsgi", "flask")]


@pytest.mark.parametrize(("only_ours", "number"), [({"starlette"}, 1), (set(), 0)])
def test_an_instrumented_starlette_that_only_our_extra_brought_is_not_in_use(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch, only_ours: set[str], number: int
) -> None:
    active(monkeypatch, "starlette")
    monkeypatch.setattr(frameworks, "_FRAMEWORKS", {"starlette": "starlette"})
    monkeypatch.setattr(Installed, "here", lambda: Installed(frozenset(), frozenset(only_ours)))
    load_by_gunicorn(asgi_page)
    assert len(told) == number


def test_a_starlette_that_is_the_application_is_in_use(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    active(monkeypatch, "starlette")
    monkeypatch.setattr(frameworks, "_FRAMEWORKS", {"starlette": "starlette"})
    monkeypatch.setattr(Installed, "here", lambda: Installed(frozenset(), frozenset({"starlette"})))
    load_by_gunicorn(Starlette())
    assert told == []


def test_a_wrapped_application_is_not_told_of(told: list[TOLD]) -> None:
    contrib: Any = module(
        OpenTelemetryMiddleware=type("OpenTelemetryMiddleware", (OpenTelemetryMiddleware,), {})
    )
    frameworks._note_middleware(contrib)
    load_by_gunicorn(contrib.OpenTelemetryMiddleware(asgi_page))
    assert told == []


def test_a_server_goes_on_when_its_application_cannot_be_looked_at(
    told: list[TOLD], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frameworks, "_look_at", lambda *_: 1 / 0)
    load_by_gunicorn(page)
    assert told == []


def test_servers_are_watched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[str] = []
    monkeypatch.setattr(frameworks._State, "tell", None)
    monkeypatch.setattr(
        frameworks, "register_post_import_hook", lambda _, name: watched.append(name)
    )
    frameworks.watch_servers(lambda *_: None)
    frameworks.watch_servers(lambda *_: None)
    assert watched == [
        "opentelemetry.instrumentation.wsgi",
        "opentelemetry.instrumentation.asgi",
        "gunicorn.workers.base",
        "uvicorn.config",
        "waitress.server",
        "bottle",
    ]
