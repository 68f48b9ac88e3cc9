"""`sexton fleet migrate`: Sexton's own tables in each database, the canaries first.

A canary has the label `canary`, whatever it says; where none has, the first database of the list is one. The others
follow when none of them failed. It stops when 5 % of all so far, and at least 3, failed: not those that cannot be
reached, and not those whose tables others hold locked, which are `behind` and are migrated the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from ..db.connect import read_only
from ..db.migrate import HEAD_REVISION, MigrationPatience, migrate, revision
from ..db.sessions import own_tables_only
from ..runs.stop_signals import Stop
from .caps import Caps
from .condition_visits import ConditionErrand, condition_visits
from .connecting import VISIT_LIMITS
from .database import FleetDatabase
from .identity import FLEET_REVISION, confirm_identity, is_taken_in, take_in
from .visit_results import Condition, VisitResult
from .waves import CANARY_LABEL

FAILED_LEAST, FAILED_SHARE = 3, 20
"""It stops when so many failed, and one in so many (B.4)."""

FLEET_PATIENCE = MigrationPatience(
    lock="2s",
    tries=3,
    limits={"lock_timeout": "2s", "statement_timeout": "60s", "idle_in_transaction_session_timeout": "60s"},
)
"""Writers of a merchant wait behind a migration that waits, so it never waits for long (B.5)."""

_FAILS = (Condition.REFUSES, Condition.DIFFERS)


def migrate_one(database: FleetDatabase, engine: Engine, installation: str) -> VisitResult:
    """Migrate one, and take it into the fleet where nobody has. One that is not who it was is left as it is.

    Raises what stands in the way, for `result_of`.
    """
    with read_only(engine) as connection:
        before = revision(connection)
        if before is not None and before >= FLEET_REVISION:
            is_taken_in(connection, database, installation)
    changed = before != HEAD_REVISION and migrate(engine, FLEET_PATIENCE)
    with own_tables_only(engine, VISIT_LIMITS) as connection:
        new = take_in(connection, database, installation)
        confirm_identity(connection, database, installation)
        found = revision(connection)
    return VisitResult(database, Condition.MIGRATED if changed or new else Condition.READY, revision=found)


class FleetMigration:
    """One pass. errand: with `migrate_one`.  stopped: why it ended early; "": it did not."""

    def __init__(self, databases: Sequence[FleetDatabase], errand: ConditionErrand, caps: Caps, stop: Stop) -> None:
        self._errand, self._caps, self._stop = errand, caps, stop
        self._canaries = [one for one in databases if CANARY_LABEL in one.labels] or list(databases[:1])
        self._others = [one for one in databases if one not in self._canaries]
        self._failed = self._tried = 0
        self.stopped = ""

    def __iter__(self) -> Iterator[VisitResult]:
        """What came of each, as it comes; of those that were left out as well."""
        yield from self._pass(self._canaries, canaries=True)
        yield from self._pass(self._others, canaries=False)

    def _pass(self, databases: Sequence[FleetDatabase], *, canaries: bool) -> Iterator[VisitResult]:
        left = {one.name: one for one in databases}
        visits = condition_visits(() if self.stopped else databases, self._errand, self._caps, self._stop)
        for results in visits.reports():
            for result in results:
                del left[result.database.name]
                self._tried += result.condition is not Condition.UNREACHABLE
                self._failed += result.condition in _FAILS
                self._judge(canaries=canaries)
                yield result
            if self.stopped:
                visits.halt()
        self.stopped = self.stopped or self._stop.reason
        yield from map(_not_tried, left.values())

    def _judge(self, *, canaries: bool) -> None:
        if canaries and self._failed:
            self.stopped = "a canary failed; the others were left as they are"
        elif self._failed >= FAILED_LEAST and self._failed * FAILED_SHARE >= self._tried:
            self.stopped = f"{self._failed} of {self._tried} failed; the others were left as they are"


def _not_tried(database: FleetDatabase) -> VisitResult:
    return VisitResult(database, Condition.NOT_TRIED, "stopped before", "stopped before")
