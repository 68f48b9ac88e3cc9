"""A round of visits that find in which condition each database is, or bring it into one: a look, a migration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from ..errors import TimedOut
from ..runs.stop_signals import Stop
from .caps import Caps
from .connecting import VisitConnection, opened
from .contacts import contact_of
from .database import FleetDatabase
from .results import Contact
from .rounds import Round
from .visit_results import Condition, VisitResult, result_of


@dataclass(frozen=True, slots=True)
class ConditionErrand:
    """The same in each database. do: with its engine; what it raises is the result, too.

    seconds: for one visit, beside `connect_seconds`, in which its server has to answer.  trusted: see `open_database`.
    connections: that the engine may have at once.
    """

    do: Callable[[FleetDatabase, Engine], VisitResult]
    seconds: float
    connect_seconds: float = 5.0
    trusted: tuple[str, ...] = ()
    connections: int = 1


class ConditionVisit:
    """One of them, see `OneVisit`."""

    def __init__(self, database: FleetDatabase, errand: ConditionErrand) -> None:
        self.database = database
        self._errand = errand
        self._connection = VisitConnection()
        self._was_cut = False
        self._seconds = errand.connect_seconds + errand.seconds
        self.ends = time.monotonic() + self._seconds

    def make(self) -> VisitResult:
        """Whatever goes wrong stands in the way of this database alone."""
        errand = self._errand
        try:
            limits = (errand.connect_seconds, errand.trusted, self._connection.opened, errand.connections)
            with opened(self.database, *limits) as engine:
                return errand.do(self.database, engine)
        except Exception as error:
            # A database that was there and went says nothing about the others of its server.
            contact = Contact.REFUSED if self._connection.made else contact_of(error)
            if contact is Contact.REFUSED and not self._connection.made:
                self.database.doubt_password()
            found = TimedOut(f"no end within {self._seconds:g} s") if self._was_cut else error
            return replace(result_of(self.database, found), contact=contact)
        finally:
            self._connection.closed()

    def cut(self) -> None:
        """End its connection from outside."""
        self._was_cut = True
        self._connection.cut()


def condition_visits(
    databases: Iterable[FleetDatabase], errand: ConditionErrand, caps: Caps, stop: Stop
) -> Round[VisitResult]:
    """See `Round`."""

    def unvisited(database: FleetDatabase, contact: Contact, words: str) -> VisitResult:
        condition = Condition.UNREACHABLE if contact is Contact.NOT_TRIED else Condition.REFUSES
        return VisitResult(database, condition, words, words, contact=contact)

    return Round(databases, caps, stop, lambda database: ConditionVisit(database, errand), unvisited)
