"""Applications that configure no logging, or do so later; what each prints is compared with and
without OpenTelemetry.

`python consoles.py SERVER` serves `/warn`, which logs a warning, and `/boom`, which fails, on
`PORT`; `python consoles.py` runs the scripts below, each in a fork of its own, for logging is
configured once in a process.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import sys
from contextlib import suppress
from logging import basicConfig
from typing import NoReturn

PORT = int(os.environ.get("PORT", "0"))
log = logging.getLogger("application")


def failing() -> NoReturn:
    raise ValueError("the handler failed")


def flask() -> None:
    from flask import Flask

    app = Flask(__name__)

    @app.get("/warn")
    def warn() -> str:
        log.warning("careful")
        app.logger.warning("careful, too")
        return "ok"

    app.add_url_rule("/boom", view_func=failing)
    app.run(host="127.0.0.1", port=PORT)


def werkzeug() -> None:
    from werkzeug.serving import run_simple
    from werkzeug.wrappers import Request, Response

    @Request.application
    def app(request: Request) -> Response:
        log.warning("careful")
        return Response("ok") if request.path == "/warn" else failing()

    run_simple("127.0.0.1", PORT, app)


def aiohttp() -> None:
    from aiohttp import web

    async def warn(_: web.Request) -> web.Response:
        log.warning("careful")
        return web.Response()

    async def boom(_: web.Request) -> web.Response:
        failing()

    app = web.Application()
    app.add_routes([web.get("/warn", warn), web.get("/boom", boom)])
    web.run_app(app, host="127.0.0.1", port=PORT)


def tornado(*options: str) -> None:
    from tornado.options import parse_command_line
    from tornado.web import Application, RequestHandler

    class Handler(RequestHandler):
        def get(self) -> None:
            log.warning("careful")
            if self.request.path == "/boom":
                failing()

    async def serve() -> None:
        Application([("/.*", Handler)]).listen(PORT, "127.0.0.1")
        await asyncio.Event().wait()

    if options:
        parse_command_line(["tornado", *options])
    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


def pretty_tornado() -> None:
    tornado("--logging=info")


def uvicorn() -> None:
    import uvicorn as server

    async def app(scope: dict[str, str], receive: object, send: object) -> None:
        if scope["type"] == "http":
            log.warning("careful")
            if scope["path"] == "/boom":
                failing()
            for message in (
                {"type": "http.response.start", "status": 200, "headers": []},
                {"type": "http.response.body", "body": b""},
            ):
                await send(message)  # type: ignore[operator]

    server.run(app, host="127.0.0.1", port=PORT, lifespan="off")


def a_last_resort() -> None:
    log.info("nobody shows it")
    log.warning("as it is")
    try:
        failing()
    except ValueError:
        log.exception("it failed")


def functions_of_the_module() -> None:
    logging.info("nobody shows it")  # noqa: LOG015
    logging.warning("with its level")  # noqa: LOG015
    log.warning("with its level, too")


def basic_config_at_last() -> None:
    log.warning("as it is")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    log.info("formatted")
    logging.basicConfig(format="ignored")
    log.warning("formatted")


def basic_config_that_was_imported_before() -> None:
    basicConfig(format="%(name)s %(message)s")
    log.warning("formatted")


def basic_config_by_force() -> None:
    logging.basicConfig(format="first %(message)s")
    logging.basicConfig(format="second %(message)s", force=True)
    log.warning("formatted")


def a_dictionary() -> None:
    console = {"class": "logging.StreamHandler", "formatter": "short"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"short": {"format": "dict %(message)s"}},
            "handlers": {"console": console},
            "loggers": {"application": {"handlers": ["console"]}},
        }
    )
    log.warning("once, below the root")
    logging.getLogger("other").warning("as it is")


def own_handlers() -> None:
    log.addHandler(logging.StreamHandler())
    log.warning("once")
    logging.getLogger("other").warning("as it is")
    logging.getLogger().addHandler(logging.StreamHandler())
    logging.getLogger("other").warning("once")
    log.propagate = False
    log.warning("once, as it goes no further")


def what_others_ask() -> None:
    print(logging.root.handlers, logging.root.hasHandlers(), log.hasHandlers(), flush=True)
    logging.root.addHandler(logging.NullHandler())
    log.warning("silenced by the application")
    print(logging.root.handlers, flush=True)


def a_handler_that_fails() -> None:
    class Failing(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("out of order")

    log.addHandler(Failing())
    try:
        log.warning("seen by OpenTelemetry alone")
    except RuntimeError as error:
        print(error, flush=True)


SCRIPTS = [
    a_last_resort,
    functions_of_the_module,
    basic_config_at_last,
    basic_config_that_was_imported_before,
    basic_config_by_force,
    a_dictionary,
    own_handlers,
    what_others_ask,
    a_handler_that_fails,
]
SERVERS = {
    server.__name__: server
    for server in (flask, werkzeug, aiohttp, tornado, pretty_tornado, uvicorn)
}


def run_scripts() -> None:
    for script in SCRIPTS:
        print(f"# {script.__name__}", flush=True)
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            script()
            os._exit(0)


if __name__ == "__main__":
    SERVERS[sys.argv[1]]() if sys.argv[1:] else run_scripts()
