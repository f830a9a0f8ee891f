"""Write the generated parts of the documentation: `make docs`.

A test asserts that what is committed is what this would write.
"""

from __future__ import annotations

import ast
import itertools
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_asayer import environment_variables
from otel_asayer.config import SETTINGS, Config
from otel_asayer.config.parsers import Closes
from otel_asayer.config.targets import INTERNAL, Targets
from otel_asayer.delivery import outcomes
from otel_asayer.delivery.metrics import INSTRUMENTS
from otel_asayer.delivery.outcomes import Fate

if TYPE_CHECKING:
    from types import ModuleType

DOCS: Final = Path(__file__).parent
VARIABLES: Final = DOCS / "reference" / "variables.md"
METRICS: Final = DOCS / "reference" / "metrics.md"

_HEAD: Final = """# Variables

Generated from `otel_asayer.environment_variables` and `otel_asayer.config` by `make docs`.

Every setting is also a keyword argument of the public classes and of `configure()`, in code and in declarative configuration, under the name in
the second column. Arguments go before variables, variables before defaults; an empty variable counts as unset.

A value that cannot be used never stops the application: the default is used or, where the last column says so, it closes instead.
One message at start-up lists all of them.
"""


_METRICS_HEAD: Final = """# Metrics

Generated from `otel_asayer.delivery.metrics` and `otel_asayer.delivery.outcomes` by `make docs`.

What the exporters tell about themselves goes to OpenTelemetry's MeterProvider: the global one, also where it is set later, or the argument
`meter_provider` of an exporter. Under `opentelemetry-instrument` that is one variable, `OTEL_METRICS_EXPORTER=otlp` for example. Without a
MeterProvider nothing is collected, and the log says at most once a minute what was lost. `OTEL_SDK_DISABLED=true` switches it all off.

The metrics under `otel.sdk.` are those of the [semantic conventions](https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/). What the SDK
counts of its own batch processors, where `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`, is under `otel.sdk.processor.` and counted apart.
"""

_OUTCOMES_HEAD: Final = """
## Attributes

| attribute | values |
|---|---|
| `otel.component.name`, `otel.component.type` | Which exporter: the name of its class, and with its number in the process. |
| `server.address`, `server.port` | The first endpoint. Absent for a Cloud ID, and without a destination. |
| `error.type` | The cause, in a word: a type of error or a status of Elasticsearch, or one of ours. Of `exported` and `duration`: only of failures. |
| `http.response.status_code` | The status of the last answer that an export got. Absent where there was none. |
| `otel_asayer.spool.folder` | The folder of the destination. It is looked at when somebody collects, at most every five seconds. |
| `otel_asayer.outcome` | See below. |

`error.type` is `queue_full` for what the queue of a batch processor dropped: those are counted by the exporter that the processor feeds, as spans
and log records, from its first export on.

## Outcomes

A document may meet several on its way, and ends as `indexed`, `duplicate`, `rejected`, `evicted` or `dropped`; what waits in the spool has not ended.

| `otel_asayer.outcome` | meaning |
|---|---|
"""


def metrics() -> str:
    """The tables of metrics and of outcomes, in the order of the modules that define them."""
    rows = ["", "| metric | instrument | unit | attributes | meaning |", "|---|---|---|---|---|"]
    for name, kind, unit, attributes, text in INSTRUMENTS.values():
        listed = ", ".join(f"`{attribute}`" for attribute in attributes)
        rows.append(
            f"| `{name}` | {kind.replace('_', ' ')} | `{unit}` | {listed} | {_cell(text)} |"
        )
    meanings = (
        f"| `{Fate[name].value}` | {_cell(text)} |\n"
        for name, text in _documented(_class(outcomes, Fate)).items()
    )
    return _METRICS_HEAD + "\n".join(rows) + "\n" + _OUTCOMES_HEAD + "".join(meanings)


def variables() -> str:
    """The table of variables, in the order of the module that documents them."""
    sections = (("Session", "OTEL_ASAYER_"), ("Exporter", "OTEL_EXPORTER_ELASTICSEARCH_"))
    return _HEAD + "".join(f"\n## {title}\n\n{_table(prefix)}" for title, prefix in sections)


def _table(prefix: str) -> str:
    names = {setting.variable: name for name, setting in SETTINGS.items()}
    defaults = {field.name: field.default for field in fields(Config)}
    rows = ["| variable | argument | default | meaning | a bad value |", "|---|---|---|---|---|"]
    for variable, text in documented_constants().items():
        if variable.startswith(prefix):
            name = names[variable]
            closes = SETTINGS[name].closes
            consequence = (
                "counts as unset" if closes is Closes.NOTHING else f"closes: {closes.value}"
            )
            rows.append(
                f"| `{variable}` | `{name}` | {_shown(defaults[name])} | {_cell(text)} | "
                f"{consequence} |"
            )
    return "\n".join(rows) + "\n"


def documented_constants() -> dict[str, str]:
    """Each constant of the environment module with the string that documents it."""
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
    """Each constant with the string that documents it."""
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
