"""A backend on FastAPI. It knows nothing of OpenTelemetry: `opentelemetry-instrument` runs it."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from browser.backends.content import STATIC, answer, of_snippet, page

names = of_snippet()
api: FastAPI = names.get("api") or names.get("app") or FastAPI()
app = names.get("app", api)
ANY = ["GET", "POST", "PUT"]


@api.api_route("/page", methods=ANY)
async def show(scripts: str = "") -> HTMLResponse:
    return HTMLResponse(page(scripts))


@api.api_route("/api/{path:path}", methods=ANY)
async def ask(path: str, request: Request) -> dict[str, Any]:
    logging.getLogger("shop").warning("asked for %s", path)
    return answer(request.headers)


@api.api_route("/fail/{path:path}", methods=ANY)
async def fail(path: str) -> None:
    raise RuntimeError(f"nothing is at {path}")


@api.get("/away")
async def away(to: str) -> RedirectResponse:
    return RedirectResponse(to)


api.mount("/scripts", StaticFiles(directory=STATIC))
