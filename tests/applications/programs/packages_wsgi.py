"""pypiserver, in the WSGI middleware that makes its requests spans."""

import pypiserver
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

app = OpenTelemetryMiddleware(pypiserver.app(roots=["."], verbosity=0))
