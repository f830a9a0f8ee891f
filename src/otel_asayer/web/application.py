"""The session page as an ASGI application.

| path | what |
|---|---|
| `/` | find a session; below it, recent sessions and errors; the query has the filters |
| `POST /find` | redirects to the session or trace of an id, token or URL, which no URL then holds |
| `/session/<id>`, `/trace/<id>` | the timeline; the query has the filters and the event in detail |
| `/static/…` | the stylesheet, the script and the icon |

Nothing else can be asked for: only documents of one session or trace, and recent exceptions, are
read.
"""

from __future__ import annotations

import http
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from otel_asayer.errors import (
    AsayerError,
    ElasticsearchError,
    InvalidSessionIdError,
    NotAllowedError,
)
from otel_asayer.spool import SpoolError
from otel_asayer.timeline import Selection, parse_selection
from otel_asayer.timeline.stores import nothing_stored
from otel_asayer.version import __version__
from otel_asayer.web.guard import Guard
from otel_asayer.web.query import PERIODS, ListQuery, Query, path_of
from otel_asayer.web.reader import Reader
from otel_asayer.web.rendering import environment
from otel_asayer.web.view import SessionView

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from otel_asayer.config import Config

__all__ = ["create_app"]

_STATIC: Final = Path(__file__).parent / "static"
_MAX_GROUPS: Final = 20
_MAX_FORM: Final = 8192
"""Bytes of a form; the longest token is about 100."""
_STATUSES: Final[tuple[tuple[type[AsayerError], http.HTTPStatus, str], ...]] = (
    (InvalidSessionIdError, http.HTTPStatus.BAD_REQUEST, "That is no session"),
    (NotAllowedError, http.HTTPStatus.FORBIDDEN, "Not allowed"),
    (ElasticsearchError, http.HTTPStatus.BAD_GATEWAY, "Elasticsearch does not serve us"),
    (SpoolError, http.HTTPStatus.BAD_GATEWAY, "The local store cannot be read"),
)
_RELOADED: Final = ("no-cache", "max-age=0")


def create_app(config: Config, *, hosts: Collection[str], reader: Reader | None = None) -> ASGIApp:
    """Return the application.

    Args:
        config: the connection, the template of replay URLs, and whether ids of other systems are
            admitted.
        hosts: admitted values of the header `Host`.
        reader: reads what is shown; by default, one for `config`.
    """
    pages = _Pages(config, reader or Reader(config))
    routes = [
        Route("/", pages.home),
        Route("/find", pages.find, methods=["GET", "POST"]),
        Route("/session/{subject:path}", pages.timeline),
        Route("/trace/{subject:path}", pages.timeline),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: pages.refused,
        Exception: pages.broken,
        **{error: pages.failed for error, _, _ in _STATUSES},
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, hosts)


class _Pages:
    """The answers. Methods that block are not async: Starlette calls them in threads."""

    def __init__(self, config: Config, reader: Reader) -> None:
        self._config = config
        self._reader = reader
        self._templates = environment()

    def home(self, request: Request) -> Response:
        query, now_ns = ListQuery.of(request.query_params), self._reader.now_ns()
        wanted = query.wanted(now_ns, opaque=self._config.opaque_session_ids)
        overview = self._reader.overview(wanted)
        return self._page(
            "home.html",
            overview=overview,
            groups=overview.groups[:_MAX_GROUPS],
            query=query,
            is_filtered=wanted.is_filtered,
            periods=PERIODS,
            now_ns=now_ns,
            source=overview.source,
        )

    async def find(self, request: Request) -> Response:
        if request.method != "POST":  # a URL without what was pasted
            return RedirectResponse("/", http.HTTPStatus.SEE_OTHER)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM:
                raise HTTPException(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        given = parse_qs(body.decode("utf-8", "replace")).get("q", [""])
        try:
            return await run_in_threadpool(self._found, given[0])
        except InvalidSessionIdError as error:
            return self._message(
                http.HTTPStatus.BAD_REQUEST, "That is no session", str(error), typed=given[0]
            )

    def timeline(self, request: Request) -> Response:
        readings = self._selection(request.path_params["subject"]).readings
        selection = readings[-1] if request.url.path.startswith("/trace/") else readings[0]
        if request.url.path != path_of(selection):
            return RedirectResponse(path_of(selection), http.HTTPStatus.SEE_OTHER)
        story = self._reader.story(
            selection, anew=request.headers.get("cache-control") in _RELOADED
        )
        if not story.timeline.events:
            return self._message(
                http.HTTPStatus.NOT_FOUND,
                "Nothing is stored",
                nothing_stored(self._config, selection, story.source),
                typed=selection.session_id or selection.trace_id,
            )
        view = SessionView(selection, story, Query.of(request.query_params))
        found = view.detail is not None or not view.query.event
        return self._page(
            "session.html",
            http.HTTPStatus.OK if found else http.HTTPStatus.NOT_FOUND,
            view=view,
            source=story.source,
        )

    async def failed(self, request: Request, error: AsayerError) -> Response:
        status, title = next(
            (status, title) for kind, status, title in _STATUSES if isinstance(error, kind)
        )
        return self._message(status, title, str(error), leads_home=request.url.path != "/")

    async def refused(self, _: Request, error: HTTPException) -> Response:
        sentences = {http.HTTPStatus.NOT_FOUND: "There is no such page."}
        return self._message(
            error.status_code,
            error.detail,
            sentences.get(http.HTTPStatus(error.status_code), "That cannot be asked of this page."),
        )

    async def broken(self, _: Request, __: Exception) -> Response:
        return self._message(
            http.HTTPStatus.INTERNAL_SERVER_ERROR,
            "This went wrong",
            "The terminal of `otel-asayer serve` says what happened.",
        )

    def _found(self, text: str) -> Response:
        *others, last = self._selection(text).readings
        selection = next(
            (reading for reading in others if self._reader.story(reading).timeline.events), last
        )
        return RedirectResponse(path_of(selection), http.HTTPStatus.SEE_OTHER)

    def _selection(self, text: str) -> Selection:
        return parse_selection(
            text, replay_url=self._config.replay_url, opaque=self._config.opaque_session_ids
        )

    def _message(
        self, status: int, title: str, sentence: str, *, typed: str = "", leads_home: bool = True
    ) -> Response:
        return self._page(
            "message.html",
            status,
            title=title,
            sentence=sentence,
            typed=typed,
            leads_home=leads_home,
            source="",
        )

    def _page(self, template: str, status: int = http.HTTPStatus.OK, **values: Any) -> Response:
        return HTMLResponse(
            self._templates.get_template(template).render(version=__version__, **values), status
        )
