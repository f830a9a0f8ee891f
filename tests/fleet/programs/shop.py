"""The fleet's service on Flask, which serves the page. It knows nothing of OpenTelemetry."""

from __future__ import annotations

import os

import requests
from flask import Flask, Response, request, send_from_directory

from browser.backends.content import STATIC, page

app = Flask("shop")
DELIVERY = os.environ["DELIVERY"]


@app.get("/page")
def show() -> str:
    return page(request.args.get("scripts", ""))


@app.get("/order/<number>")
def order(number: str) -> Response:
    app.logger.warning("order %s is large", number)
    answer = requests.get(f"{DELIVERY}/order/{number}", timeout=60)
    if not answer.ok:
        raise RuntimeError(f"no delivery of order {number}")
    return Response("delivered")


@app.get("/scripts/<path:name>")
def script(name: str) -> Response:
    return send_from_directory(STATIC, name)


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), threaded=True)
