"""A backend on Flask. It knows nothing of OpenTelemetry: `opentelemetry-instrument` runs it."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, redirect, request, send_from_directory

from browser.backends.content import STATIC, answer, of_snippet, page

app: Flask = of_snippet().get("app") or Flask("shop")
ANY = ["GET", "POST", "PUT"]


@app.route("/page", methods=ANY)
def show() -> str:
    return page(request.args.get("scripts", ""))


@app.route("/downloads/<path:_>")
@app.route("/api/<path:_>", methods=ANY)
def api(_: str) -> dict[str, Any]:
    app.logger.warning("asked for %s", request.path)
    return answer(request.headers)


@app.route("/fail/<path:path>", methods=ANY)
def fail(path: str) -> Response:
    raise RuntimeError(f"nothing is at {path}")


@app.get("/timed")
def timed() -> Response:
    return Response("{}", headers={"Server-Timing": "db;dur=5"})


@app.get("/away")
def away() -> Any:
    return redirect(request.args["to"])


@app.get("/stream")
def stream() -> Response:
    return Response(
        f"data: {answer(request.headers)['session']}\n\n", content_type="text/event-stream"
    )


@app.get("/scripts/<path:name>")
def script(name: str) -> Response:
    answer = send_from_directory(STATIC, name)
    answer.headers["Service-Worker-Allowed"] = "/"
    return answer


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), threaded=True)
