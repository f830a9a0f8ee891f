"""An ASGI application that says which worker answers, for the tests of processes."""

from __future__ import annotations

import os

from fastapi import FastAPI
from opentelemetry import trace

app = FastAPI()


@app.get("/jobs/{number}")
async def work(number: int) -> int:
    trace.get_current_span().set_attributes({"work": number, "worker": os.getpid()})
    return os.getpid()
