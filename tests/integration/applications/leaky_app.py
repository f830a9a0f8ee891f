"""A Flask application that logs what it is given, and raises it:

what happens when nobody thought of credentials.
"""

from __future__ import annotations

import logging
import os

from flask import Flask, request

app = Flask(__name__)
log = logging.getLogger("application")
log.setLevel(logging.INFO)


@app.get("/quiet")
def quiet() -> str:
    return "ok"


@app.get("/say")
def say() -> str:
    log.info("headers of a request: %s", list(request.headers.items()))
    return "ok"


@app.get("/boom")
def boom() -> str:
    raise ValueError(f"no session in {list(request.headers.items())} of {request.cookies}")


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
