"""Computes one window and writes what differs, inside the transaction at hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, delete, insert
from sqlalchemy.schema import CreateIndex, CreateTable

from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import GROUPS, RollupStatements, Window


class WrittenWindows(NamedTuple):
    """groups: how many were written, changed or deleted.  rows: the first of these differences, where asked for."""

    groups: int
    rows: Sequence[RowMapping] = ()


class WindowWriter:
    """Writes windows; on PostgreSQL in one statement each, on SQLite by a temporary table of what differs."""

    def __init__(self, statements: RollupStatements, request: Request) -> None:
        self.statements, self.request = statements, request

    def write(self, connection: Connection, window: Window, *, lines: bool, careful: bool) -> WrittenWindows:
        """Make `into` hold what the rows of the window come to. lines: the differences are wanted as well.

        careful: where no row is left, its sums stay.
        """
        if connection.dialect.name == "postgresql":
            return self._answer(connection, self.statements.write(lines, careful), window, lines)
        table = self.statements.temporary
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))
        connection.execute(delete(table))
        filling = self._fillings[careful]
        connection.execute(filling, parameters(filling, self.request, **window.values()))
        answer = self._answer(connection, self._answers[lines], window, lines)
        if answer.groups:
            for change in self._changes:
                connection.execute(change)
        return answer

    def clear(self, connection: Connection, stretch: Window) -> int:
        """Take out what `into` holds of a stretch without rows; how many groups."""
        return connection.execute(self._clearing, stretch.values()).rowcount

    @cached_property
    def _fillings(self) -> dict[bool, Any]:
        fresh, table = self.statements.fresh().cte("sexton_fresh"), self.statements.temporary
        names = [column.key for column in table.c]
        return {
            careful: insert(table).from_select(names, self.statements.differences(fresh, careful))
            for careful in (False, True)
        }

    @cached_property
    def _answers(self) -> dict[bool, Any]:
        return {lines: self.statements.answer(self.statements.temporary, lines) for lines in (False, True)}

    @cached_property
    def _changes(self) -> Any:
        return self.statements.changes(self.statements.temporary)

    @cached_property
    def _clearing(self) -> Any:
        return self.statements.clear()

    def _answer(self, connection: Connection, statement: Any, window: Window, lines: bool) -> WrittenWindows:
        found = connection.execute(statement, parameters(statement, self.request, **window.values()))
        if not lines:
            return WrittenWindows(found.scalar_one())
        rows = found.mappings().all()
        return WrittenWindows(rows[0][GROUPS] if rows else 0, rows)
