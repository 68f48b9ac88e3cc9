"""The connection of a visit to one database of the fleet: made with its limits, cut from outside where it stands still,
closed after it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine

from ..db.connect import open_for_visit
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


class VisitConnection:
    """The connection of the driver while a visit goes on, or two. made: whether the server has ever given one."""

    def __init__(self) -> None:
        self.made = False
        self._drivers: list[Any] = []

    def opened(self, driver: Any) -> None:
        """It is there. For `open_for_visit`."""
        self._drivers.append(driver)
        self.made = True

    def closed(self) -> None:
        """Nothing is left to be cut."""
        self._drivers.clear()

    def cut(self) -> None:
        """End it from another thread: the server stands still, and no limit of it counts any more."""
        for driver in [*self._drivers]:
            with suppress(Exception):  # it may close in this moment, by itself
                number = os.dup(driver.fileno())
                with socket.socket(fileno=number) as line:
                    line.shutdown(socket.SHUT_RDWR)


@contextmanager
def opened(
    database: FleetDatabase,
    connect_seconds: float,
    trusted: Sequence[str] = (),
    tell: Callable[[Any], None] = lambda _driver: None,
    connections: int = 1,
) -> Iterator[Engine]:
    """An engine on the database with so many connections at most, which are closed at the end of the block.

    connect_seconds: in which the server has to answer.  trusted: `trusted_roles`.  tell: gets the driver's connection.
    SettingsError where its password cannot be had, or the address is none.
    """
    engine = open_for_visit(
        database.target(), connect_seconds=connect_seconds, opened=tell, trusted=trusted, connections=connections
    )
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
