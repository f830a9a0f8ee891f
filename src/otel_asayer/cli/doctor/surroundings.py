"""What the checks know of the process they run in:

variables and installed packages, taken up once.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.config import opentelemetry_variables
from otel_asayer.runtime.frameworks import Installed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SIGNALS", "Surroundings"]

SIGNALS: Final = ("traces", "logs", "metrics")


class Surroundings(NamedTuple):
    """What is there.

    Attributes:
        variables: those of OpenTelemetry, which begin with `OTEL_`, and `DJANGO_SETTINGS_MODULE`.
        packages: names of installed distributions, normalised: lower case, with hyphens.
        exporters: of each signal, the names of its installed exporters.
        only_ours: those packages that only our extra `cli` brought: nobody uses them but the doctor
            and its like.
    """

    variables: Mapping[str, str]
    packages: frozenset[str]
    exporters: Mapping[str, frozenset[str]]
    only_ours: frozenset[str] = frozenset()

    @classmethod
    def of_this_process(cls) -> Surroundings:
        """Look around."""
        installed = Installed.here()
        return cls(
            opentelemetry_variables(),
            installed.packages,
            {
                signal: frozenset(entry_points(group=f"opentelemetry_{signal}_exporter").names)
                for signal in SIGNALS
            },
            installed.only_ours,
        )

    def value(self, name: str) -> str:
        """Return a variable's value without spaces around; empty counts as unset (OpenTelemetry's rule)."""
        return self.variables.get(name, "").strip()

    @property
    def configuration_file(self) -> str:
        """The file of declarative configuration, which overrules most variables of OpenTelemetry."""
        return self.value("OTEL_CONFIG_FILE")

    @property
    def has_distro(self) -> bool:
        """Whether something is installed that sets the SDK up under `opentelemetry-instrument`."""
        return bool(entry_points(group="opentelemetry_configurator"))
