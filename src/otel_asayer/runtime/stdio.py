"""Stamps console output: `[asayer_session_id=…] ` before each line that is written in a session.

Filebeat or Logstash ships such output, and Asayer's first reader finds a session's lines by this
text. The rules:

- A line belongs to the session in which its first character is written. A line that was started
  outside gets no stamp in its middle, and one that another thread or task continues stays with the
  session that started it. Each stream knows, under a lock, whether it is at the start of a line, so
  that no stamp lands inside a line. Pieces of lines that threads write mix as they always do.
- A newline ends a line, a carriage return does not: a progress bar is one line. `write` returns the
  length of the text without the stamp.
- Outside sessions, text is unchanged. So are bytes written to `sys.stdout.buffer` or to the file
  descriptors.

It is a delegate and not a subclass of `TextIOWrapper`. A second text layer over the same buffer
would have its own buffer: output through the original stream (`sys.__stdout__`, logging handlers, C
code) would change its order, and the first of the two to be collected would close the file of both.
The delegate passes every other attribute to the original, whatever kind of stream that is, and is
registered as an `io.TextIOBase`.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from otel_asayer.propagation.context import get_session_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["StampedStream", "stamp_stdio", "unstamp_stdio"]

_installed: Final[dict[str, StampedStream]] = {}


@io.TextIOBase.register
class StampedStream:
    """A text stream that stamps lines and is otherwise the stream it was made from."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._at_line_start = True
        self._stamps = True
        # Reentrant: signal handlers and destructors print while their own thread is printing.
        self._lock, self._process = RLock(), os.getpid()

    def write(self, text: str) -> int:
        """Write `text`, its lines stamped in a session; return the length of `text`.

        It raises what the stream raises, and nothing else.
        """
        if not self._stamps or not text or not isinstance(text, str):
            return self._stream.write(text)
        stamp = _stamp()
        with self._own_lock():
            self._stream.write(
                _stamped(text, stamp, at_line_start=self._at_line_start) if stamp else text
            )
            self._at_line_start = text.endswith("\n")
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def _own_lock(self) -> RLock:
        # A fork may copy a lock that a thread of the parent held. uWSGI runs no at-fork hooks, so
        # the process id tells.
        process = os.getpid()
        if process != self._process:
            self._lock, self._process = RLock(), process
        return self._lock

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_stream"), name)

    def __enter__(self) -> StampedStream:  # noqa: PYI034 (`Self` is of Python 3.11)
        self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.__exit__(*error)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __next__(self) -> str:
        return next(self._stream)

    def __repr__(self) -> str:
        return f"<StampedStream of {self._stream!r}>"


def _stamp() -> str:
    try:
        session_id = get_session_id()
    # Destructors print while the interpreter shuts down: the text is worth more than its stamp.
    except Exception:
        return ""
    return f"[asayer_session_id={session_id}] " if session_id is not None else ""


def _stamped(text: str, stamp: str, *, at_line_start: bool) -> str:
    head = stamp if at_line_start else ""
    return (
        f"{head}{text[:-1].replace(chr(10), chr(10) + stamp)}\n"
        if text.endswith("\n")
        else head + text.replace("\n", "\n" + stamp)
    )


def stamp_stdio() -> None:
    """Replace `sys.stdout` and `sys.stderr`, also in logging handlers, by a `StampedStream`; once.

    Code that replaces the streams later (pytest, `contextlib.redirect_stdout`) replaces ours as it
    would the original.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if name in _installed or stream is None:  # None under pythonw and in some services
            continue
        # stderr may be the same stream as stdout
        known = {id(stamped._stream): stamped for stamped in _installed.values()}  # noqa: SLF001
        stamped = _installed[name] = known.get(id(stream)) or StampedStream(stream)
        setattr(sys, name, stamped)
        _move_handlers(stream, cast("TextIO", stamped))


def unstamp_stdio() -> None:
    """Undo `stamp_stdio`; its streams, if kept, write without stamps."""
    while _installed:
        name, stamped = _installed.popitem()
        stamped._stamps = False  # noqa: SLF001 (this module's own)
        if getattr(sys, name) is stamped:
            setattr(sys, name, stamped._stream)  # noqa: SLF001
        _move_handlers(cast("TextIO", stamped), stamped._stream)  # noqa: SLF001


def _move_handlers(old: TextIO, new: TextIO) -> None:
    loggers = (
        logging.root,
        *(
            logger
            for logger in logging.root.manager.loggerDict.values()
            if isinstance(logger, logging.Logger)
        ),
    )
    for handler in (handler for logger in loggers for handler in logger.handlers):
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
            handler.setStream(new)
