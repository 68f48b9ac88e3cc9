"""A connection to one database of the fleet: opened for a visit, with its limits, and closed after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil

from sqlalchemy import Engine

from ..db.connect import open_database
from ..db.sessions import TRANSACTION_LIMITS
from ..errors import SextonError
from .database import FleetDatabase

VISIT_LIMITS: Mapping[str, str] = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "60s",
}
"""What the server ends by itself in transactions that look, or write a row of ours: nobody is held up by one that is
slow. Those that work set limits of their own."""

_QUOTED = re.compile(r'"[^"]*"')
_HEAD = re.compile(r"^.* cannot be reached: (?:.*failed: )?(?:FATAL:\s+)?")


@contextmanager
def opened(database: FleetDatabase, connect_seconds: float, trusted: Sequence[str] = ()) -> Iterator[Engine]:
    """An engine on the database, whose connections are closed at the end of the block.

    connect_seconds: for a connection; whole seconds, at least 2, as libpq has it.  trusted: `trusted_roles`.
    SettingsError where its password cannot be had, or the address is none.
    """
    target = database.target()
    if target.get_backend_name() != "sqlite" and "connect_timeout" not in target.query:
        target = target.update_query_dict({"connect_timeout": str(max(ceil(connect_seconds), 2))})
    engine = open_database(target, create=False, trusted=trusted)
    limits = "".join(f"; SET LOCAL {name} = '{value}'" for name, value in VISIT_LIMITS.items())
    try:
        yield engine.execution_options(**{TRANSACTION_LIMITS: limits})
    finally:
        engine.dispose()


def reason_of(error: Exception) -> str:
    """Why it did not go well, without the names of this one database, so that equal reasons are equal texts."""
    own: str | None = getattr(error, "reason", None)
    if own is not None:
        return own
    words = str(error) if isinstance(error, SextonError) else type(error).__name__
    return _QUOTED.sub("…", _HEAD.sub("", words))
