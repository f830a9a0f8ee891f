"""What a file of declarative configuration says about this package.

With `OTEL_CONFIG_FILE`, the file configures the SDK in place of variables: it names the exporters
and propagators, and may hold their settings. OpenTelemetry's own package reads it, so the doctor
sees what an application gets.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.cli.doctor.versions import InstalledPackage, install_command
from otel_asayer.cli.options import related
from otel_asayer.config import SETTINGS, Config, declared_config

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["Declaration", "read_declaration", "with_declared"]

_PACKAGE: Final = "opentelemetry-configuration"
_NOTHING: Final = "nothing at all is recorded"
_EXPORTER: Final = "elasticsearch"
_PROPAGATOR: Final = "asayer"
_SERVICE: Final = "service.name"
_OF_PROPAGATOR: Final = (
    "session_headers",
    "session_cookie",
    "opaque_session_ids",
    "propagation_targets",
    "propagate_to_unknown",
)
"""The settings that the propagator obeys; the exporters obey the others."""


class Declaration(NamedTuple):
    """What the file says.

    Attributes:
        fault: Why OpenTelemetry cannot use the file, as a sentence; empty if it can.
        remedy: What to do about it.
        exporters: The settings of our exporter, for each of `traces` and `logs` that has it.
        propagators: The settings of each propagator, by name.
        names_service: Whether it gives the service a name, or leaves that to a detector.
    """

    fault: str = ""
    remedy: str = ""
    exporters: Mapping[str, Mapping[str, Any]] = {}
    propagators: Mapping[str, Mapping[str, Any]] = {}
    names_service: bool = True

    @property
    def block(self) -> Mapping[str, Any]:
        """The settings for a process: those of the first exporter, and the propagator's own."""
        ours = self.propagators.get(_PROPAGATOR, {})
        exporter = next(iter(self.exporters.values()), {})
        return {
            **{name: value for name, value in exporter.items() if name not in _OF_PROPAGATOR},
            **{
                name: value
                for name, value in ours.items()
                if name in _OF_PROPAGATOR or name not in SETTINGS
            },
        }


def read_declaration(file: str, installed: Mapping[str, InstalledPackage]) -> Declaration:
    """Return what a file says.

    Args:
        file: Its path.
        installed: The installed packages.
    """
    if _PACKAGE not in installed:
        return Declaration(
            f"OTEL_CONFIG_FILE needs the package {_PACKAGE}: without it {_NOTHING}",
            install_command([_PACKAGE], installed),
        )
    if not Path(file).is_file() or not os.access(file, os.R_OK):
        return Declaration(
            f"OTEL_CONFIG_FILE names {file}, which is not a readable file: {_NOTHING}",
            "Correct OTEL_CONFIG_FILE, or unset it",
        )
    from opentelemetry.configuration import load_config_file

    try:
        with _silent("opentelemetry.configuration"):
            model = load_config_file(file)
    except Exception as error:
        # Its message may quote the file, and with it a secret.
        return Declaration(
            f"OpenTelemetry cannot use {file}, which OTEL_CONFIG_FILE names"
            f"{_place(error)}: {_NOTHING}",
            "Correct the file; the application says at its start what is wrong with it",
        )
    return Declaration(
        exporters=dict(_exporters(model)),
        propagators=dict(_propagators(model.propagator)),
        names_service=_names_service(model.resource),
    )


def with_declared(config: Config, block: Mapping[str, Any], given: Collection[str]) -> Config:
    """Return `config` with the settings of a file, but for those that options give.

    Args:
        config: The settings of variables and options.
        block: The settings of the file.
        given: Names of the settings that options give: they go before the file.
    """
    kept = related(given)
    declared = declared_config({name: value for name, value in block.items() if name not in kept})
    variables = {SETTINGS[name].variable for name in kept}
    return declared.replace(
        **{name: getattr(config, name) for name in kept},
        problems=tuple(one for one in declared.problems if one.variable not in variables),
    )


def _exporters(model: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for signal, provider in (("traces", model.tracer_provider), ("logs", model.logger_provider)):
        for processor in getattr(provider, "processors", None) or ():
            for kind in (processor.batch, processor.simple):
                named = getattr(getattr(kind, "exporter", None), "additional_properties", {})
                if _EXPORTER in named:
                    yield signal, named[_EXPORTER] or {}


def _propagators(model: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names = (getattr(model, "composite_list", None) or "").split(",")
    yield from ((name.strip(), {}) for name in names)
    for entry in getattr(model, "composite", None) or ():
        if entry.baggage is not None:
            yield "baggage", {}
        for name, block in entry.additional_properties.items():
            yield name, block or {}


def _names_service(resource: Any) -> bool:
    if resource is None:
        return False
    names = [attribute.name for attribute in resource.attributes or ()]
    listed = (resource.attributes_list or "").split(",")
    return bool(
        resource.detection_development
        or _SERVICE in names
        or any(pair.partition("=")[0].strip() == _SERVICE for pair in listed)
    )


def _place(error: BaseException) -> str:
    """Return where in the file an error is, if that is known."""
    cause = error.__cause__
    if line := getattr(getattr(cause, "problem_mark", None), "line", None):
        return f" (line {line + 1})"
    path = getattr(cause, "json_path", "")
    return f" (at {path})" if path else ""


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep what a package logs from a terminal."""
    logger = logging.getLogger(name)
    handler, propagate = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
