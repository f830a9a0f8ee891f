"""What the doctor says about frameworks and servers that nothing instruments."""

from __future__ import annotations

import pytest

from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.instrumentations import check_instrumentations
from otel_asayer.cli.doctor.settings import Environment
from otel_asayer.cli.release import published_versions
from otel_asayer.runtime.frameworks import CLIENTS_TOO, INSTRUMENTED
from unit.cli.doctor.support import environment, short, statuses

PUBLISHED = published_versions()
RELEASE = PUBLISHED["opentelemetry-instrumentation"]


@pytest.fixture(autouse=True)
def _with_distro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "has_distro", True)


def test_a_framework_without_instrumentation_is_named() -> None:
    (result,) = check_instrumentations(
        environment("flask", "celery", "requests", "opentelemetry-instrumentation-celery")
    )
    assert result == CheckResult(
        Status.PROBLEM,
        "Installed and not instrumented: flask. Their requests have no session and no spans",
        f"pip install opentelemetry-instrumentation-flask=={RELEASE}",
    )


def test_starlette_below_fastapi_is_instrumented_with_it() -> None:
    assert short(
        check_instrumentations(
            environment("starlette", "fastapi", "opentelemetry-instrumentation-fastapi")
        )
    ) == [("ok", "fastapi, starlette")]


def test_a_server_of_aiohttp_needs_more_than_the_instrumentation_of_its_client() -> None:
    (result,) = check_instrumentations(
        environment("aiohttp", "opentelemetry-instrumentation-aiohttp-client")
    )
    assert result.remedy == f"pip install opentelemetry-instrumentation-aiohttp-server=={RELEASE}"


def test_a_script_needs_no_instrumentation() -> None:
    assert short(check_instrumentations(environment())) == [
        ("ok", "no web framework or worker that needs one is installed")
    ]


def test_without_a_distribution_code_may_instrument_a_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Environment, "has_distro", False)
    assert statuses(check_instrumentations(environment("flask"))) == [Status.WARNING]


@pytest.mark.parametrize("package", sorted(CLIENTS_TOO))
def test_a_package_that_may_be_there_as_a_client_is_no_problem(package: str) -> None:
    assert statuses(check_instrumentations(environment(package))) == [Status.WARNING]


def test_starlette_below_fastapi_needs_no_instrumentation_of_its_own() -> None:
    (result,) = check_instrumentations(environment("starlette", "fastapi"))
    assert result.remedy == f"pip install opentelemetry-instrumentation-fastapi=={RELEASE}"


def test_the_remedy_fits_a_newer_release_and_says_what_to_do_if_that_is_incomplete() -> None:
    newer = ("opentelemetry-instrumentation==9.9b9", "opentelemetry-sdk==9.9.9")
    (result,) = check_instrumentations(environment("flask", *newer))
    assert result.remedy == (
        "pip install opentelemetry-instrumentation-flask==9.9b9. If pip does not find them, this "
        "release is incomplete; then install a complete one: pip install "
        f"opentelemetry-instrumentation=={RELEASE} opentelemetry-instrumentation-flask=={RELEASE} "
        f"opentelemetry-sdk=={PUBLISHED['opentelemetry-sdk']}"
    )


def test_the_published_release_has_an_instrumentation_for_each_framework() -> None:
    needed = {
        f"opentelemetry-instrumentation-{name}" for names in INSTRUMENTED.values() for name in names
    }
    assert needed - PUBLISHED.keys() == set()


def test_what_only_our_extra_brought_is_not_reported() -> None:
    ours = environment("starlette", "uvicorn", "opentelemetry-instrumentation-starlette")._replace(
        only_ours=frozenset({"starlette", "uvicorn"})
    )
    detail = (
        "no web framework or worker that needs one is installed (starlette, uvicorn came with "
        "otel-asayer[cli])"
    )
    assert short(check_instrumentations(ours)) == [("ok", detail)]


def test_aiohttp_is_instrumented_as_a_server() -> None:
    assert statuses(
        check_instrumentations(
            environment("aiohttp", "opentelemetry-instrumentation-aiohttp-client")
        )
    ) == [Status.WARNING]
    assert short(
        check_instrumentations(
            environment("aiohttp", "opentelemetry-instrumentation-aiohttp-server")
        )
    ) == [("ok", "aiohttp")]


@pytest.mark.parametrize(("package", "interface"), [("bottle", "wsgi"), ("datasette", "asgi")])
def test_a_framework_that_no_package_instruments_has_to_be_wrapped(
    package: str, interface: str
) -> None:
    (result,) = check_instrumentations(
        environment(package, "flask", "opentelemetry-instrumentation-flask")
    )
    assert (result.status, result.detail.partition(",")[0]) == (
        Status.WARNING,
        f"Requests to {package} have no session and no spans",
    )
    assert (
        f"from opentelemetry.instrumentation.{interface} import OpenTelemetryMiddleware"
        in result.remedy
    )


@pytest.mark.parametrize("worker", [(), ("celery", "opentelemetry-instrumentation-celery")])
def test_a_server_without_an_instrumented_framework_is_named(worker: tuple[str, ...]) -> None:
    (result,) = check_instrumentations(environment("gunicorn", *worker))
    assert (result.status, result.detail.partition(",")[0]) == (
        Status.WARNING,
        "Requests to what gunicorn serves have no session and no spans",
    )


def test_a_server_of_an_instrumented_framework_is_well() -> None:
    assert short(
        check_instrumentations(
            environment("gunicorn", "flask", "opentelemetry-instrumentation-flask")
        )
    ) == [("ok", "flask")]
