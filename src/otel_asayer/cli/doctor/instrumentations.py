"""Checks on frameworks and servers: what nothing instruments has no sessions and no spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, warning
from otel_asayer.cli.doctor.versions import INSTRUMENTATION, install_command
from otel_asayer.runtime.frameworks import BY_HAND, CLIENTS_TOO, INSTRUMENTED, SERVERS, WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.cli.doctor.settings import Environment

__all__ = ["check_instrumentations"]


def check_instrumentations(environment: Environment) -> Iterator[CheckResult]:
    """Check that web frameworks are instrumented: without that, no session id comes in."""
    used = environment.packages - environment.only_ours
    there = [framework for framework in INSTRUMENTED if framework in used]
    bare = [framework for framework in there if not _instrumentations(framework, environment)]
    yield from _bare(bare, environment)
    by_hand = [name for name in BY_HAND if name in used]
    servers = [name for name in SERVERS if name in used and WORKERS.issuperset(there)]
    yield from _to_wrap(by_hand, servers)
    if not (bare or by_hand or servers):
        yield ok(
            ", ".join(there)
            or f"no web framework or worker that needs one is installed{_not_counted(environment)}"
        )


def _instrumentations(framework: str, environment: Environment) -> list[str]:
    """Return the installed packages that instrument a framework."""
    names = (f"{INSTRUMENTATION}-{name}" for name in INSTRUMENTED[framework])
    return [name for name in names if name in environment.packages]


def _bare(bare: list[str], environment: Environment) -> Iterator[CheckResult]:
    """Report frameworks that nothing instruments.

    A library that applications also use as a client may be there for that alone. Without a
    distribution, opentelemetry-instrument is not in use, and code may do what a package would.
    """
    surely = [name for name in bare if name not in CLIENTS_TOO] if environment.has_distro else []
    maybe = [name for name in bare if name not in surely]
    if surely:
        yield problem(
            f"Installed and not instrumented: {', '.join(surely)}. Their requests have no session "
            "and no spans",
            _install(surely, environment),
        )
    if maybe:
        yield warning(
            f"Installed and not instrumented: {', '.join(maybe)}. If your application takes "
            "requests or messages with them, these have no session and no spans",
            _install(maybe, environment),
        )


def _install(frameworks: list[str], environment: Environment) -> str:
    # One for FastAPI instruments Starlette as well.
    needed = dict.fromkeys(
        next((name for name in reversed(names) if name in frameworks), names[0])
        for names in map(INSTRUMENTED.__getitem__, frameworks)
    )
    packages = [f"{INSTRUMENTATION}-{name}" for name in needed]
    return install_command(packages, environment.installed)


def _to_wrap(by_hand: list[str], servers: list[str]) -> Iterator[CheckResult]:
    """Warn about what no package instruments.

    That is a framework, or an application that a server runs without any known framework.
    """
    from otel_asayer.runtime import diagnostics

    if by_hand:
        interface = BY_HAND[by_hand[0]]
    elif servers:
        interface = SERVERS[servers[0]]
    else:
        return
    what = ", ".join(by_hand) or f"what {' or '.join(servers)} serves"
    fault, remedy = diagnostics.not_wrapped(what, interface)
    yield warning(
        f"{fault}. If you wrap the application already, nothing is wrong",
        remedy[:1].upper() + remedy[1:],
    )


def _not_counted(environment: Environment) -> str:
    ours = sorted(environment.only_ours & {*INSTRUMENTED, *SERVERS})
    return f" ({', '.join(ours)} came with otel-asayer[cli])" if ours else ""
