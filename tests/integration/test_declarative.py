"""Declarative configuration:

the file of the documentation, with a real endpoint put in, under `opentelemetry-instrument`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from documentation import fences
from store import SESSION, sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from instrumented import Application
    from store import Store

pytestmark = pytest.mark.elasticsearch

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "declarative.md"


def test_the_documented_file_records_a_session(
    store: Store, tmp_path: Path, run: Callable[..., AbstractContextManager[Application]]
) -> None:
    (documented,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "otel.yaml"
    file.write_text(documented.replace("http://127.0.0.1:9200", store.server.url))
    environment = {
        "OTEL_CONFIG_FILE": str(file),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": store.writer_key,
        "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": store.namespace,
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(store.spool),
    }
    with run(environment, "python", "{applications}/flask_app.py") as app:
        assert app.get("/boom", X_Session_Id=SESSION).status == 500
    spans = store.spans()
    assert sessions(spans) == {SESSION}
    resource = spans[0]["resource"]["attributes"]
    assert resource["service.name"] == "shop"
    assert resource["deployment.environment.name"] == "test"
    assert store.exceptions()[0]["attributes"]["asayer.replay.url"].startswith(
        f"https://app.openreplay.com/1234/session/{SESSION}?jumpto="
    )
    assert store.replay_records()


def test_a_file_with_bad_values_is_one_message_and_the_application_runs(
    tmp_path: Path, run: Callable[..., AbstractContextManager[Application]]
) -> None:
    documented, message = (
        block.text
        for block in fences(GUIDE.read_text(encoding="utf-8"))
        if block.language in ("yaml", "text")
    )
    file = tmp_path / "otel.yaml"
    file.write_text(documented.replace("http://127.0.0.1:9200", "es:9200"))
    environment = {
        "OTEL_CONFIG_FILE": str(file),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(tmp_path / "spool"),
    }
    with run(environment, "python", "{applications}/flask_app.py") as app:
        assert app.get("/ok").status == 200
        said = app.output()
    assert said.count(message) == 1
    assert "Traceback" not in said
