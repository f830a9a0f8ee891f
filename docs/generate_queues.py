"""Write the page on queues, RPC, threads and tasks; `make docs` runs this.

The rows of its tables are the data that the fleet's tests are parametrized with. A test checks that
the committed page is up to date.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parent
QUEUES: Final = DOCS / "how-to" / "queues.md"
CASES: Final = DOCS.parent / "tests" / "fleet" / "cases.py"

_HEAD: Final = """# Queues, RPC, threads and tasks

Generated from `tests/fleet/cases.py` by `make docs`. `make queues` proves each row: with a real Kafka,
Celery on a real Redis, and gRPC.

A request's session follows its work into calls, messages, tasks and threads. The tables say where it
follows by itself, and where you add one line. Whatever you use, each message of a batch keeps its
own session, and a message without one is handled in none.

## The lines

**Messages.** `otel_asayer.received()` runs a block in the session and the trace of a message. It takes
the message's headers, as a mapping or as pairs, and leaves nothing of the consumer's own context
inside:

```python
import otel_asayer


def handle_all(consumer):
    for message in consumer:
        with otel_asayer.received(message.headers):  # confluent-kafka: message.headers()
            handle(message)


def handle(message): ...
```

**Threads and queues inside a process.** A copy of the request's context carries the session, and
everything else of OpenTelemetry:

```python
import contextvars
import queue
from concurrent.futures import ThreadPoolExecutor

items = queue.Queue()
pool = ThreadPoolExecutor()


def in_a_request(item):
    pool.submit(contextvars.copy_context().run, handle, item)
    items.put((contextvars.copy_context(), item))


def consume():
    while True:
        context, item = items.get()
        context.run(handle, item)


def handle(item): ...
```

**What lives on.** A thread or a task that a request starts is in the session of that request for as
long as it lives. That is right for a mail that is sent after the answer, and wrong for a consumer
that is started when it is first needed. Start such a consumer with the application, or in an empty
context:

```python
import contextvars
from threading import Thread


def start(consume):
    thread = Thread(target=consume, daemon=True)
    contextvars.Context().run(thread.start)
```

**Other processes.** Pass the id along, and use it there:

```python
import otel_asayer


def in_a_request(pool, item):
    pool.submit(work, item, otel_asayer.get_session_id())


def work(item, session_id):
    if session_id:
        with otel_asayer.session(session_id):
            handle(item)


def handle(item): ...
```
"""

_TABLE: Final = """
| | the session follows | without the line |
|---|---|---|
"""


def queues() -> str:
    """Return the whole page."""
    sections = runpy.run_path(str(CASES))["SECTIONS"]
    return _HEAD + "".join(map(_section, sections))


def _section(section: Any) -> str:
    text = f"\n{section.text}\n" if section.text else ""
    return f"\n## {section.title}\n{text}{_TABLE}{''.join(map(_row, section.cases))}"


def _row(case: Any) -> str:
    follows = f"with one line: {case.line}" if case.line else "by itself"
    otherwise = f" {case.without} " if case.without else " "
    return f"| {case.where} | {follows} |{otherwise}|\n"


def main() -> None:
    """Write the page."""
    QUEUES.write_text(queues(), encoding="utf-8")


if __name__ == "__main__":
    main()
