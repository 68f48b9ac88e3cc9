"""SQLite: a few statements in one immediate transaction.

No other connection can write meanwhile, so what was picked stays due.
SQLite has no data-modifying CTE, so the picked rows go into a temporary table that the following statements read.
Rows of other transactions are never half-done here: there are no row locks, and nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zlib import crc32

from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Integer,
    MetaData,
    Select,
    Table,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlalchemy.types import NullType

from ..db.column_types import Untyped
from ..db.outbox_table import own_outbox
from ..db.tables import own_tables
from ..outbox.write import enqueue, record
from ..policies.contract import Change, Plan, in_rows
from .batch_strategy import Request, Result, parameters, refuse_kept
from .postgresql_batch import counted_changes, rows_by_table
from .selection import carried, cursor_value, fact_order, facts, pick, told_before

ROW = "sexton_row"
"""Column that numbers the rows of a temporary table."""


class KeyedDelete:
    """A purge of single rows that no trigger can keep: delete by key what a limited subselect finds.

    SQLite drops index entries at once, so this does not decay as it would on PostgreSQL."""

    unit = "rows"
    first = 0
    goes_around = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._statement = lru_cache(maxsize=None)(self._build)

    def execute(self, connection: Connection, request: Request) -> Result:
        """Delete the oldest `size` rows that are due."""
        statement = self._statement(request.cursor is not None, request.excluding)
        gone = connection.execute(statement, parameters(statement, request)).rowcount
        return Result(gone, gone, 0, None, more=gone >= request.size, skips=False)

    rescue = execute

    def statements(self) -> list[ClauseElement]:
        """The delete."""
        return [self._statement(False, False)]

    def _build(self, onward: bool, excluding: bool) -> Delete:
        oldest = pick(self.plan, list(self.plan.key), excluding=excluding, onward=onward).subquery()
        return delete(self.plan.table).where(in_rows(self.plan.key, oldest))


class TemporaryRows:
    """Any other plan: pick into a temporary table, find, change, tell."""

    unit = "rows"
    first = 0
    goes_around = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._picks = lru_cache(maxsize=None)(self._pick)
        self._tables: dict[str, Table] = {}
        self._statements: dict[str, Any] = {}

    def execute(self, connection: Connection, request: Request) -> Result:
        """One batch; see the module."""
        picked = self._fill(connection, "picked", self._picks(request.cursor is not None, request.excluding), request)
        if not picked:
            return Result(0, 0, 0, request.cursor, more=False, skips=False)
        if self.plan.restrict_probe is not None:
            probe = self.plan.restrict_probe
            connection.execute(self._once("gate", lambda: select(func.count()).select_from(probe(self._tables)))).one()
        for found in self.plan.found:
            rows = self._once(f"found {found.name}", lambda found=found: found.select(self._tables))  # type: ignore[misc]
            self._fill(connection, found.name, rows, request)
        last = tuple(connection.execute(self._once("last", self._last)).one())
        told, before = self._tell(connection, request) if self.plan.messages else (0, 0)
        done = [self._change(connection, number, change, request) for number, change in enumerate(self.plan.changes)]
        changed = self._change(connection, -1, self.plan.main, request) if self.plan.main else 0
        also = rows_by_table((change.name, done[number]) for number, change in counted_changes(self.plan))
        kept = picked - changed if self.plan.main else 0
        refuse_kept(self.plan, kept)
        more = picked >= request.size
        return Result(picked, changed, told, last, more=more, also=also, kept=kept, told_before=before)

    rescue = execute

    def statements(self) -> list[ClauseElement]:
        """The pick; what follows reads its rows from a temporary table."""
        return [self._picks(False, False)]

    def _once(self, name: str, build: Callable[[], Any]) -> Any:
        """A statement, built the first time: what is built anew would be compiled anew in every batch."""
        if name not in self._statements:
            self._statements[name] = build()
        return self._statements[name]

    def _pick(self, onward: bool, excluding: bool) -> Select[Any]:
        return pick(self.plan, carried(self.plan), excluding=excluding, onward=onward)

    def _fill(self, connection: Connection, name: str, rows: Select[Any], request: Request) -> int:
        """Put the result of `rows` into the temporary table `name`; how many."""
        if name not in self._tables:
            self._tables[name] = _temporary(name, rows)
        table = self._tables[name]
        connection.execute(self._once(f"create {name}", lambda: CreateTable(table, if_not_exists=True)))
        connection.execute(self._once(f"empty {name}", lambda: delete(table)))
        names = [column.key for column in table.c if column.key != ROW]
        filled = self._once(f"fill {name} {id(rows)}", lambda: insert(table).from_select(names, rows))
        return connection.execute(filled, parameters(filled, request)).rowcount

    def _last(self) -> Select[Any]:
        picked = self._tables["picked"]
        columns = [picked.c[column.key] for column in self.plan.order]
        return (
            select(*(cursor_value(column) for column in columns))
            .order_by(*(column.desc() for column in columns))
            .limit(1)
        )

    def _change(self, connection: Connection, number: int, change: Change, request: Request) -> int:
        statement = self._once(f"change {number}", lambda: change.statement(self._tables))
        return connection.execute(statement, parameters(statement, request)).rowcount

    def _tell(self, connection: Connection, request: Request) -> tuple[int, int]:
        """How many facts were put on record, and how many messages withheld."""
        rows = self._once("facts", lambda: facts(self.plan, self._tables))
        self._fill(connection, "facts", rows, request)
        relation = self._tables["facts"]
        before = connection.execute(self._once("before", lambda: select(_told_before(relation)))).scalar_one()
        connection.execute(self._once("known", lambda: _forget_known(relation)))
        recorded = self._once("record", lambda: record("sqlite", relation))
        told = connection.execute(recorded, parameters(recorded, request)).rowcount
        sent = self._once("enqueue", lambda: self._enqueue(relation))
        connection.execute(sent, parameters(sent, request))
        return told, before

    def _enqueue(self, relation: Table) -> Any:
        first = select(func.min(relation.c[ROW])).group_by(relation.c.key)
        outbox = self.plan.outbox or own_outbox("sqlite")
        return enqueue(outbox, relation, relation.c[ROW].in_(first), fact_order(relation))


def _forget_known(relation: Table) -> Delete:
    """Facts that are on record already are no news."""
    return delete(relation).where(relation.c.key.in_(_known()))


def _told_before(relation: Table) -> ColumnElement[int]:
    return told_before(relation, relation.c.key.in_(_known()))


def _known() -> Select[Any]:
    return select(own_tables("sqlite").effects.c.key)


def _temporary(name: str, rows: Select[Any]) -> Table:
    """A temporary table for the result of `rows`. Its name holds its shape: connections are used again."""
    kinds = {key: column.type for key, column in rows.selected_columns.items()}
    columns: list[Column[Any]] = [
        Column(key, Untyped() if isinstance(kind, NullType) else kind) for key, kind in kinds.items()
    ]
    shape = ",".join(f"{column.name} {column.type!r}" for column in columns)
    number = Column(ROW, Integer, primary_key=True)
    return Table(f"sexton_{name}_{crc32(shape.encode()):08x}", MetaData(), *columns, number, schema="temp")
