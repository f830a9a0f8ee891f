"""Stamping of console output."""
# ruff: noqa: T201 (what print does is what is tested)

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from otel_asayer.propagation.context import session
from otel_asayer.runtime import stdio
from otel_asayer.runtime.stdio import StampedStream, stamp_stdio, unstamp_stdio

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

A, B = "1", "2"
STAMP_A, STAMP_B = "[asayer_session_id=1] ", "[asayer_session_id=2] "


class Console:
    """A stamped stream, and the bytes that reached its end."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self.original = io.TextIOWrapper(
            self._bytes, encoding="utf-8", errors="strict", newline="\n", write_through=True
        )
        self.stream = cast("Any", StampedStream(self.original))

    def text(self) -> str:
        self.original.flush()
        return self._bytes.getvalue().decode()


@pytest.fixture
def console() -> Console:
    return Console()


@contextlib.contextmanager
def stdout(stderr: io.StringIO | None = None) -> Iterator[io.StringIO]:
    """A `sys.stdout` of our own, and none for stderr; what is installed is taken out again.

    No fixture: pytest changes the streams after those.
    """
    before, streams = (sys.stdout, sys.stderr), io.StringIO()
    sys.stdout, sys.stderr = streams, stderr
    try:
        yield streams
    finally:
        unstamp_stdio()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def handling(
    logger: logging.Logger, handler: logging.StreamHandler[Any]
) -> Iterator[logging.StreamHandler[Any]]:
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


# Lines


def test_a_line_inside_a_session_is_stamped(console: Console) -> None:
    with session(A):
        print("text", file=console.stream)
    assert console.text() == f"{STAMP_A}text\n"


def test_a_line_outside_of_sessions_is_not_changed(console: Console) -> None:
    print("text", file=console.stream)
    assert console.text() == "text\n"


def test_a_line_printed_in_pieces_is_stamped_once(console: Console) -> None:
    with session(A):
        print("a", "b", end="", file=console.stream)
        print("c", file=console.stream)
    assert console.text() == f"{STAMP_A}a bc\n"


def test_each_line_of_a_text_is_stamped(console: Console) -> None:
    with session(A):
        console.stream.write("Traceback:\n  line 1\n\nValueError\n")
    assert (
        console.text()
        == f"{STAMP_A}Traceback:\n{STAMP_A}  line 1\n{STAMP_A}\n{STAMP_A}ValueError\n"
    )


def test_a_text_that_ends_within_a_line_leaves_the_next_piece_unstamped(console: Console) -> None:
    with session(A):
        console.stream.write("a\nb")
        console.stream.write("c\n")
    assert console.text() == f"{STAMP_A}a\n{STAMP_A}bc\n"


def test_a_line_belongs_to_the_session_that_began_it(console: Console) -> None:
    with session(A):
        console.stream.write("from A, ")
    with session(B):
        console.stream.write("continued by B\nfrom B\n")
    assert console.text() == f"{STAMP_A}from A, continued by B\n{STAMP_B}from B\n"


def test_a_line_begun_outside_of_sessions_is_not_stamped_in_its_middle(console: Console) -> None:
    console.stream.write("loading ... ")
    with session(A):
        console.stream.write("done\n")
    assert console.text() == "loading ... done\n"


def test_a_line_begun_in_a_session_is_ended_outside(console: Console) -> None:
    with session(A):
        console.stream.write("a")
    console.stream.write("b\nc\n")
    assert console.text() == f"{STAMP_A}ab\nc\n"


def test_writing_nothing_stamps_nothing(console: Console) -> None:
    with session(A):
        assert console.stream.write("") == 0
    assert console.text() == ""


def test_an_empty_line_is_a_line(console: Console) -> None:
    with session(A):
        print(file=console.stream)
    assert console.text() == f"{STAMP_A}\n"


def test_a_carriage_return_ends_no_line(console: Console) -> None:
    with session(A):
        console.stream.write("\r10 %")
        console.stream.write("\r20 %\r\n")
        console.stream.write("done\n")
    assert console.text() == f"{STAMP_A}\r10 %\r20 %\r\n{STAMP_A}done\n"


def test_only_what_the_stream_ends_lines_with_ends_a_line(console: Console) -> None:
    with session(A):
        console.stream.write("a\x0bb\x0cc\x85d\u2028e\n")
    assert console.text() == f"{STAMP_A}a\x0bb\x0cc\x85d\u2028e\n"


def test_threads_in_sessions_of_their_own_never_mix_within_a_line(console: Console) -> None:
    def work(session_id: str) -> None:
        with session(session_id):
            for _ in range(200):
                console.stream.write(f"of {session_id}\nand {session_id}\n")

    threads = [threading.Thread(target=work, args=(session_id,)) for session_id in (A, B)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = console.text().splitlines()
    expected = [f"{STAMP_A}of 1", f"{STAMP_A}and 1", f"{STAMP_B}of 2", f"{STAMP_B}and 2"]
    assert {line: lines.count(line) for line in lines} == dict.fromkeys(expected, 200)


def test_who_prints_while_printing_does_not_wait_for_itself(console: Console) -> None:
    class Chatty(io.StringIO):
        def write(self, text: str) -> int:
            if "again" not in text:
                stamped.write("again\n")
            return super().write(text)

    stream = Chatty()
    stamped = StampedStream(stream)
    stamped.write("once\n")
    assert stream.getvalue() == "again\nonce\n"


def test_in_a_forked_process_it_has_a_lock_of_its_own(console: Console) -> None:
    console.stream._process, inherited = -1, console.stream._lock
    console.stream.write("text\n")
    assert console.stream._lock is not inherited


# The stream it was made from


def test_write_returns_the_number_of_characters_given(console: Console) -> None:
    with session(A):
        assert console.stream.write("äöü\n") == 4


def test_writelines_writes_lines(console: Console) -> None:
    with session(A):
        console.stream.writelines(["a\n", "b\n"])
    assert console.text() == f"{STAMP_A}a\n{STAMP_A}b\n"


@pytest.mark.parametrize(
    "name",
    [
        "encoding",
        "errors",
        "newlines",
        "line_buffering",
        "write_through",
        "buffer",
        "closed",
        "mode",
        "name",
        "_CHUNK_SIZE",
    ],
)
def test_attributes_are_those_of_the_stream(name: str, tmp_path: Path) -> None:
    with (tmp_path / "console").open("w", encoding="latin-1", errors="replace") as stream:
        assert getattr(StampedStream(stream), name) == getattr(stream, name)


@pytest.mark.parametrize("name", ["isatty", "fileno", "readable", "writable", "seekable", "tell"])
def test_methods_are_those_of_the_stream(name: str, tmp_path: Path) -> None:
    with (tmp_path / "console").open("w") as stream:
        assert getattr(StampedStream(stream), name)() == getattr(stream, name)()


def test_reconfigure_reconfigures_the_stream(console: Console) -> None:
    console.stream.reconfigure(encoding="latin-1", line_buffering=True)
    assert console.original.encoding == "latin-1"
    assert console.original.line_buffering is True


def test_detach_detaches_the_stream(console: Console) -> None:
    buffer = console.stream.detach()
    with pytest.raises(ValueError, match="underlying buffer has been detached"):
        console.original.write("text")
    buffer.close()


def test_bytes_pass_unstamped(console: Console) -> None:
    with session(A):
        console.stream.buffer.write(b"bytes\n")
    assert console.text() == "bytes\n"


def test_closing_closes_the_stream(console: Console) -> None:
    console.stream.close()
    assert console.original.closed


def test_as_a_context_manager_it_closes_the_stream(console: Console) -> None:
    with console.stream as entered:
        assert entered is console.stream
    assert console.original.closed


def test_being_collected_does_not_close_the_stream(console: Console) -> None:
    del console.stream
    assert not console.original.closed


def failure(call: Callable[[Any], object], stream: object) -> tuple[type, str]:
    # Whichever: both streams must raise the same
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(stream)
    return caught.type, str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda stream: stream.write(7),
        lambda stream: stream.write(None),
        lambda stream: stream.write(b"bytes"),
        lambda stream: stream.write(b""),
        lambda stream: stream.read(),
        lambda stream: stream.readline(),
        next,
        list,
        lambda stream: stream.no_such_attribute,
        lambda stream: (stream.close(), stream.write("text")),
        lambda stream: (stream.close(), stream.__enter__()),
    ],
)
def test_errors_are_those_of_the_stream(call: Callable[[Any], object], tmp_path: Path) -> None:
    with session(A), (tmp_path / "a").open("w") as ours, (tmp_path / "b").open("w") as plain:
        assert failure(call, StampedStream(ours))[0] is failure(call, plain)[0]


def test_a_character_that_the_stream_cannot_encode_is_its_error(console: Console) -> None:
    with session(A), pytest.raises(UnicodeEncodeError):
        console.stream.write("\udc80")


def test_a_broken_pipe_is_raised_to_who_writes() -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with session(A), pytest.raises(BrokenPipeError):
        StampedStream(Broken()).write("text")


def test_a_session_that_cannot_be_read_leaves_the_text_unstamped(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "get_session_id", None)  # as at the interpreter's end
    console.stream.write("text\n")
    assert console.text() == "text\n"


def test_it_counts_as_a_text_stream(console: Console) -> None:
    assert isinstance(console.stream, io.TextIOBase)
    assert isinstance(console.stream, io.IOBase)


def test_it_says_what_it_is_made_from(console: Console) -> None:
    assert repr(console.stream) == f"<StampedStream of {console.original!r}>"


def test_a_write_method_can_be_put_over_it(console: Console) -> None:
    seen: list[str] = []
    console.stream.write = seen.append
    print("text", file=console.stream)
    assert seen == ["text", "\n"]


# Installation


def test_stdout_is_stamped() -> None:
    with stdout() as out, session(A):
        stamp_stdio()
        print("text")
    assert out.getvalue() == f"{STAMP_A}text\n"


def test_stdout_is_stamped_once() -> None:
    with stdout() as out, session(A):
        stamp_stdio()
        stamp_stdio()
        print("text")
    assert out.getvalue() == f"{STAMP_A}text\n"


def test_a_wrapper_around_ours_is_not_stamped_again() -> None:
    class Wrapper:
        def __init__(self, stream: Any) -> None:
            self.write, self.flush = stream.write, stream.flush

    with stdout() as out, session(A):
        stamp_stdio()
        sys.stdout = cast("Any", Wrapper(sys.stdout))
        stamp_stdio()
        print("text")
    assert out.getvalue() == f"{STAMP_A}text\n"


def test_a_missing_stream_stays_missing() -> None:
    with stdout():
        stamp_stdio()
        missing = sys.stderr
    assert missing is None


def test_stdout_and_stderr_that_are_one_stream_have_one_line_between_them() -> None:
    with stdout() as out, session(A):
        sys.stderr = sys.stdout
        stamp_stdio()
        print("a", end="")
        print("b", file=sys.stderr)
    assert out.getvalue() == f"{STAMP_A}ab\n"


def test_stderr_is_stamped() -> None:
    with stdout(stderr := io.StringIO()), session(A):
        stamp_stdio()
        print("text", file=sys.stderr)
    assert stderr.getvalue() == f"{STAMP_A}text\n"


def test_who_redirects_stdout_gets_the_text_as_it_is() -> None:
    with stdout() as out, session(A):
        stamp_stdio()
        with contextlib.redirect_stdout(io.StringIO()) as redirected:
            print("redirected")
        print("text")
    assert redirected.getvalue() == "redirected\n"
    assert out.getvalue() == f"{STAMP_A}text\n"


@pytest.mark.parametrize("name", [None, "otel_asayer_test.handlers"])
def test_handlers_that_hold_the_stream_are_stamped(name: str | None) -> None:
    logger = logging.getLogger(name)
    with stdout() as out, session(A), handling(logger, logging.StreamHandler(out)):
        stamp_stdio()
        logger.error("text")
    assert out.getvalue() == f"{STAMP_A}text\n"


def test_handlers_that_hold_another_stream_keep_it() -> None:
    handler = logging.StreamHandler(stream := io.StringIO())
    with stdout(), handling(logging.root, handler):
        stamp_stdio()
        assert handler.stream is stream


def test_taken_out_the_streams_and_handlers_are_what_they_were() -> None:
    with stdout() as out, handling(logging.root, logging.StreamHandler(out)) as handler:
        stamp_stdio()
        unstamp_stdio()
        assert sys.stdout == out
        assert handler.stream == out


def test_taken_out_who_holds_a_stream_writes_unstamped() -> None:
    with stdout() as out, session(A):
        stamp_stdio()
        held = sys.stdout
        unstamp_stdio()
        held.write("text\n")
    assert out.getvalue() == "text\n"


def test_taken_out_a_later_replacement_stays() -> None:
    with stdout():
        stamp_stdio()
        sys.stdout = later = io.StringIO()
        unstamp_stdio()
        assert sys.stdout is later


# Processes


def run(script: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }
    prelude = (
        "import os, sys, threading\nfrom otel_asayer import session\n"
        "from otel_asayer.runtime.stdio import stamp_stdio\nstamp_stdio()\n"
    )
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        prelude + textwrap.dedent(script),
    ]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )


def test_every_line_of_the_interpreters_own_traceback_is_stamped() -> None:
    done = run("""
        with session(1):
            try:
                raise ValueError("first") from KeyError("cause")
            except ValueError:
                sys.excepthook(*sys.exc_info())
    """)
    lines = done.stderr.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if not line.startswith(STAMP_A)] == []


def test_a_fork_while_another_thread_prints_does_not_stop_the_child() -> None:
    done = run("""
        import io
        entered, leave = threading.Event(), threading.Event()

        class Slow(io.StringIO):
            def write(self, text):
                entered.set()
                leave.wait()

        from otel_asayer.runtime.stdio import StampedStream
        stream = StampedStream(Slow())
        thread = threading.Thread(target=stream.write, args=("from the parent",))
        thread.start()
        entered.wait()
        child = os.fork()
        if child == 0:
            leave.set()
            stream.write("from the child")
            os.write(1, b"the child wrote")
            os._exit(0)
        os.waitpid(child, 0)
        leave.set()
        thread.join()
    """)
    assert done.stdout == "the child wrote"
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_destructor_may_print_when_the_interpreter_ends() -> None:
    done = run("""
        class Last:
            def __del__(self):
                print("last words")

        last = Last()
        last.itself = last
    """)
    assert done.stdout == "last words\n"
    assert done.stderr == ""
    assert done.returncode == 0


def test_input_still_prompts_and_reads() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "from otel_asayer.runtime.stdio import stamp_stdio; stamp_stdio(); "
                "print(input('name? "
                "'))"
            ),
        ],
        input="somebody\n",
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.stdout == "name? somebody\n"
    assert done.stderr == ""
