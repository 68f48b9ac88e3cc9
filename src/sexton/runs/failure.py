"""What is kept of an exception that nobody foresaw: one line, its traceback, the place in the product's code.

Nothing here raises: whatever the exception is, the run it ended can be closed as failed. Values are never shown: no
locals, and of an error of the database only what `describe` says.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from ..db.column_types import MAX_LINES_BYTES
from ..db.faults import driver_words
from ..db.server_clock import database_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..errors import SextonError
from ..masking import scrubbed
from ..slots.lease import short_transaction
from ..texts import MAX_TEXT_CHARACTERS, lines, one_line
from .context import Failure, RunContext

if TYPE_CHECKING:
    from traceback import FrameSummary, StackSummary

MAX_MESSAGE_CHARACTERS = 300
"""Characters of an exception's message that history keeps."""

MESSAGE = 2_000
"""Characters of its message that a traceback shows."""

LINE = 500
"""Characters of one line of a traceback."""

FRAMES = 100
"""Frames of one exception that a traceback shows, the last ones."""

MAX_SHOWN_EXCEPTIONS = 16
"""Exceptions that a traceback shows: causes, and members of groups."""

_BETWEEN = {
    True: "The above exception was the direct cause of the following exception:",
    False: "During handling of the above exception, another exception occurred:",
}


def failed(context: RunContext, error: BaseException, *, message: bool = True) -> str:
    """Keep what is to be known of it, in the run's context and in the database; it in one line, for history.

    message: False where its words may hold anything, such as the secrets of a request: only its kind is kept.
    """
    context.failure = Failure(error)
    if context.limits.tracebacks:
        with suppress(BaseException):  # memory is short, a frame is odd, the database is gone: it fails all the same
            text, place = traceback_text(error, message=message), raised_at(error)
            if place is not None or not isinstance(error, DBAPIError):
                context.failure = Failure(error, place, text)
                with short_transaction(context.engine, context.limits.lease) as connection:
                    _keep(connection, context.claim.run_id, text, place)
    return error_message(error) if message else _kind(error)


def error_message(error: BaseException) -> str:
    """ "ValueError: what it says first", without secrets."""
    message = _message(error, MAX_MESSAGE_CHARACTERS, first=True)
    return message if issubclass(type(error), DBAPIError) else f"{_kind(error)}: {message or '(no message)'}"


def own_words(error: SextonError) -> str:
    """What an error raised on purpose says, also where the product has made it."""
    return _message(error, MAX_TEXT_CHARACTERS, first=True)


def traceback_text(error: BaseException, *, message: bool = True) -> str:
    """Frames, causes and members of groups much as Python prints them, without secrets and without values.

    message: False leaves out what the exceptions say.
    """
    told = "\n".join(_told(error, set(), message)).split("\n")
    # Each line by itself, and not all of a huge one: what looks for secrets takes longer than the text is long.
    return lines("\n".join(scrubbed(line[: 4 * LINE])[:LINE] for line in told), MAX_LINES_BYTES)


def raised_at(error: BaseException) -> str | None:
    """Where in the product's code it was raised; None when none of it had part in it."""
    frames = [frame for frame in _frames(error.__traceback__) if not _ours(frame)]
    homes = [_home(frame) for frame in frames]
    first = next((home for home in homes if home is not None), None)  # the job's function may be an installed package
    if first is None:
        return None
    last = [frame for frame, home in zip(frames, homes, strict=True) if home in ("", first)][-1]
    return one_line(f"{last.filename}:{last.lineno} in {last.name}")


def _keep(connection: Connection, run_id: int, text: str, place: str | None) -> None:
    dialect = connection.dialect.name
    table = own_tables(dialect).tracebacks
    values = {"text": text, "place": place, "created_at": database_now(dialect)}
    new = upsert(dialect, table).values(run_id=run_id, **values)
    connection.execute(new.on_conflict_do_update(index_elements=["run_id"], set_=values))


def _told(error: BaseException, seen: set[int], message: bool) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen and len(seen) < MAX_SHOWN_EXCEPTIONS:
        yield from _told(before, seen, message)
        yield f"\n{_BETWEEN[before is error.__cause__]}\n"
    if frames := _frames(error.__traceback__):
        own = next((place for place, frame in enumerate(frames) if not _ours(frame)), 0)
        del frames[:own]  # how Sexton came to the function tells nobody anything
        yield "Traceback (most recent call last):"
        yield "".join(frames.format()).rstrip("\n")
    yield f"{_kind(error)}: {_message(error, MESSAGE)}" if message else _kind(error)
    notes = getattr(error, "__notes__", None) if message else None
    if isinstance(notes, list | tuple):
        yield from (note[:MESSAGE] for note in notes[:MAX_SHOWN_EXCEPTIONS] if isinstance(note, str))
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for number, member in enumerate(members, 1):
        if id(member) not in seen and len(seen) < MAX_SHOWN_EXCEPTIONS:
            told = "\n".join(_told(member, seen, message))
            yield f"  {number} of {len(members)} in it:\n{told}".replace("\n", "\n    ")


def _kind(error: BaseException) -> str:
    return one_line(str(type.__getattribute__(type(error), "__name__")), LINE)


def _message(error: BaseException, longest: int, *, first: bool = False) -> str:
    """What it says, or the first line of it; of an error of the database, by whatever door it came, no row values."""
    try:
        text = driver_words(error)
        if text is None and isinstance(error, StatementError):
            text, first = str(error.args[0]), True  # the rest of it is the statement
        text = str.__str__(str(error) if text is None else text)
    except BaseException as hindered:  # the code of others: it may even call sys.exit
        return f"(its message cannot be read: {_kind(hindered)})"
    text = text[: 2 * longest].strip()  # before it is looked through: it may be huge
    if first:
        text = (text.splitlines() or [""])[0]
        return one_line(scrubbed(text), longest)
    return text[:longest]


def _frames(traceback: TracebackType | None) -> StackSummary:
    return extract_tb(traceback, limit=-FRAMES)


def _ours(frame: FrameSummary) -> bool:
    return frame.filename.startswith(_folders()[0])


def _home(frame: FrameSummary) -> str | None:
    """Whose code it is: "" of the product's own files, the folder of an installed package, None of Python itself."""
    _, libraries, python = _folders()
    for folder in libraries:
        if frame.filename.startswith(folder):
            return folder + frame.filename[len(folder) :].partition("/")[0]
    return None if frame.filename.startswith(python) or frame.filename.startswith("<frozen ") else ""


@cache
def _folders() -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Sexton's own code, that of installed packages, and that of Python; each ends with a separator."""
    paths = sysconfig.get_paths()
    installed = {paths["purelib"], paths["platlib"], *(path for path in sys.path if path.endswith("-packages"))}
    python = {paths["stdlib"], paths["platstdlib"]}
    own = f"{Path(__file__).parents[1]}/"
    return own, tuple(f"{path}/" for path in sorted(installed)), tuple(f"{path}/" for path in sorted(python))
