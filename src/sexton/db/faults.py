"""What a database error means for a run: try again, set a row aside, give up. Decided by SQLSTATE, never by wording
on PostgreSQL; SQLite has no states, so there the few texts of its C library decide.

`describe` is what history and logs may hold: state, constraint, first line; never DETAIL, which prints whole rows.
"""

from __future__ import annotations

import enum
import re
import threading

from sqlalchemy.exc import DBAPIError

from ..masking import scrubbed

last_function_error = threading.local()
"""`reason`: what a policy's refusal said last in this thread. SQLite swallows the text of a Python function's error."""


class Fault(enum.Enum):
    """How the batch loop answers."""

    RETRY = "try the whole batch again, with jitter"  # deadlock, serialization, SQLite busy
    LOCKED = "somebody holds a lock longer than we may wait"
    POISON = "a row is refused: bisect, set it aside, go on"
    CANCELLED = "a statement ran out of its time, or was cancelled"
    GONE = "the connection is lost; the outcome must be looked up"
    FULL = "no room; the run fails"
    READ_ONLY = "a standby or a read-only server; the run fails"
    DENIED = "a privilege is missing"
    SCHEMA = "a table or column is not what the policy says"
    OTHER = "unknown; the run fails"


class RowKept(Exception):
    """Ours, in the place of a driver's error: the database left a row as it was, and said nothing."""


_STATES = {
    "40001": Fault.RETRY,
    "40P01": Fault.RETRY,
    "53300": Fault.GONE,
    "55P03": Fault.LOCKED,
    "57014": Fault.CANCELLED,
    "57P01": Fault.GONE,
    "57P02": Fault.GONE,
    "57P03": Fault.GONE,
    "57P05": Fault.GONE,
    "25P03": Fault.GONE,
    "25P04": Fault.GONE,  # transaction_timeout of PostgreSQL 17 ends the session
    "53100": Fault.FULL,
    "53200": Fault.FULL,
    "25006": Fault.READ_ONLY,
    "42501": Fault.DENIED,
}
_CLASSES = {
    "08": Fault.GONE,
    "22": Fault.POISON,
    "23": Fault.POISON,
    "42": Fault.SCHEMA,
    "54": Fault.POISON,  # an index or a tuple has a limit that this row's values pass (SEC-6)
    "3F": Fault.SCHEMA,
    "P0": Fault.POISON,
}

_SQLITE = (
    ("database is locked", Fault.RETRY),
    ("database table is locked", Fault.RETRY),
    ("interrupted", Fault.CANCELLED),
    ("user-defined function raised exception", Fault.POISON),
    ("no such table", Fault.SCHEMA),
    ("no such column", Fault.SCHEMA),
    ("syntax error", Fault.SCHEMA),
    ("no such function", Fault.SCHEMA),
    ("incomplete input", Fault.SCHEMA),
    ("disk is full", Fault.FULL),
    ("unable to open", Fault.GONE),
    ("disk i/o error", Fault.GONE),
    ("readonly database", Fault.READ_ONLY),
)


CODE_TRIES = 3
"""How often a batch is tried before a serialization failure that a trigger raised by itself is a row's."""

_LANGUAGES = ("pl_exec.c", "plpy_elog.c", "plpy_exec.c", "plperl.c", "pltcl.c")
"""Where PostgreSQL's languages raise errors, as it says in "source file" of each."""

_WITHOUT_STATE = ("OperationalError", "InterfaceError", "ConnectionTimeout")
"""Classes of the driver's errors about a connection that is lost, or that was never there."""


def classify(error: DBAPIError) -> Fault:
    """What the loop has to do about this error."""
    state = sqlstate(error)
    if state is not None:
        return _of_state(state)
    kind = type(error.orig).__name__
    if kind in ("IntegrityError", "DataError", "RowKept"):
        return Fault.POISON
    wording = str(error.orig).lower()
    for text, fault in _SQLITE:
        if text in wording:
            return fault
    # A lost connection has no SQLSTATE: libpq invents the text itself. SQLite has no connection to lose.
    from_file = type(error.orig).__module__.startswith("sqlite3")
    lost = error.connection_invalidated or (kind in _WITHOUT_STATE and not from_file)
    return Fault.GONE if lost else Fault.OTHER


def _of_state(state: str) -> Fault:
    return _STATES.get(state) or _CLASSES.get(state[:2], Fault.OTHER)


def driver_fault(error: BaseException) -> Fault | None:
    """The same of an error of PostgreSQL's driver itself, where a function uses it directly; None for any other."""
    if not type(error).__module__.startswith("psycopg"):
        return None
    state = _state(error)
    if state is not None:
        return _of_state(state)
    return Fault.GONE if type(error).__name__ in _WITHOUT_STATE else Fault.OTHER


def while_changing(error: DBAPIError, tries: int = CODE_TRIES) -> Fault:
    """The same for an error that came up while rows were changed; POISON is its answer wherever a row may be to blame.

    That is whatever is not about the connection, a lock, time or room, and whatever the code of a trigger raised by
    itself, under any state; a serialization failure only after `tries` reach `CODE_TRIES`. To blame a row wrongly
    costs a few statements: it is proved alone before it is set aside.
    """
    fault = classify(error)
    if fault is Fault.OTHER and sqlstate(error) is None and type(error.orig).__name__ == "DatabaseError":
        return fault  # a SQLite file that is damaged, or none
    if fault in (Fault.DENIED, Fault.SCHEMA, Fault.OTHER):
        return Fault.POISON
    if _raised_by_code(error):
        return Fault.RETRY if fault is Fault.RETRY and tries < CODE_TRIES else Fault.POISON
    # An error that ends our session is FATAL; this one is about a connection that a trigger has to somewhere else.
    elsewhere = fault is Fault.GONE and _diagnosis(error, "severity_nonlocalized") == "ERROR"
    return Fault.POISON if elsewhere else fault


def _raised_by_code(error: DBAPIError) -> bool:
    """PostgreSQL: whether a function raised it, RAISE or its like, and not the server itself."""
    return _diagnosis(error, "source_file") in _LANGUAGES


def is_reference(error: DBAPIError) -> bool:
    """Whether a foreign key keeps a row."""
    return sqlstate(error) in ("23503", "23001") or "FOREIGN KEY constraint failed" in str(error.orig)


def _diagnosis(error: DBAPIError, name: str) -> str | None:
    found = getattr(getattr(error.orig, "diag", None), name, None)
    return found if isinstance(found, str) else None


SEARCH_PATH_HINT = "sexton_because"
"""Attribute of a driver's error: more words about it, which whoever knew the engine has put there."""


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's five-letter state; None on SQLite and when the connection itself broke."""
    return _state(error.orig)


def _state(error: BaseException | None) -> str | None:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def describe(error: DBAPIError) -> str:
    """One line for people: "23514 orders_total_check: new row for relation …". No row values, no parameters."""
    return _described(error.orig)


def driver_words(error: BaseException) -> str | None:
    """The same of any error that may be one of a database, SQLAlchemy's or a driver's own; None: it is another."""
    if isinstance(error, DBAPIError):
        return _described(error.orig)
    module = type(error).__module__.partition(".")[0]
    return _described(error) if hasattr(error, "diag") or module in ("psycopg", "psycopg2", "sqlite3") else None


def _described(error: BaseException | None) -> str:
    diagnosis = getattr(error, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(error)
    constraint = getattr(diagnosis, "constraint_name", None)
    state = _state(error)
    if state is None and type(error).__name__ == "DataError":
        message = re.sub(r":.*", ": (value not shown)", message, flags=re.DOTALL)  # the driver's own words
    elif state is not None and state.startswith("22"):
        # Data exceptions quote the offending value in the message itself, with any quotes and line feeds it has.
        message = re.sub(r'".*"|".*', "(value not shown)", message, count=1, flags=re.DOTALL)
    line = re.sub(r"\s+", " ", message.strip().splitlines()[0] if message.strip() else type(error).__name__)
    if "user-defined function raised exception" in line:
        line = getattr(last_function_error, "reason", "refused by the policy")
    line += getattr(error, SEARCH_PATH_HINT, "")
    if state == "25006":
        line += "; this server takes no writes: is it a standby? `database` names the primary"
    head = " ".join(part for part in (state, constraint) if part)
    return f"{head}: {line}"[:500] if head else line[:500]


def in_words(error: Exception) -> str:
    """One line for logs, of an error of the database or one of ours."""
    return describe(error) if isinstance(error, DBAPIError) else scrubbed(str(error))
