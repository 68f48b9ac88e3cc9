"""What is told about a window: its sums once, and each time that they came out differently, the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from ...clock import iso
from ...db.effect_keys import COLON, effect_key, storable
from ...db.tables import own_tables
from ...outbox.write import tell
from ...policies.rollup_rule import RollupReport
from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import GROUPS, RollupStatements, Window, before

_AT_ONCE = 50
"""Corrections that are looked for in one question."""


class Reports:
    """The messages of one roll-up."""

    def __init__(self, statements: RollupStatements, report: RollupReport, request: Request, step: str) -> None:
        self.statements, self.report, self.request, self.step = statements, report, request, step

    def told(self, connection: Connection, window: Window) -> bool:
        """Whether the window was told."""
        return bool(_known(connection, [self._key(window)]))

    def tell(self, connection: Connection, window: Window) -> bool:
        """Tell about the window as it is kept now."""
        asked = self.statements.kept()
        rows = connection.execute(asked, parameters(asked, self.request, **window.values())).mappings().all()
        names = (*self.statements.groups, *self.statements.sums)
        lines = [{name: _plain(row[name]) for name in names} for row in rows]
        return self._send(connection, window, self._key(window), self.report.event, rows, {"lines": lines})

    def correct(self, connection: Connection, window: Window, rows: Sequence[RowMapping]) -> bool:
        """Tell what is to be added to what was told before. rows: the differences, as the statements give them."""
        key = self._key(window)
        number = 1
        while known := _known(connection, [f"{key}{COLON}{number + more}" for more in range(_AT_ONCE)]):
            number += known
        lines = [self._line(row) for row in rows]
        own = {"correction": number, "lines": lines}
        return self._send(connection, window, f"{key}{COLON}{number}", self.report.correction_event, rows, own)

    def _line(self, row: RowMapping) -> dict[str, Any]:
        group = {name: _plain(row[name]) for name in self.statements.groups}
        return group | {name: _plain(_added(row[name], row[before(name)])) for name in self.statements.sums}

    def _send(
        self,
        connection: Connection,
        window: Window,
        key: str,
        event: str,
        rows: Sequence[RowMapping],
        own: Mapping[str, Any],
    ) -> bool:
        payload = {
            **self.report.payload,
            "window_start": iso(window.start),
            "window_end": iso(window.end),
            "zone": self.statements.rule.windows.zone,
            "groups": rows[0][GROUPS] if rows else 0,
            **own,
        }
        return tell(
            connection,
            event,
            key=key,
            subject=effect_key(self.step, window.end),
            payload=payload,
            to=self.report.to,
            by=self.request.job,
            at=self.request.as_of,
            outbox=self.report.outbox,
        )

    def _key(self, window: Window) -> str:
        return effect_key(self.report.event, window.end)


def _known(connection: Connection, keys: list[str]) -> int:
    """How many of the keys are on record."""
    effects = own_tables(connection.dialect.name).effects
    wanted = [storable(key, connection.dialect.name) for key in keys]
    return connection.execute(select(func.count()).where(effects.c.key.in_(wanted))).scalar_one()


def _added(now: Any, earlier: Any) -> Any:
    """The difference of numbers, NULL being none; any other value as it is now."""
    if all(value is None or _is_number(value) for value in (now, earlier)):
        return (0 if now is None else now) - (0 if earlier is None else earlier)
    return now


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """As JSON has it: decimals exactly, as text; instants in ISO form."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return iso(value) if value.tzinfo is not None else value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)
