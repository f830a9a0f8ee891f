"""OpenTelemetry for Python, connected to the Asayer / OpenReplay session replay through
Elasticsearch.

Names are resolved when first used (PEP 562), from one table: importing a class that needs the
OpenTelemetry SDK imports the SDK, and nothing else does. `opentelemetry.propagate` loads this
package in every Python process that inherits `OTEL_PROPAGATORS`, so this file stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from otel_asayer.version import __version__

if TYPE_CHECKING:
    from otel_asayer.errors import AsayerError, ConfigurationError, InvalidSessionIdError
    from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
    from otel_asayer.id_generator import SystemRandomIdGenerator
    from otel_asayer.instrument import configure
    from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
    from otel_asayer.propagation.context import get_session_id, session
    from otel_asayer.propagation.session_id import SessionId
    from otel_asayer.propagator import AsayerPropagator
    from otel_asayer.sampler import SessionSampler

__all__ = [
    "AsayerError",
    "AsayerPropagator",
    "ConfigurationError",
    "ElasticsearchLogRecordExporter",
    "ElasticsearchSpanExporter",
    "InvalidSessionIdError",
    "SessionId",
    "SessionLogRecordProcessor",
    "SessionSampler",
    "SessionSpanProcessor",
    "SystemRandomIdGenerator",
    "__version__",
    "configure",
    "get_session_id",
    "session",
]

_MODULES = {
    "AsayerError": "errors",
    "AsayerPropagator": "propagator",
    "ConfigurationError": "errors",
    "ElasticsearchLogRecordExporter": "exporter",
    "ElasticsearchSpanExporter": "exporter",
    "InvalidSessionIdError": "errors",
    "SessionId": "propagation.session_id",
    "SessionLogRecordProcessor": "processors",
    "SessionSampler": "sampler",
    "SessionSpanProcessor": "processors",
    "SystemRandomIdGenerator": "id_generator",
    "configure": "instrument",
    "get_session_id": "propagation.context",
    "session": "propagation.context",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
