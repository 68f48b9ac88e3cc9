"""Budgets: at most N calls in any W, whatever process makes them; one small row for a name and a length of time.

The row keeps when permits were taken, and each counts for W from then on. So N may begin at once, and never more than N
do in any W, wherever one lays it. A theoretical arrival time (GCRA), which needs one instant only, keeps that promise
with step = W / (N − b + 1) for b at once: of "20/10m", a run every ten minutes would get ten.

A permit is taken in the transaction that claims the rows, and counts from that moment; the call begins a little later.
A process that dies after it only loses permits. No permit is ever given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, select, update

from ..db.tables import own_tables
from ..db.upsert import upsert
from ..policies.call_rule import Rate

MOST_INSTANTS = 50
"""Of a budget up to this number every permit is kept with its own instant. Of larger ones, permits of the same fiftieth
of W are kept together and count until the last of them does: up to 2 % of W too long, never too short."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """Permits of one budget that still count. groups: (microseconds since 1970, how many), oldest first.

    set_back: whether the clock was so far ahead once that the row has to be written anew, taken or not.
    """

    period: timedelta
    groups: tuple[tuple[int, int], ...] = ()
    set_back: bool = False

    @classmethod
    def read(cls, period: timedelta, stored: Any, at: datetime) -> Taken:
        """What a row says, as it counts at `at`. What is no list of ours says nothing.

        A permit from further ahead than W was given by a clock that has been set back since; it counts from now.
        """
        length, now = period // _MICROSECOND, _micros(at)
        pairs = _pairs(stored)
        found = [(now if then > now + length else then, number) for then, number in pairs]
        return cls(period, tuple(sorted(group for group in found if group[0] + length > now)), found != pairs)

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(number for _, number in self.groups)

    def more(self, number: int, at: datetime, rate: Rate) -> Taken:
        """The same with `number` permits taken at `at`; when the clock was set back a little, at the latest so far."""
        if not number:
            return self
        moment = max([_micros(at), *(then for then, _ in self.groups[-1:])])
        grain = self.period // _MICROSECOND // MOST_INSTANTS if rate.number > MOST_INSTANTS else 1
        kept, joined = list(self.groups), 0
        if kept and kept[-1][0] // max(grain, 1) == moment // max(grain, 1):
            joined = kept.pop()[1]
        return Taken(self.period, (*kept, (moment, joined + number)))

    def free_from(self, most: int, at: datetime) -> datetime:
        """When fewer than `most` count: `at`, or later."""
        left, ends = self.number, at
        for then, number in self.groups:
            if left < most:
                break
            left, ends = left - number, _instant(then) + self.period
        return max(ends, at)

    @property
    def over_at(self) -> datetime:
        """When none of them counts any more."""
        return _instant(self.groups[-1][0]) + self.period if self.groups else _EPOCH


def permits(connection: Connection, name: str, rates: Sequence[Rate], wanted: int, at: datetime) -> int:
    """How many of `wanted` calls may begin now under all rates; exactly so many are taken, with the caller's COMMIT.

    name: who shares the budget. Its rows are one for each length of time, so that a new N holds at once for what was
    begun under the old one.  at: the database's time.  Without rates all of them may.
    """
    limits = _limits(name, rates)
    if not limits or wanted <= 0:
        return max(wanted, 0)
    known = _taken(connection, limits, at)
    if _free(known, limits, wanted) <= 0 and not any(one.set_back for one in known.values()):
        return 0  # looked up without a lock: whoever only waits stops nobody
    taken = _locked(connection, limits, at)
    free = _free(taken, limits, wanted)
    for row, rate in limits.items():
        if free or taken[row].set_back:
            _write(connection, row, taken[row].more(free, at, rate))
    return free


def free_permits(connection: Connection, name: str, rates: Sequence[Rate], wanted: int, at: datetime) -> int:
    """How many `permits` would give now. Only reads."""
    limits = _limits(name, rates)
    return _free(_taken(connection, limits, at), limits, wanted)


def next_permit(connection: Connection, name: str, rates: Sequence[Rate], at: datetime) -> datetime:
    """When one more call may begin if nobody else takes the permit: `at`, or later. Only reads."""
    limits = _limits(name, rates)
    taken = _taken(connection, limits, at)
    return max([at, *(taken[row].free_from(rate.number, at) for row, rate in limits.items() if row in taken)])


def _limits(name: str, rates: Iterable[Rate]) -> dict[str, Rate]:
    """The rate for each row, in the order in which rows are locked; of two for the same length the lower one."""
    limits: dict[str, Rate] = {}
    for rate in rates:
        row = f"{name} in {rate.period.total_seconds():g}s"
        limits[row] = min(rate, limits.get(row, rate), key=lambda one: one.number)
    return dict(sorted(limits.items()))


def _free(taken: dict[str, Taken], limits: dict[str, Rate], wanted: int) -> int:
    used = {row: known.number for row, known in taken.items()}
    return max(min([wanted, *(rate.number - used.get(row, 0) for row, rate in limits.items())]), 0)


def _taken(connection: Connection, limits: dict[str, Rate], at: datetime) -> dict[str, Taken]:
    budgets = own_tables(connection.dialect.name).budgets
    asked = select(budgets.c.name, budgets.c.taken).where(budgets.c.name.in_(limits))
    return {name: Taken.read(limits[name].period, stored, at) for name, stored in connection.execute(asked)}


def _locked(connection: Connection, limits: dict[str, Rate], at: datetime) -> dict[str, Taken]:
    """The same of all rows, locked; one that is not there is made. In one statement: nobody can purge it in between."""
    lock = _lock(connection.dialect.name)
    found = {}
    for name, rate in limits.items():
        stored = connection.execute(lock, {"name": name, "taken": [], "over_at": at}).scalar_one()
        found[name] = Taken.read(rate.period, stored, at)
    return found


@cache
def _lock(dialect: str) -> Executable:
    """Built once: building and keying it again for every claim costs as much as its round trip."""
    budgets = own_tables(dialect).budgets
    new = upsert(dialect, budgets)
    locked = new.on_conflict_do_update(index_elements=[budgets.c.name], set_={"name": budgets.c.name})
    return locked.returning(budgets.c.taken)


def _write(connection: Connection, name: str, taken: Taken) -> None:
    budgets = own_tables(connection.dialect.name).budgets
    values = {"taken": taken.groups, "over_at": taken.over_at}
    connection.execute(update(budgets).where(budgets.c.name == name).values(values))


def _pairs(stored: Any) -> list[tuple[int, int]]:
    """Only pairs of whole numbers, the second above 0."""
    if not isinstance(stored, list):
        return []
    pairs = [tuple(pair) for pair in stored if isinstance(pair, list) and len(pair) == 2]
    return [pair for pair in pairs if all(type(part) is int for part in pair) and pair[1] > 0]


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
