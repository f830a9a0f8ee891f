"""A server of aiohttp's: logs, tasks, failures, and calls to itself."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web

log = logging.getLogger("pages")
PORT = int(sys.argv[1])
CLIENT: web.AppKey[ClientSession] = web.AppKey("client", ClientSession)


async def page(_: web.Request) -> web.Response:
    return web.Response(text="page")


async def warn(_: web.Request) -> web.Response:
    log.warning("Only one is left")
    return web.Response(text="warned")


async def call(request: web.Request) -> web.Response:
    for _ in range(2):
        async with request.app[CLIENT].get(f"http://127.0.0.1:{PORT}/warn") as answer:
            await answer.read()
    return web.Response(text="called")


async def work() -> None:
    await asyncio.sleep(0)
    log.error("The work of a task")


async def task(_: web.Request) -> web.Response:
    await asyncio.create_task(work())
    return web.Response(text="done")


async def fail(_: web.Request) -> web.Response:
    raise ValueError("no page")


async def refuse(_: web.Request) -> web.Response:
    raise web.HTTPForbidden


async def client(app: web.Application) -> AsyncIterator[None]:
    app[CLIENT] = ClientSession()
    yield
    await app[CLIENT].close()


app = web.Application()
app.cleanup_ctx.append(client)
app.add_routes(
    [web.get(f"/{handler.__name__}", handler) for handler in (page, warn, call, task, fail, refuse)]
)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=PORT)
