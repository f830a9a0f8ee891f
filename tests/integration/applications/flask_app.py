"""A Flask application without OpenTelemetry, but for `/flush`, for the end-to-end tests."""

from __future__ import annotations

import logging
import os

import requests
from flask import Flask, request
from opentelemetry._logs import get_logger_provider
from opentelemetry.trace import get_tracer_provider

app = Flask(__name__)
log = logging.getLogger("application")
log.setLevel(logging.INFO)


@app.get("/ok")
def ok() -> str:
    log.info("all is well")
    return "ok"


@app.get("/boom")
def boom() -> str:
    raise ValueError("the handler failed")


@app.get("/relay")
def relay() -> str:
    return str(requests.get(request.args["to"], timeout=10).status_code)


@app.get("/flush")
def flush() -> str:
    """Let everything be exported now."""
    get_tracer_provider().force_flush()  # type: ignore[attr-defined]
    get_logger_provider().force_flush()  # type: ignore[attr-defined]
    return "flushed"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
