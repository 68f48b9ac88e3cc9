"""Why a connection was not made: nothing answered, the server refused, or it has no connection left.

libpq hands out no SQLSTATE for a connection that was not made, so here the server's own words decide; they are English
unless its `lc_messages` says otherwise, and then a crowded server counts as one that refused. A file of SQLite has no
server that others share: what is wrong with one says nothing about the others.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from ..db.faults import sqlstate
from ..errors import SextonError, causes
from .results import Contact

_CROWDED = (
    "too many clients already",
    "remaining connection slots are reserved",
    "too many connections",
    "no more connections allowed",  # PgBouncer
)

TOO_MANY_CONNECTIONS = "53300"

_ANSWERED = ("FATAL:", "ERROR:", "authentication", "password", "no pg_hba.conf")


def contact_of(error: BaseException) -> Contact:
    """How far the visit came that ended by this error."""
    for one in causes(error):
        if isinstance(one, DBAPIError):
            if isinstance(one.orig, sqlite3.Error):
                return Contact.REFUSED
            words = str(one.orig)
            if sqlstate(one) == TOO_MANY_CONNECTIONS or any(text in words for text in _CROWDED):
                return Contact.CROWDED
            answered = sqlstate(one) is not None or any(text in words for text in _ANSWERED)
            return Contact.REFUSED if answered else Contact.NONE
    return Contact.REFUSED if isinstance(error, SextonError) else Contact.NONE


def why(error: BaseException) -> str:
    """One short line: what libpq says of each address it tried, without saying again where that was."""
    text = str(error)
    for mark in ("FATAL:", "failed: "):
        if mark in text:
            return text.rpartition(mark)[2].strip().partition("\n")[0]
    return text
