"""A Flask application without a line of OpenTelemetry, for the end-to-end tests."""

from __future__ import annotations

import logging
import os

import requests
from flask import Flask, request

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


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
