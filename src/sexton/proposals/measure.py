"""What the rows say about a proposal: in which form a column keeps time, which states are final, how many are due.

Each question is one short statement over a sample, or has a time limit; what takes longer is not known.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, Text, cast, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import BigInteger, Date, Enum, Integer, String

from ..db.connect import read_only
from ..db.server_clock import ask_now
from ..db.statement_timeout import limited_time
from ..db.time_parameters import EPOCHS
from ..errors import DatabaseUnreachable, PolicyError, SextonError
from ..guard.flood import MIN_ESTIMATED_ROWS, table_rows
from ..policies.contract import Plan
from ..statements.batch_strategy import Request, parameters
from ..statements.indexes import missing_index
from ..statements.selection import select_due
from .column_roles import unit_in
from .family_by_name import each

Answer = TypeVar("Answer")

MAX_MEASURED_DUE = 10_000
"""Due rows are counted up to here."""

SAMPLE_ROWS_FOR_FORM = 20_000
"""Rows that are looked at for what a column holds."""

FINAL_STATES = frozenset(
    each(
        "aborted archived canceled cancelled complete completed dead delivered discarded done expired failed finished "
        "processed published released sent skipped succeeded success successful"
    )
)
"""States that nothing comes after."""

_SHAPE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T]*"
_EARLIEST = datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)
"""From here on a number tells by its size whether it counts s, ms or us; smaller ones are no time."""


class DatabaseProbe:
    """Asks one database, each question in a read-only transaction of its own, for not much longer than `patience`."""

    def __init__(self, engine: Engine, *, seconds: float = 3.0, patience: float = 90.0) -> None:
        self.engine = engine
        self.numbers: tuple[Column[Any], ...] = ()
        """Columns of whole numbers, of all tables, that are called like times."""
        self._seconds, self._end = seconds, time.monotonic() + patience

    def ask(self, question: Callable[[Connection], Answer]) -> Answer | None:
        """The answer; None when it takes too long, or the database refuses it. DatabaseUnreachable."""
        seconds = min(self._seconds, self._end - time.monotonic())
        if seconds <= 0:
            return None
        try:
            with read_only(self.engine) as connection, limited_time(connection, seconds):
                return question(connection)
        except DatabaseUnreachable:
            raise
        except (SQLAlchemyError, SextonError):
            return None


def form_of(looker: DatabaseProbe, column: Column[Any]) -> tuple[dict[str, str], str]:
    """`unit` or `zone` that a policy has to give for this column, and what a person has to check about it.

    PolicyError when what the column holds is no time.
    """
    if isinstance(column.type, Date):
        return {"zone": "UTC"}, ""
    if isinstance(column.type, Integer):
        return _form_of_numbers(looker, column)
    if looker.engine.dialect.name == "sqlite":
        _require_iso_text(looker, column)
    return {}, ""


def _form_of_numbers(looker: DatabaseProbe, column: Column[Any]) -> tuple[dict[str, str], str]:
    """By its rows; where there are none by its name, or by what other tables count in, which a person has to check."""
    highest = _asked_highest(looker, column)
    if highest is not None:
        return {"unit": _unit(column, highest)}, ""
    narrow = looker.engine.dialect.name == "postgresql" and not isinstance(column.type, BigInteger)
    named = "s" if narrow else unit_in(column.name)  # four bytes hold nothing but seconds
    if named is not None:
        return {"unit": named}, ""
    others = Counter(_units(looker, column))
    unit = others.most_common(1)[0][0] if others else "s"
    count = others[unit]
    like = f"; other tables count {unit} ({count} {'column' if count == 1 else 'columns'})" if others else ""
    return {"unit": unit}, f'is "{unit}" the unit of {column.name}? No row was seen that tells{like}'


def _units(looker: DatabaseProbe, but: Column[Any]) -> Iterator[str]:
    """Units of columns of other tables."""
    for column in looker.numbers:
        if column.table.name != but.table.name and (highest := _asked_highest(looker, column)) is not None:
            try:
                yield _unit(column, highest)
            except PolicyError:
                continue


def _asked_highest(looker: DatabaseProbe, column: Column[Any]) -> object:
    return looker.ask(lambda connection: connection.execute(_highest(column)).scalar())


def _highest(column: Column[Any]) -> Any:
    some = select(column).where(column.is_not(None)).limit(SAMPLE_ROWS_FOR_FORM).subquery()
    return select(func.max(some.c[0]))


def _unit(column: Column[Any], highest: object) -> str:
    least = int(_EARLIEST.timestamp())
    for unit, in_second in EPOCHS.items():
        # SQLite keeps text in a column of numbers, too.
        if isinstance(highest, int) and least * in_second <= highest < least * in_second * 1000:
            return unit
    raise PolicyError(f"{column.name} holds whole numbers that are no time since 1970")


def _require_iso_text(looker: DatabaseProbe, column: Column[Any]) -> None:
    """SQLite keeps whatever it is given, whatever the column's type says."""
    some = select(cast(column, Text).label("kept")).where(column.is_not(None)).limit(SAMPLE_ROWS_FOR_FORM).subquery()
    asked = select(func.count(), func.sum(some.c.kept.op("GLOB")(_SHAPE)))
    row = looker.ask(lambda connection: connection.execute(asked).one())
    if row is not None and row[0] and not row[1]:
        raise PolicyError(f"{column.name} holds no times such as 2026-11-22 10:00:00")


def final_states(looker: DatabaseProbe, column: Column[Any]) -> tuple[list[str], bool]:
    """Values of a status that nothing comes after, of all its values if there are none; whether they are such."""
    if isinstance(column.type, Enum):
        known = list(column.type.enums)
    elif isinstance(column.type, String):
        some = select(column).limit(SAMPLE_ROWS_FOR_FORM).subquery()
        asked = select(some.c[0]).distinct().where(some.c[0].is_not(None)).limit(50)
        found = looker.ask(lambda connection: connection.execute(asked).scalars().all()) or []
        known = sorted(value for value in found if isinstance(value, str))
    else:
        raise PolicyError(f"{column.name} is {column.type}, which does not tell what is finished")
    final = [value for value in known if value.lower() in FINAL_STATES]
    return (final, True) if final else (known, False)


@dataclass(frozen=True, slots=True)
class Measures:
    """What one policy would find now.

    Each may be unknown: None. due: more than `MAX_MEASURED_DUE` stands for any number above.
    index: whether one leads to its time column.
    """

    rows: int | None
    earliest: datetime | None
    latest: datetime | None
    due: int | None
    exact: bool
    index: bool | None


def measure(looker: DatabaseProbe, plan: Plan, by: Column[Any], unit: str | None) -> Measures:
    """What it would find. by: its time column, with the `unit` of whole numbers."""
    rows = looker.ask(lambda connection: table_rows(connection, plan.table))
    due = looker.ask(lambda connection: _due(connection, plan))
    ends = select(cast(func.min(by), Text), cast(func.max(by), Text))
    lowest, highest = looker.ask(lambda connection: tuple(connection.execute(ends).one())) or (None, None)
    index = looker.ask(lambda connection: missing_index(connection, plan) is None)
    exact = looker.engine.dialect.name == "sqlite" or (rows or 0) < MIN_ESTIMATED_ROWS
    return Measures(rows, _instant(lowest, unit), _instant(highest, unit), due, exact, index)


def _due(connection: Connection, plan: Plan) -> int:
    asked = select_due(plan, excluding=False).with_only_columns(*plan.key).limit(MAX_MEASURED_DUE + 1).subquery()
    statement = select(func.count()).select_from(asked)
    request = Request(MAX_MEASURED_DUE, None, ask_now(connection), plan.step, None)
    return int(connection.execute(statement, parameters(statement, request)).scalar_one())


def _instant(written: str | None, unit: str | None) -> datetime | None:
    """The instant of a time as the database writes it; None for what is none, such as -infinity."""
    try:
        if unit is not None:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(written or "") / EPOCHS[unit])
        return datetime.fromisoformat(written or "")
    except (ValueError, OverflowError):
        return None
