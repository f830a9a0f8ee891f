"""`opentelemetry.propagate` loads the propagator in every Python process that inherits
`OTEL_PROPAGATORS`: it may load little with it."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import otel_asayer
from otel_asayer.testing import ElasticsearchDouble

HEAVY = (
    "opentelemetry.sdk",
    "opentelemetry.instrumentation",
    "urllib3",
    "orjson",
)
RARE = tuple(
    f"otel_asayer.{name}"
    for name in (
        "propagation.patching",
        "propagation.grpc_calls",
        "sanitize",
        "runtime.sdk",
        "propagation.redirects",
    )
)


def loaded(code: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    """The `names`, by default the heavy packages, that a new process has loaded after `code`."""
    report = f"import sys; print(*(name for name in {names!r} if name in sys.modules))"
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "COV"))
    }
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        env={**environ, "OTEL_PROPAGATORS": "tracecontext,asayer"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        "",
        ".version",
        ".errors",
        ".attributes",
        ".environment_variables",
        ".config",
        ".propagation.session_id",
        ".propagation.context",
    ],
)
def test_a_module_of_the_session_side_loads_the_api_at_most(module: str) -> None:
    assert loaded(f"import otel_asayer{module}") == []


def test_the_propagator_loads_the_api_only() -> None:
    assert loaded("import otel_asayer.propagator") == []


def test_the_names_of_the_session_side_load_the_api_only() -> None:
    assert (
        loaded(
            "from otel_asayer import AsayerPropagator, ConfigurationError, SessionId, "
            "get_session_id, session"
        )
        == []
    )


def test_opentelemetry_builds_the_propagator_with_the_api_only() -> None:
    built = (
        "import opentelemetry.propagate as p; "
        "assert type(p.get_global_textmap()._propagators[1]).__name__ == 'DeclaredPropagator'"
    )
    assert loaded(built) == []


def test_what_few_processes_need_of_ours_is_not_loaded_at_start_up() -> None:
    assert loaded("import opentelemetry.propagate", RARE) == []


def test_the_rare_modules_are_named_as_they_are_loaded() -> None:
    assert loaded("".join(f"import {name};" for name in RARE), RARE) == list(RARE)


def test_a_request_needs_the_api_only() -> None:
    request = (
        "import opentelemetry.propagate as p; "
        "c = p.extract({'x-session-id': '17', 'baggage': 'a=b'}); p.inject({}, c)"
    )
    assert loaded(request) == []


def test_a_call_to_a_target_needs_the_api_only() -> None:
    call = (
        "from opentelemetry import trace, propagate as p; import requests, urllib.request, httpx; "
        "c = p.extract({'x-session-id': '17'})"
    )
    span = (
        "type('S', (trace.NonRecordingSpan,), {'kind': trace.SpanKind.CLIENT, "
        "'attributes': {'url.full': 'http://cart/'}})(trace.INVALID_SPAN_CONTEXT)"
    )
    assert (
        loaded(
            f"{call}; carrier = {{}}; p.inject(carrier, trace.set_span_in_context({span}, c)); "
            f"assert carrier['x-session-id'] == '17'"
        )
        == ["urllib3"]  # of requests
    )


EXPORT = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otel_asayer.exporter import ElasticsearchSpanExporter
provider = TracerProvider()
exporter = ElasticsearchSpanExporter(endpoint={url!r}, spool_directory={spool!r})
provider.add_span_processor(BatchSpanProcessor(exporter))
provider.get_tracer("shop").start_span("GET /cart").end()
provider.shutdown()
"""


def test_an_exporting_process_loads_what_exports_and_what_first_contact_needs(
    tmp_path: Path,
) -> None:
    rooms = ("timeline", "bridge", "cli", "web", "setup", "delivery")
    names = [
        module.name
        for module in pkgutil.walk_packages(otel_asayer.__path__, "otel_asayer.")
        if module.name.split(".")[1] in rooms
    ]
    with ElasticsearchDouble() as double:
        modules = loaded(EXPORT.format(url=double.url, spool=str(tmp_path)), tuple(names))
        assert [document["name"] for document in double.documents] == ["GET /cart"]
    assert [name for name in modules if not name.startswith("otel_asayer.delivery")] == [
        "otel_asayer.setup",
        "otel_asayer.setup.first_contact",
        "otel_asayer.setup.inventory",
        "otel_asayer.setup.planner",
        "otel_asayer.setup.templates",
    ]


def test_a_bad_environment_does_not_keep_opentelemetry_from_starting() -> None:
    bad = (
        "import os; os.environ.update(OTEL_ASAYER_PROPAGATION_TARGETS='http://x', "
        "OTEL_ASAYER_SESSION_HEADERS='a b', OTEL_ASAYER_ENABLED='?')"
    )
    assert loaded(f"{bad}; import opentelemetry.propagate") == []


def test_the_heavy_packages_are_named_as_they_are_loaded() -> None:
    assert loaded(
        "import opentelemetry.sdk.trace, opentelemetry.instrumentation.wsgi, urllib3, orjson"
    ) == list(HEAVY)
