"""Real processes: killed at any moment, and many at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from otel_asayer.spool import Spool
from unit.spool.support import BLOCK, ROOMY, files_in, names_of, operation

HERE = Path(__file__).parent
HOUR_NS = 3600 * 10**9


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / program), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a process says; an error when it has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line
    return line


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


# Killed before any call to the system.


class Survivor(NamedTuple):
    """What a killed process had said, and what an hour later its spool holds."""

    said: frozenset[str]
    names: list[str]
    rejected: list[str]


def survivor(root: Path) -> Survivor:
    spool = Spool(root, max_bytes=ROOMY, clock=lambda: time.time_ns() + HOUR_NS)
    spool.recover()
    files = files_in(spool.folder)
    assert [file for file in files if file.endswith((".tmp", ".lease"))] == []
    kinds = [file.partition(".")[2] for file in files if file.startswith("rejected/")]
    return Survivor(frozenset((root / "said").read_text().split()), names_of(spool.read()), kinds)


def survivors(root: Path, scenario: str) -> list[Survivor]:
    """What is left when a process is killed before its first call to the system, its second, …"""
    subprocess.run([sys.executable, HERE / "crashing.py", root, scenario], check=True)
    found = [survivor(path) for path in root.iterdir()]
    assert len(found) > 10
    return found


def test_a_killed_write_wrote_everything_or_nothing_and_everything_if_it_said_so(
    tmp_path: Path,
) -> None:
    left = {(each.said, *each.names) for each in survivors(tmp_path, "write")}
    assert left == {(frozenset(),), (frozenset(), "a", "b"), (frozenset({"written"}), "a", "b")}


def test_a_body_written_ahead_survives_until_it_was_delivered(tmp_path: Path) -> None:
    left = survivors(tmp_path, "write_ahead")
    assert {
        tuple(each.names)
        for each in left
        if "written" in each.said and "delivered" not in each.said
    } <= {("a", "b")}
    assert {tuple(each.names) for each in left} == {(), ("a", "b")}


def test_a_killed_delivery_leaves_the_body_unless_it_was_delivered(tmp_path: Path) -> None:
    left = survivors(tmp_path, "deliver")
    assert {tuple(each.names) for each in left if "delivered" not in each.said} == {("a", "b")}
    assert {tuple(each.names) for each in left} == {(), ("a", "b")}


def test_a_killed_release_leaves_the_body(tmp_path: Path) -> None:
    assert {tuple(each.names) for each in survivors(tmp_path, "release")} == {("a", "b")}


def test_a_killed_replacement_leaves_the_rest_once_or_with_the_whole_body(tmp_path: Path) -> None:
    left = survivors(tmp_path, "replace")
    assert {tuple(sorted(each.names)) for each in left} == {("a", "b"), ("a", "b", "b"), ("b",)}
    assert {tuple(each.names) for each in left if "done" in each.said} == {("b",)}


def test_a_killed_eviction_loses_the_oldest_only_and_the_new_one_only_if_nobody_was_told(
    tmp_path: Path,
) -> None:
    left = survivors(tmp_path, "evict")
    assert {tuple(each.names) for each in left} == {("a", "b"), ("b",), ("b", "c")}
    assert {tuple(each.names) for each in left if "written" in each.said} == {("b", "c")}


def test_a_killed_join_loses_nothing_that_was_told_and_leaves_the_older_at_most_twice(
    tmp_path: Path,
) -> None:
    left = survivors(tmp_path, "join")
    told = {"first": ("a", "b"), "written": ("a", "b", "c")}
    assert all(set(each.names) >= set(told[word]) for each in left for word in each.said)
    assert {tuple(sorted(each.names)) for each in left} == {
        (),
        ("a", "b"),
        ("a", "a", "b", "b", "c"),
        ("a", "b", "c"),
    }
    assert {tuple(each.names) for each in left if "written" in each.said} == {("a", "b", "c")}


def test_a_killed_rejection_leaves_no_body_without_its_reasons(tmp_path: Path) -> None:
    left = survivors(tmp_path, "reject")
    assert {tuple(each.rejected) for each in left} == {
        (),
        ("reasons.ndjson",),
        ("ndjson.gz", "reasons.ndjson"),
    }
    assert {tuple(each.rejected) for each in left if "written" in each.said} == {
        ("ndjson.gz", "reasons.ndjson")
    }
    assert {tuple(each.names) for each in left} == {("a", "b")}


# Killed at any moment, among others.


def storm(root: Path, seed: int) -> list[str]:
    """Let three processes write and drain, and kill each after so many lines, three times.

    Returns:
        All whole lines of all.
    """
    numbers = random.Random(seed)
    lines: list[str] = []
    for generation in range(3):
        with ExitStack() as stack:
            processes = [
                stack.enter_context(start("storming.py", root, f"{generation}-{place}"))
                for place in "abc"
            ]
            for process in processes:
                lines += [line_of(process) for _ in range(numbers.randint(1, 120))]
                process.kill()
            lines += [line for process in processes for line in process.stdout or ()]
        assert {process.returncode for process in processes} == {-signal.SIGKILL}
    return [line.rstrip("\n") for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_killed_process_was_told_is_written_is_there_exactly_once(
    tmp_path: Path, seed: int
) -> None:
    lines = storm(tmp_path, seed)
    written = {line.partition(" ")[2] for line in lines if line.startswith("written ")}
    delivering = {line.partition(" ")[2] for line in lines if line.startswith("delivering ")}
    spool = Spool(tmp_path, max_bytes=ROOMY)
    spool.recover()
    left = Counter(names_of(spool.read()))
    drained = []
    while lease := spool.lease():
        drained += names_of(lease.operations())
        lease.done()
    assert written - delivering - set(left) == set()
    assert set(left.values()) <= {1}
    assert Counter(drained) == left
    assert (
        len(set(left) - written) <= 2 * 9
    )  # at most one body of each process was written and not yet told


# Many at once.


def test_processes_that_lease_at_the_same_time_get_different_bodies(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=ROOMY)
    for number in range(60):
        spool.write([operation(number)])
    with ExitStack() as stack:
        processes = [stack.enter_context(start("leasing.py", tmp_path)) for _ in range(4)]
        assert [line_of(process) for process in processes] == ["ready\n"] * 4
        for process in processes:
            tell(process, "go\n")
        leased = [
            line for process in processes for line in iter(partial(line_of, process), "end\n")
        ]
        held = spool.recover(), spool.lease()
    assert sorted(map(int, leased)) == list(range(60))
    assert held == ((0, 0), None)


def test_processes_that_write_at_the_same_time_keep_to_the_cap(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from otel_asayer.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), max_bytes=32 * 4096)\n"
        "for _ in range(100): spool.write([b'{}\\n{}\\n'])\n"
        "print(spool.status().evicted_documents)\n"
    )
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, str(tmp_path)],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        evicted = sum(int(process.communicate()[0]) for process in processes)
    status = Spool(tmp_path, max_bytes=ROOMY).status()
    assert evicted + status.documents == 300
    assert {process.returncode for process in processes} == {0}
    assert (
        status.bytes <= 32 * BLOCK + 3 * 32 * BLOCK
    )  # each may not know yet what the others wrote since its last look


def test_a_forked_child_writes_while_a_thread_of_its_parent_holds_the_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, threading, warnings; from pathlib import Path; from "
        "otel_asayer.spool import Spool\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "spool = Spool(Path(sys.argv[1]), max_bytes=1 << 20)\n"
        "locked, end = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with spool._state().lock:\n"
        "        locked.set(); end.wait()\n"
        "threading.Thread(target=hold).start(); locked.wait()\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(20)\n"
        "    spool.write([b'{}\\n{}\\n']); lease = spool.lease(); lease.done()\n"
        "    os._exit(0)\n"
        "status = os.waitstatus_to_exitcode(os.wait()[1]); end.set()\n"
        "raise SystemExit(status)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == 0


def test_a_forked_child_counts_what_it_evicts_itself(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from otel_asayer.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), max_bytes=4096)\n"
        "write = lambda: spool.write([b'{}\\n{}\\n'])\n"
        "write(), write()\n"
        "if os.fork() == 0:\n"
        "    before = spool.status().evicted_documents; write(); write()\n"
        "    os._exit(0 if (before, spool.status().evicted_documents) == (0, 2) else 1)\n"
        "status = os.waitstatus_to_exitcode(os.wait()[1])\n"
        "raise SystemExit(status or spool.status().evicted_documents != 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == 0
