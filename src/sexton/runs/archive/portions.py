"""The due rows of a policy in portions that fit into memory, with the lines of what hangs on them.

A portion is read in one snapshot: how much its rows weigh, the rows, their children, and all of it once more as
`restore` would read it. A row that cannot be read, or would not come back, is set aside; the next portion begins
after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.exc import DBAPIError

from ...db.connect import read_only
from ...db.effect_keys import subject_of
from ...db.faults import Fault, classify
from ...db.ledger import subject_text
from ...db.statement_timeout import limited_time
from ...db.text_output import exact_text_output
from ...errors import JobFailed
from ...policies.contract import Change, Plan, in_rows
from ...statements.archive_columns import line_size, require_columns
from ...statements.archive_read_back import UnreadableRow, is_about_rows, reason_of, unreadable_rows
from ...statements.archive_rows import (
    MAX_READ_BYTES,
    ArchivedRow,
    Reading,
    RowKey,
    WrittenRow,
    is_unchanged,
    keys_relation,
    next_due,
    read_rows,
    select_due_rows,
    select_rows,
    written_row,
)
from ...statements.batch_strategy import Request, parameters
from ...statements.poison import next_subject, quarantine
from ..context import RunContext
from ..transaction_retries import TransactionRetries

READ, FIRST = 1_000, 50
"""Rows that one statement reads; the first one fewer, as nobody knows how many children they have."""


@dataclass(slots=True)
class Portion:
    """rows: in order.  below: the lines of their children, and `children`: what is kept of those, by part and key.

    refused: of the rows, those that would not come back, and why; they are not in `rows`.
    """

    rows: list[ArchivedRow] = field(default_factory=list)
    children: dict[tuple[str, ...], dict[RowKey, WrittenRow]] = field(default_factory=dict)
    below: Any = None
    refused: dict[RowKey, str] = field(default_factory=dict)


def tables_of(plan: Plan) -> list[Table]:
    """Those whose rows go into a file."""
    return list(dict.fromkeys([plan.table, *(change.table for change in plan.changes)]))


def part_of(change: Change, picked: Any) -> Reading:
    """How the rows of a change are read: whole ones that go, or the links of those that let go."""
    if change.operation == "delete":
        return Reading(change.table)
    assert change.values is not None, f"{change.name} is neither a delete nor an update"
    return Reading(change.table, tuple(change.values({"picked": picked})))


def picked_rows(connection: Connection, plan: Plan, wanted: list[RowKey]) -> tuple[Any, dict[str, Any]]:
    """Rows by their keys as the plan's changes see them: with what their children hold of them."""
    keys, values = keys_relation(connection.dialect.name, plan.table, wanted)
    if not plan.carry:
        return keys, values
    columns = dict.fromkeys((*plan.key, *plan.carry))
    return select(*columns).where(in_rows(plan.key, keys)).subquery("sexton_picked"), values


class Portions:
    """The portions of one plan, inside one run.

    waiting: rows that a file has already, which are passed over as they are there.
    """

    def __init__(self, context: RunContext, plan: Plan, request: Request, folder: Path) -> None:
        self.context, self.plan, self.request, self.folder = context, plan, request, folder
        self.attempts = TransactionRetries(context, plan.table.fullname)
        self.waiting: dict[RowKey, WrittenRow] = {}
        self.size, self.refused = FIRST, 0

    def next(self, most: int) -> Portion | None:
        """At most so many rows; None: there are no more. JobFailed where nothing can be read."""
        while True:
            self.context.check()
            size = min(self.size, most)
            try:
                portion, more = self._portion(replace(self.request, size=size))
            except (DBAPIError, UnicodeError, UnreadableRow) as error:
                self._smaller(error, size)
                continue
            for key, reason in portion.refused.items():
                self._set_aside(self._subject(key), reason)
            self.size = min(READ, 2 * size)
            if portion.rows:
                return portion
            if not more:
                return None

    def _smaller(self, error: Exception, size: int) -> None:
        slow = isinstance(error, DBAPIError) and classify(error) is Fault.CANCELLED
        if not (is_about_rows(error) or slow) or (slow and size == 1):
            raise error
        self.size = max(size // 2, 1)
        if size > 1:
            return
        row = self.attempts.side_transaction(lambda connection: next_subject(connection, self.plan, self.request))
        if row is None:
            raise error
        self._set_aside(row[0], reason_of(error))
        self.request = replace(self.request, cursor=row[1])

    def _set_aside(self, subject: str, reason: str) -> None:
        words = f"not archived, as it could not be put back: {reason}"
        self.attempts.side_transaction(
            lambda connection: quarantine(connection, self.plan, self.request, subject, words)
        )
        self.refused += 1

    def _subject(self, key: RowKey) -> str:
        def ask(connection: Connection) -> str | None:
            keys, values = keys_relation(connection.dialect.name, self.plan.table, [key])
            name = select(subject_text(list(self.plan.key))).where(in_rows(self.plan.key, keys))
            return connection.execute(name, values).scalar()

        return self.attempts.side_transaction(ask) or subject_of(key)

    def _portion(self, request: Request) -> tuple[Portion, bool]:
        # A long read on SQLite keeps nobody waiting, and its limit is for all statements together.
        on_sqlite = self.context.engine.dialect.name == "sqlite"
        seconds = max(self.context.left(), 0.001) if on_sqlite else self.context.limits.statement
        with read_only(self.context.engine) as connection, limited_time(connection, seconds):
            exact_text_output(connection)
            size = self._that_fit(connection, request)
            if not size:
                return Portion(), False
            rows = self._rows(connection, replace(request, size=size), Reading(self.plan.table))
            if rows and rows[-1].cursor == request.cursor:
                raise JobFailed(f"archive: the order of {self.plan.table.fullname} cannot be followed past one row")
            portion = self._readable(connection, rows)
            self._add_children(connection, portion)
            require_columns(connection, tables_of(self.plan))
        if rows:
            self.request = replace(self.request, cursor=rows[-1].cursor)
        return portion, True

    def _that_fit(self, connection: Connection, request: Request) -> int:
        """How many of the next rows weigh no more than is read at once; one at least, if there is one."""
        plan, dialect = self.plan, connection.dialect
        heavy = line_size(dialect, plan.table, Reading(plan.table).of()).label("weight")
        asked = next_due(select(heavy).select_from(plan.table), plan, request.excluding, request.cursor is not None)
        sizes = list(connection.execute(asked, parameters(asked, request)).scalars())
        fitting = sum(total <= MAX_READ_BYTES for total in accumulate(sizes))
        return max(fitting, 1) if sizes else 0

    def _rows(self, connection: Connection, request: Request, how: Reading) -> list[ArchivedRow]:
        onward = request.cursor is not None
        asked = select_due_rows(connection.dialect, self.plan, how, excluding=request.excluding, onward=onward)
        return list(read_rows(connection, how, asked, parameters(asked, request), cursor_columns=len(self.plan.order)))

    def _readable(self, connection: Connection, rows: list[ArchivedRow]) -> Portion:
        """Those that have to be written, each so that it would come back."""
        fresh = [row for row in rows if not self._waits(row)]
        how = Reading(self.plan.table)
        good = {row.key: row for row in fresh}
        refused = self._as_text(connection, how, good)
        # Once more, as a file may have as text what waits there.
        rows = [good[row.key] for row in fresh if row.key not in refused]
        return Portion([row for row in rows if not self._waits(row)], refused=refused)

    def _waits(self, row: ArchivedRow) -> bool:
        known = self.waiting.get(row.key)
        return known is not None and is_unchanged(known, row)

    def _as_text(self, connection: Connection, how: Reading, rows: dict[RowKey, ArchivedRow]) -> dict[RowKey, str]:
        """Rows that their JSON does not give back stand as text; what not even that gives back, and why."""
        refused = unreadable_rows(connection, how, list(rows.values()))
        if not refused or connection.dialect.name != "postgresql":
            return refused
        again = replace(how, as_text=True)
        keys, values = keys_relation("postgresql", how.table, list(refused))
        asked = select_rows(connection.dialect, again).where(in_rows(tuple(how.table.primary_key.columns), keys))
        texts = {
            row.key: replace(row, cursor=rows[row.key].cursor) for row in read_rows(connection, again, asked, values)
        }
        rows.update(texts)
        return unreadable_rows(connection, how, list(texts.values()))

    def _add_children(self, connection: Connection, portion: Portion) -> None:
        if not portion.rows:
            return
        portion.below = SpooledTemporaryFile(MAX_READ_BYTES, dir=str(self.folder))  # noqa: SIM115 (read after the snapshot)
        try:
            self._write_children(connection, portion)
        except BaseException:
            portion.below.close()
            raise

    def _write_children(self, connection: Connection, portion: Portion) -> None:
        picked, values = picked_rows(connection, self.plan, [row.key for row in portion.rows])
        # In the order in which they can be put back: first what others refer to.
        for change in reversed(self.plan.changes):
            how = part_of(change, picked)
            for rows in self._in_pieces(connection, how, change, picked, values):
                known = {row.key: row for row in rows}
                if refused := self._as_text(connection, how, known):
                    key, reason = next(iter(refused.items()))
                    raise UnreadableRow(f"its {change.table.name} {','.join(map(str, key))}: {reason}")
                self._keep(portion, known.values())

    def _keep(self, portion: Portion, rows: Any) -> None:
        for row in rows:
            encoded = row.line.encoded()
            portion.below.write(encoded)
            portion.children.setdefault(row.line.part, {})[row.key] = written_row(row, encoded)

    def _in_pieces(
        self, connection: Connection, how: Reading, change: Change, picked: Any, values: Mapping[str, Any]
    ) -> Iterator[list[ArchivedRow]]:
        def those(asked: Select[Any]) -> tuple[Select[Any], dict[str, Any]]:
            asked = asked.where(change.condition({"picked": picked}))
            return asked, parameters(asked, self.request, **values)

        heaviest = those(select(func.max(line_size(connection.dialect, how.table, how.of()))).select_from(how.table))
        most = connection.execute(*heaviest).scalar()
        if most is None:
            return
        some = max(1, min(READ, MAX_READ_BYTES // max(most, 1)))
        piece: list[ArchivedRow] = []
        for row in read_rows(connection, how, *those(select_rows(connection.dialect, how)), some=some):
            piece.append(row)
            if len(piece) == some:
                yield piece
                piece = []
        if piece:
            yield piece
