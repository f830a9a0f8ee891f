"""An aiohttp application without a line of OpenTelemetry:

each request logs, calls another handler and logs again; its number is in everything.
"""

from __future__ import annotations

import asyncio
import logging
import os

from aiohttp import ClientSession, web

log = logging.getLogger("application")
PORT = int(os.environ["PORT"])


async def work(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    log.warning("begun %s", number)
    async with (
        ClientSession() as client,
        client.get(f"http://127.0.0.1:{PORT}/leaf/{number}") as answer,
    ):
        await answer.read()
    await asyncio.gather(*(part(number) for _ in range(2)))
    return web.Response(text=number)


async def part(number: str) -> None:
    await asyncio.sleep(0)
    log.warning("part of %s", number)


async def leaf(request: web.Request) -> web.Response:
    log.warning("leaf of %s", request.match_info["number"])
    return web.Response()


async def boom(request: web.Request) -> web.Response:
    raise ValueError(f"failed {request.match_info['number']}")


application = web.Application()
application.add_routes(
    [
        web.get("/jobs/{number}", work),
        web.get("/leaf/{number}", leaf),
        web.get("/boom/{number}", boom),
    ]
)

if __name__ == "__main__":
    web.run_app(application, host="127.0.0.1", port=PORT)
