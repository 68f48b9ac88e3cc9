"""The one place where Sexton prints: each argument is one line, whatever its text holds (SEC-9).

A text of others can begin no line, move no cursor and turn no direction. Beside it only the progress of a run writes
to a terminal, and that by `rich`. A test looks for any other way out.
"""

from __future__ import annotations

import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from .errors import scrubbed
from .texts import encodable, one_line, printed, visible


def say(*lines: str) -> None:
    """Print lines to standard output; without any, an empty one. OSError when nobody reads any more."""
    _write(sys.stdout, lines)


def say_while_read(*lines: str) -> None:
    """The same at once, for runs: a reader that went away (closed pipe, closed terminal) never ends one."""
    with suppress(OSError, ValueError):
        _write(sys.stdout, lines)
        sys.stdout.flush()


def complain(*lines: str) -> None:
    """Print lines to standard error, each with the name of the program, and cut where a text of others is endless."""
    _write(sys.stderr, tuple(one_line(f"sexton: {line}") for line in lines))


def remark(*lines: str) -> None:
    """Print lines to standard error as they are: what goes beside an answer that a program may read."""
    _write(sys.stderr, lines)


def confess(error: BaseException) -> None:
    """Print the traceback of an error that nobody foresaw, indented, so that no line of it looks like one of ours."""
    told = "".join(traceback.format_exception(error))
    complain(f"unexpected {type(error).__name__}; please report this:")
    remark(*(f"  {scrubbed(line)}" for line in told.rstrip("\n").split("\n")))


def _write(stream: TextIO | None, lines: tuple[str, ...]) -> None:
    if stream is not None:  # else it was closed before we began
        stream.write("".join(f"{visible(line)}\n" for line in lines or ("",)))


class Plain:
    """A stream that can be given any text: what a terminal obeys and what its encoding lacks is escaped.

    stream: what it covers; for those who mean to drive the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write it; line feeds and tabs stay."""
        return self.stream.write(encodable(printed(text), self.stream.encoding or "utf-8"))

    def isatty(self) -> bool:
        """Whether people read it; nobody does when a job's code has closed it."""
        return not self.stream.closed and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Inside the block standard output and error are plain, whoever writes; warnings of libraries are one line, and
    errors of threads are told as `confess` does.

    A stream that is closed stays as it is.
    """
    before, warned, thrown = (sys.stdout, sys.stderr), warnings.formatwarning, threading.excepthook
    sys.stdout, sys.stderr = (cast(TextIO, Plain(stream)) if stream is not None else stream for stream in before)
    warnings.formatwarning = _warning
    if thrown is threading.__excepthook__:  # else somebody wants to know
        threading.excepthook = _thrown
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        warnings.formatwarning, threading.excepthook = warned, thrown


def plain_logging() -> None:
    """What libraries log while nobody has set up `logging`: lines after the first of a message are indented."""
    import logging  # not before a command is known: it costs some milliseconds

    class Indented(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return "\n  ".join(super().format(record).split("\n"))

    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Indented())


def _thrown(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is not None:
        confess(what.exc_value)


def _warning(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
    return visible(one_line(f"sexton: {category.__name__}: {message}")) + "\n"
