"""What encoding costs, in instructions of the interpreter: the same on a busy machine as on an idle
one.

A process of its own counts them, so that no tool that traces this one is counted or disturbed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

COUNT = """
import json, sys
from golden import cases
from golden.recording import REPLAY_URL, encoder

def instructions(work, *arguments):
    number = 0
    def trace(frame, event, _):
        nonlocal number
        number += event == "opcode"
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return trace
    sys.settrace(trace)
    try:
        work(*arguments)
    finally:
        sys.settrace(None)
    return number

def of_one(encode, records):
    assert len(records) == 1
    instructions(encode, records)  # fills the caches; the first count may be too small
    return (instructions(encode, records * 11) - instructions(encode, records)) / 10

one = encoder(replay_url=REPLAY_URL)
print(json.dumps({
    "span": of_one(one.spans, cases.span_without_a_session().spans),
    "request in a session": of_one(one.spans, cases.request_in_a_session().spans),
    "log record in a session": of_one(
        one.log_records, cases.log_record_in_a_session().log_records
    ),
}))
"""


@pytest.fixture(scope="module")
def counted() -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, "-c", COUNT], cwd=TESTS, check=True, capture_output=True, text=True
    )
    numbers: dict[str, float] = json.loads(answer.stdout)
    return numbers


@pytest.mark.parametrize(
    ("record", "most"),
    [("span", 400), ("request in a session", 960), ("log record in a session", 850)],
)
def test_a_record_takes_no_more_instructions_than_it_did(
    counted: dict[str, float], record: str, most: int
) -> None:
    assert 0 < counted[record] <= most
