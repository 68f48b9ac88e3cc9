"""Code of others, imported and called: whatever goes wrong in it becomes one line that names its file and line."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import FrameType

from ..errors import SextonError, UsageError
from ..masking import scrubbed
from ..texts import one_line

MAX_FOREIGN_MESSAGE = 300
"""Characters of somebody else's message that are repeated."""

_STANDARD = os.path.dirname(os.__file__)
_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def guarded(about: str, error_type: type[UsageError], module: str) -> Iterator[None]:
    """Turn whatever the block raises into one `error_type`: also an exit, KeyboardInterrupt, no memory left.

    about: begins the message, such as "jobs: own.py cannot be imported".  module: whose code it is, "": our own.
    Our own errors pass as they are, unless code of others made them. A Ctrl-C of the user passes, too.
    """
    with _real_interrupts() as interrupts:
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and interrupts:
                raise
            where = _place(error, module.partition(".")[0])
            if isinstance(error, SextonError) and (where is None or not isinstance(error, UsageError)):
                raise
            raise error_type(": ".join(filter(None, (about, where, foreign_error_text(error))))) from error


def foreign_error_text(error: BaseException) -> str:
    """What an exception says, on one line that can be printed, without credentials."""
    if isinstance(error, SystemExit):
        return f"it ends the program, sys.exit({_text(error.code)}); a module that defines jobs must not"
    if isinstance(error, UsageError):
        return str(error)
    text = _text(error.msg if isinstance(error, SyntaxError) else error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(value: object) -> str:
    try:
        return one_line(scrubbed(" ".join(str(value)[: 4 * MAX_FOREIGN_MESSAGE].split())), MAX_FOREIGN_MESSAGE)
    except Exception:  # the text of an exception is code of others, too
        return "(its text cannot be shown)"


@contextmanager
def _real_interrupts() -> Iterator[list[int]]:
    """Holds the Ctrl-C that came inside the block, to be told from a KeyboardInterrupt that code raises."""
    came: list[int] = []
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _place(error: BaseException, package: str) -> str | None:
    """ "shop/jobs.py:12", where others' code went wrong; None: no code of others had a part in it."""
    if isinstance(error, SyntaxError) and error.filename and os.path.isfile(error.filename):
        return _shown(error.filename, error.lineno)
    frames = list(walk_tb(error.__traceback__))
    for frame, line in reversed(frames):
        if _theirs(frame, package):
            return _shown(frame.f_code.co_filename, line)
    return None


def _theirs(frame: FrameType, package: str) -> bool:
    """Whether a frame is of the product, rather than of Python, a library or Sexton."""
    file, name = frame.f_code.co_filename, str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if file.startswith("<") or not package:
        return False
    return name == package or (not is_installed(file) and name != "sexton")


def is_installed(file: str) -> bool:
    """Whether it is Python's own, or of a package that was installed."""
    return file.startswith(_STANDARD) or any(f"{os.sep}{part}{os.sep}" in file for part in _INSTALLED)


def _shown(file: str, line: int | None) -> str:
    near = os.path.relpath(file)
    return f"{file if near.startswith(os.pardir) else near}{f':{line}' if line else ''}"
