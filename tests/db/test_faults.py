"""What an error of the database means for a run: the table of states, and SQLite's words."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError

from sexton.db.faults import Fault, classify, describe, sqlstate


class Diagnosis:
    """The part of psycopg's diagnosis that is looked at."""

    def __init__(self, message: str | None, constraint: str | None) -> None:
        self.message_primary = message
        self.constraint_name = constraint


class ServerError(Exception):
    """An error as psycopg raises it."""

    def __init__(self, state: str, message: str = "it went wrong", constraint: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = state
        self.diag = Diagnosis(message, constraint)


class OperationalError(Exception):
    """An error of a driver whose connection broke: no state."""


class ConnectionTimeout(OperationalError):
    """As psycopg raises it when a server takes a connection and says nothing."""


class DataError(Exception):
    """An error of a driver that cannot read a value: no state."""


def wrapped(error: Exception, *, invalidated: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 'the statement'", {"p": "the parameter"}, error, connection_invalidated=invalidated)


STATES = {
    Fault.RETRY: ["40001", "40P01"],
    Fault.LOCKED: ["55P03"],
    Fault.POISON: ["22P02", "22003", "22008", "23502", "23503", "23505", "23514", "23P01", "54000", "54011"],
    Fault.CANCELLED: ["57014"],
    Fault.GONE: ["08006", "08003", "08P01", "53300", "57P01", "57P02", "57P03", "57P05", "25P03"],
    Fault.FULL: ["53100", "53200"],
    Fault.READ_ONLY: ["25006"],
    Fault.DENIED: ["42501"],
    Fault.SCHEMA: ["42P01", "42703", "42883", "42601", "3F000"],
    Fault.OTHER: ["XX000", "0A000"],
}


@pytest.mark.parametrize(("fault", "state"), [(fault, state) for fault, states in STATES.items() for state in states])
def test_a_state_decides(fault: Fault, state: str) -> None:
    assert classify(wrapped(ServerError(state))) is fault
    assert sqlstate(wrapped(ServerError(state))) == state


def test_every_fault_is_in_the_table() -> None:
    assert set(STATES) == set(Fault)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (sqlite3.OperationalError("database is locked"), Fault.RETRY),
        (sqlite3.OperationalError("database table is locked: sessions"), Fault.RETRY),
        (sqlite3.OperationalError("interrupted"), Fault.CANCELLED),
        (sqlite3.OperationalError("user-defined function raised exception"), Fault.POISON),
        (sqlite3.OperationalError("no such table: sessions"), Fault.SCHEMA),
        (sqlite3.OperationalError("no such column: ends_at"), Fault.SCHEMA),
        (sqlite3.OperationalError("database or disk is full"), Fault.FULL),
        (sqlite3.OperationalError("unable to open database file"), Fault.GONE),
        (sqlite3.OperationalError("disk I/O error"), Fault.GONE),
        (sqlite3.OperationalError("attempt to write a readonly database"), Fault.READ_ONLY),
        (sqlite3.IntegrityError("UNIQUE constraint failed: sessions.mail"), Fault.POISON),
        (OperationalError("server closed the connection unexpectedly"), Fault.GONE),
        (ConnectionTimeout("connection timeout expired"), Fault.GONE),
        (DataError("timestamp too small"), Fault.POISON),
        (ValueError("odd"), Fault.OTHER),
    ],
    ids=str,
)
def test_without_a_state_the_drivers_kind_and_words_decide(error: Exception, fault: Fault) -> None:
    assert classify(wrapped(error)) is fault


def test_a_connection_that_sqlalchemy_gave_up_is_gone() -> None:
    assert classify(wrapped(ValueError("odd"), invalidated=True)) is Fault.GONE


def test_a_description_is_one_line_with_state_and_constraint_only() -> None:
    error = ServerError("23514", "new row violates\nDETAIL: Failing row contains (secret)", "total_check")

    said = describe(wrapped(error))

    assert said == "23514 total_check: new row violates"
    assert "statement" not in said
    assert "parameter" not in said


def test_a_description_has_an_end_and_is_never_empty() -> None:
    assert len(describe(wrapped(ServerError("23514", "x" * 2_000)))) == 500
    assert describe(wrapped(ValueError(""))) == "ValueError"


@pytest.mark.parametrize("value", ["secret", 'a "secret" b', "secret\nmore", '"secret', '"'])
def test_a_value_in_the_message_of_a_data_exception_is_not_shown(value: str) -> None:
    said = describe(wrapped(ServerError("22P02", f'invalid input syntax for type integer: "{value}"')))

    assert said == "22P02: invalid input syntax for type integer: (value not shown)"


def test_names_in_other_messages_are_shown() -> None:
    said = describe(wrapped(ServerError("42P01", 'relation "sessions" does not exist')))

    assert said == '42P01: relation "sessions" does not exist'
