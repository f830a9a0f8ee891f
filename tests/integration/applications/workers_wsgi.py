"""A WSGI application that says which worker answers, for the tests of processes."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask
from opentelemetry import trace

app = Flask(__name__)


@app.get("/jobs/<int:number>")
def work(number: int) -> str:
    trace.get_current_span().set_attributes({"work": number, "worker": os.getpid()})
    return str(os.getpid())


@app.get("/wait/<int:number>")
def wait(number: int) -> str:
    """Say in a file that this worker is busy, and be so until somebody writes to a pipe."""
    pipe = Path(os.environ["PIPE"])
    pipe.with_suffix(".busy").touch()
    pipe.read_bytes()
    return work(number)
