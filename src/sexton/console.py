"""The one place where Sexton prints: each argument is one line, whatever its text holds (SEC-9).

A text of others can begin no line, move no cursor and turn no direction. Beside it only the progress of a run writes
to a terminal, and that by `rich`. A test looks for any other way out.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from .errors import SextonError
from .masking import scrubbed
from .texts import encodable, one_line, printed, visible

NOBODY_READS = (errno.EPIPE, errno.EIO)
"""Numbers of errors that mean that the reader (`| head`), or the terminal, went away."""


def say(*lines: str) -> None:
    """Print lines to standard output; without any, an empty one.

    OSError when nobody reads any more, SextonError when it cannot be written: a full disk."""
    try:
        _write(sys.stdout, lines)
    except OSError as error:
        if error.errno in NOBODY_READS:
            raise
        raise _unwritten(error) from error


def say_while_read(*lines: str) -> None:
    """The same at once, for runs: a reader that went away, or a full disk, never ends one. The next line may go out."""
    try:
        _write(sys.stdout, lines)
        sys.stdout.flush()
    except (OSError, ValueError):
        discard_output()


def flush_output() -> None:
    """Write what is left of standard output. Nothing when nobody reads any more, else errors as of `say`."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in NOBODY_READS:
            raise _unwritten(error) from error
        discard_output()
    except ValueError:
        return  # a job's code has closed it


def discard_output() -> None:
    """Drop what standard output could not take: the next line, and Python at its end, would stumble over it."""
    with suppress(OSError, ValueError):
        output = sys.stdout.fileno()
        kept, nowhere = os.dup(output), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output)
        try:
            sys.stdout.flush()
        finally:
            os.dup2(kept, output)
            os.close(kept)
            os.close(nowhere)


def complain(*lines: str) -> None:
    """Print lines to standard error, each with the name of the program, and cut where a text of others is endless."""
    _write(sys.stderr, tuple(one_line(f"sexton: {line}") for line in lines))


def remark(*lines: str) -> None:
    """Print lines to standard error as they are: what goes beside an answer that a program may read."""
    _write(sys.stderr, lines)


def write_traceback(error: BaseException) -> None:
    """Print the traceback of an error that nobody foresaw, indented, so that no line of it looks like one of ours."""
    told = "".join(traceback.format_exception(error))
    complain(f"unexpected {type(error).__name__}; please report this:")
    remark(*(f"  {scrubbed(line)}" for line in told.rstrip("\n").split("\n")))


def _write(stream: TextIO, lines: tuple[str, ...]) -> None:
    stream.write("".join(f"{visible(line)}\n" for line in lines or ("",)))


def _unwritten(error: OSError) -> SextonError:
    discard_output()
    return SextonError(f"standard output cannot be written: {error.strerror or type(error).__name__}")


class Plain:
    """A stream that can be given any text: what a terminal obeys and what its encoding lacks is escaped.

    stream: what it covers; for those who mean to drive the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write it; line feeds and tabs stay."""
        return self.stream.write(encodable(printed(text), self.stream.encoding or "utf-8"))

    def writelines(self, texts: Iterable[str]) -> None:
        """Write each of them."""
        for text in texts:
            self.write(text)

    def isatty(self) -> bool:
        """Whether people read it; nobody does when a job's code has closed it."""
        return not self.stream.closed and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Inside the block standard output and error are plain, whoever writes; warnings of libraries are one line, and
    errors of threads are told as `write_traceback` does.

    One that was closed before we began (`>&-`) leads nowhere.
    """
    before, warned, thrown = (sys.stdout, sys.stderr), warnings.formatwarning, threading.excepthook
    nowhere = open(os.devnull, "w", encoding="utf-8") if None in before else None  # noqa: SIM115
    sys.stdout, sys.stderr = (cast(TextIO, Plain(stream or cast(TextIO, nowhere))) for stream in before)
    warnings.formatwarning = _warning
    if thrown is threading.__excepthook__:  # else somebody wants to know
        threading.excepthook = _thrown
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        if nowhere is not None:
            nowhere.close()
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
        write_traceback(what.exc_value)


def _warning(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
    return visible(one_line(f"sexton: {category.__name__}: {message}")) + "\n"
