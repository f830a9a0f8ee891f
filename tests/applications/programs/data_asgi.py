"""Datasette, in the ASGI middleware that makes its requests spans."""

from datasette.app import Datasette
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

app = OpenTelemetryMiddleware(Datasette(memory=True).app())
