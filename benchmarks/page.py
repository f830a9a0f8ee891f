"""Measure the session page with ten thousand documents: time on the server, bytes sent.

    PYTHONPATH=tests python benchmarks/page.py [--documents 10000]

The session is that of the tests, in the local store: requests over forty minutes, through three
services. "Read" is from the store to the timeline, once for many clicks; each page is then rendered
several times, and the median counts. Goal: a page in 0.3 s, and in 1 MB.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams

from browser import shop
from otel_asayer.config import Config
from otel_asayer.timeline import Selection
from otel_asayer.web.query import Query
from otel_asayer.web.reader import Reader
from otel_asayer.web.rendering import environment
from otel_asayer.web.view import SessionView

if TYPE_CHECKING:
    from otel_asayer.web.reader import Story

ROUNDS = int(os.environ.get("ROUNDS") or 7)
GOAL_SECONDS, GOAL_BYTES = 0.3, 1_000_000
PAGES = {
    "all of it": "",
    "the last page of the list": "page=9999",
    "text": "text=lamp",
    "errors": "level=error",
    "one minute": "since=600000000000&until=660000000000",
}


def measured(story: Story, selection: Selection, asked: str) -> tuple[float, int, int]:
    """Seconds, bytes, and shapes of the picture."""
    template = environment().get_template("session.html")
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        view = SessionView(selection, story, Query.of(QueryParams(asked)))
        page = template.render(view=view, source=story.source, version="")
        seconds.append(time.perf_counter() - start)
    return (
        statistics.median(seconds),
        len(page.encode()),
        view.waterfall.shapes if view.waterfall else 0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000)
    recorded = shop.large(time.time_ns() // 1_000_000 - 3_600_000, parser.parse_args().documents)
    selection = Selection(session_id=recorded.session_id)
    with tempfile.TemporaryDirectory(prefix="otel-asayer-page-") as folder:
        shop.write(Path(folder), recorded.operations)
        start = time.perf_counter()
        story = Reader(Config.from_environment({}, spool_directory=folder)).story(selection)
        print(
            f"{len(story.timeline.events):,} events read in {time.perf_counter() - start:.2f} s\n"
        )
    print(f"{'page':28}{'seconds':>9}{'kB':>7}{'shapes':>9}")
    good = True
    for name, asked in PAGES.items():
        seconds, size, shapes = measured(story, selection, asked)
        good &= size <= GOAL_BYTES  # of the time, only a person who knows the machine can judge
        print(f"{name:28}{seconds:9.3f}{size / 1000:7.0f}{shapes:9}")
    print(f"Goal: at most {GOAL_SECONDS} s and {GOAL_BYTES // 1000} kB")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
