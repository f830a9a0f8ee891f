"""Write the pages on variables and metrics; `make docs` runs this.

A test checks that the committed pages are up to date.
"""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_asayer import environment_variables
from otel_asayer.bridge.metrics import INSTRUMENTS as OF_BRIDGE
from otel_asayer.config import SETTINGS
from otel_asayer.config.parsers import FailClosed
from otel_asayer.config.targets import INTERNAL, Targets
from otel_asayer.delivery import outcomes
from otel_asayer.delivery.metrics import INSTRUMENTS as OF_EXPORTERS
from otel_asayer.delivery.outcomes import Outcome

if TYPE_CHECKING:
    from types import ModuleType

DOCS: Final = Path(__file__).parent
VARIABLES: Final = DOCS / "reference" / "variables.md"
METRICS: Final = DOCS / "reference" / "metrics.md"

_HEAD: Final = """# Variables

Generated from `otel_asayer.environment_variables` and `otel_asayer.config` by `make docs`.

Every setting is also a keyword argument of the public classes and of `configure()`, and a key in
declarative configuration, under the name that is given as its argument. Arguments override
variables, and variables override defaults. An empty variable counts as unset.

A bad value never stops the application. Usually the variable counts as unset. Some settings matter
for security, and fail closed: a bad value turns the feature off, as noted with those. One message at
start-up lists all bad values.
"""


_METRICS_HEAD: Final = """# Metrics

Generated from `otel_asayer.delivery.metrics`, `otel_asayer.bridge.metrics` and
`otel_asayer.delivery.outcomes` by `make docs`.

The exporters report metrics about themselves to OpenTelemetry's MeterProvider: the one in an
exporter's argument `meter_provider`, or the global one, even if it is set later. Under
`opentelemetry-instrument`, set one variable to get them, for example `OTEL_METRICS_EXPORTER=otlp`.

Without a MeterProvider no metrics are collected. The log then reports losses, at most once a minute.
`OTEL_SDK_DISABLED=true` turns everything off.

[`otel-asayer bridge`](../how-to/fleet.md#metrics) reports the metrics under `otel_asayer.bridge.`.

The metrics under `otel.sdk.` follow the
[semantic conventions](https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/). With
`OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`, the SDK also reports metrics about its own batch
processors, under `otel.sdk.processor.`. They are counted separately.

## Instruments
"""

_OUTCOMES_HEAD: Final = """
## Attributes

| attribute | values |
|---|---|
| `otel.component.name`, `otel.component.type` | The exporter. The type is its class name; the name adds its number in the process. |
| `server.address`, `server.port` | The first endpoint. Missing with a Cloud ID or without a destination. |
| `error.type` | The cause in one word: an error type or a status from Elasticsearch, or one of our own. On `exported` and `duration`, only for failures. |
| `http.response.status_code` | The status of the last response to an export. Missing if there was none. |
| `otel_asayer.spool.folder` | The folder of the destination. It is read when metrics are collected, at most every five seconds. |
| `otel_asayer.bridge.reason` | `invalid`, `no_session` or `no_span`. |
| `otel_asayer.outcome` | See below. |

`error.type` is `queue_full` for spans and log records that a batch processor dropped because its
queue was full. The exporter behind that processor counts them, from its first export on.

## Outcomes

A document can have several outcomes on its way. Its last one is `indexed`, `duplicate`, `rejected`,
`evicted` or `dropped`. A document in the spool has no last outcome yet.

| `otel_asayer.outcome` | meaning |
|---|---|
"""


def metrics() -> str:
    """Return the page on metrics, in the order of the modules that define them."""
    entries = []
    for name, kind, unit, attributes, text in (*OF_EXPORTERS.values(), *OF_BRIDGE.values()):
        listed = ", ".join(f"`{attribute}`" for attribute in attributes)
        facts = [
            f"Instrument: {kind.replace('_', ' ')}",
            f"Unit: `{unit}`",
            *([f"Attributes: {listed}"] if listed else []),
        ]
        entries.append(_entry(name, text, facts))
    meanings = (
        f"| `{Outcome[name].value}` | {_cell(text)} |\n"
        for name, text in _documented(_class(outcomes, Outcome)).items()
    )
    return _METRICS_HEAD + "".join(entries) + _OUTCOMES_HEAD + "".join(meanings)


def variables() -> str:
    """Return the page on variables, in the order of the module that documents them."""
    sections = (("Session", "OTEL_ASAYER_"), ("Exporter", "OTEL_EXPORTER_ELASTICSEARCH_"))
    return _HEAD + "".join(f"\n## {title}\n{_settings(prefix)}" for title, prefix in sections)


def _settings(prefix: str) -> str:
    names = {setting.variable: name for name, setting in SETTINGS.items()}
    return "".join(
        _entry(variable, text, _facts(names[variable]))
        for variable, text in documented_constants().items()
        if variable.startswith(prefix)
    )


def _facts(name: str) -> list[str]:
    default = SETTINGS[name].default
    closes = SETTINGS[name].closes
    return [
        f"Argument: `{name}`",
        *([f"Default: {_shown(default)}"] if _shown(default) else []),
        *([] if closes is FailClosed.NOTHING else [f"A bad value fails closed: {closes.value}"]),
    ]


def _entry(name: str, text: str, facts: list[str]) -> str:
    """A heading, so that one can link to it, and what fits on a narrow screen too."""
    listed = "".join(f"- {fact}\n" for fact in facts)
    return f"\n### `{name}`\n\n{' '.join(text.split())}\n\n{listed}"


def documented_constants() -> dict[str, str]:
    """Return each variable with the docstring below its constant."""
    return _documented(_body(environment_variables))


def _body(module: ModuleType) -> list[ast.stmt]:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body


def _class(module: ModuleType, wanted: type) -> list[ast.stmt]:
    return next(
        statement.body
        for statement in _body(module)
        if isinstance(statement, ast.ClassDef) and statement.name == wanted.__name__
    )


def _documented(body: list[ast.stmt]) -> dict[str, str]:
    """Map each constant to the docstring below it."""
    return {
        statement.targets[0].id: following.value.value
        for statement, following in itertools.pairwise(body)
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


def _shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    return f"`{_text(default)}`"


def _text(default: Any) -> str:
    if isinstance(default, Targets):
        return INTERNAL
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write every generated page."""
    VARIABLES.write_text(variables(), encoding="utf-8")
    METRICS.write_text(metrics(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
