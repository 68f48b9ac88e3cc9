"""Whether this process can write to its database, as every run has to; found out without leaving anything behind."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, text
from sqlalchemy.exc import DBAPIError

from ..db.connect import connection_errors_translated, place
from ..db.faults import Fault, classify, describe
from .privileges import own_rights

WRITES_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside its file; one that another user left there has to be written to as well."""


def why_not_openable(engine: Engine) -> str | None:
    """What keeps this user from the SQLite file, before it is opened; None: nothing, or it is no such file."""
    path = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or not path.is_file():
        return None
    path = path.absolute()
    for file in (path, *(path.with_name(f"{path.name}{end}") for end in WRITES_BESIDE)):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            return f"user {_user()} may not write {file}, and no job can run without; {_owned(file)}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        beside = f"where SQLite keeps {path.name}{WRITES_BESIDE[0]}"
        return f"user {_user()} may not write into {path.parent}, {beside}; {_owned(path.parent)}"
    return None


def why_not_writable(engine: Engine) -> str | None:
    """Why the database takes no writes of ours; None: it does. DatabaseUnreachable."""
    try:
        with connection_errors_translated(engine), engine.connect() as connection, connection.begin() as transaction:
            if engine.dialect.name == "postgresql":
                if connection.execute(text("SELECT current_setting('transaction_read_only')")).scalar() == "on":
                    return (
                        f"{place(engine.url)} takes no writes: {_why_read_only(connection.execute(_READ_ONLY).one())}"
                    )
                for finding in own_rights(connection):
                    return f"{finding.text}; {' '.join(finding.sql.split())}"
            transaction.rollback()
    except DBAPIError as error:
        if classify(error) is Fault.LOCKED:  # somebody writes to it: then it can be written to
            return None
        return f"{place(engine.url)} takes no writes of user {_user()}: {describe(error)}"
    return None


_READ_ONLY = text("SELECT pg_is_in_recovery() AS standby, quote_ident(current_user) AS role")


def _why_read_only(found: Row[Any]) -> str:
    return "it is a standby" if found.standby else f"default_transaction_read_only is on for role {found.role}"


def _user() -> str:
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run under a number without a name
        return f"number {number}"


def _owned(file: Path) -> str:
    try:
        owner = file.owner()
    except (KeyError, OSError):
        owner = f"number {file.stat().st_uid}"
    return f"it belongs to {owner}; let this user write there, or start Sexton as {owner}"
