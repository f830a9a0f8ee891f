"""A FastAPI application without a line of OpenTelemetry, for the end-to-end tests."""

from __future__ import annotations

import asyncio
import logging

from fastapi import FastAPI

app = FastAPI()
log = logging.getLogger("application")
log.setLevel(logging.INFO)
tasks: set[asyncio.Task[None]] = set()


@app.get("/ok")
async def ok() -> dict[str, bool]:
    log.info("all is well")
    return {"ok": True}


@app.get("/boom/{item}")
async def boom(item: int) -> dict[str, bool]:
    raise ValueError(f"the handler failed at {item}")


@app.get("/background")
async def background() -> dict[str, bool]:
    task = asyncio.create_task(work())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return {"ok": True}


async def work() -> None:
    await asyncio.sleep(0)
    log.warning("work done behind the answer")
