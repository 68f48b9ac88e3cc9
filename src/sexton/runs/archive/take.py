"""Archive, then purge: rows go into a file, the file is read back, then the rows go; nothing in between is lost.

    register the file's name ─> read due rows, write, fsync, read back, publish ─> delete in batches ─> next file
                                                                                        │
    a run that was killed: a name without a file is forgotten, a file is taken up here ─┘

Deleted is what is still as the file has it: a row that somebody changed meanwhile stays, and is archived anew when it
is due again. No lock is held while a file is written. The name is on record before anything is written under it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import Column, Connection, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import CompileError, DBAPIError

from ...clock import iso
from ...db.connect import read_only
from ...db.deadline import limited
from ...db.faults import Fault, classify
from ...db.moment import database_now
from ...db.tables import own_tables
from ...errors import JobFailed
from ...policies.contract import ArchiveTo, Plan
from ..attempts import Attempts
from ..context import RunContext
from ..counts import Counts
from ..execution import Request, parameters
from ..poison import any_aside, forget_healed
from ..sizing import CEILING, Sizer
from .delete import Deletion, delete_rows, picked_rows
from .files import (
    ENDING,
    Line,
    Manifest,
    discard,
    lines_of,
    manifest_of,
    publish,
    read_back,
    sync_folder,
    temporary_of,
    verify,
    write_content,
)
from .rows import Found, Key, columns_of, found, reading, reading_due

ROWS = 20_000
"""Rows of the policy's table in one file."""

LINES = 100_000
"""With their children: a file ends with the row that reaches this, as its lines are held in memory."""

READ, FIRST = 1_000, 50
"""Rows that one statement reads; the first one fewer, as nobody knows how many children they have."""


@dataclass(slots=True)
class Batch:
    """The rows of one file, in order, with what hangs on them: by table."""

    rows: list[Found] = field(default_factory=list)
    children: dict[str, list[Found]] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many the file will have."""
        return len(self.rows) + sum(map(len, self.children.values()))


class Archiver:
    """Takes the rows of one plan, inside one run."""

    def __init__(self, context: RunContext, plan: Plan, to: ArchiveTo) -> None:
        self.context, self.plan = context, plan
        self.counts = context.steps.setdefault(plan.step, Counts())
        self.folder = Path(to.folder) / plan.step
        self.attempts = Attempts(context, plan.table.fullname)
        claim = context.claim
        self.request = Request(READ, None, claim.as_of, claim.job, claim.run_id)
        most = min(plan.batch or READ, READ)
        self.sizer = Sizer(min(context.limits.rows, most), 2 * context.limits.batch, most)
        self.archives = own_tables(context.engine.dialect.name).archives
        self.deletion = [change for change in plan.changes if change.values is None]

    def run(self) -> None:
        """Everything that is due. JobFailed when a file cannot be written, and nothing was deleted for it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            excluding = self.attempts.beside(
                lambda connection: any_aside(connection, self.request.job, self.request.as_of)
            )
            self.request = replace(self.request, excluding=excluding)
            self._take_up()
            number = 0
            while batch := self._read():
                number += 1
                self._delete(self._write(batch, number), batch)
            self.attempts.beside(lambda connection: forget_healed(connection, self.plan, self.request))
        except OSError as error:
            raise JobFailed(f"archive {self.folder}: {error.strerror}; no row was deleted for it") from error

    def _read(self) -> Batch | None:
        """The next rows for one file; None: there are none."""
        batch = Batch()
        limits = (self.plan.limit, self.context.limits.row_limit)
        most = min([ROWS, *(limit - self.counts.picked for limit in limits if limit is not None)])
        size = FIRST
        while len(batch.rows) < most and batch.lines < LINES:
            self.context.check()
            size = min(size, most - len(batch.rows))
            rows = self._some(replace(self.request, size=size), batch)
            if rows and rows[-1].mark == self.request.cursor:
                raise JobFailed(f"archive: the order of {self.plan.table.fullname} cannot be followed past one row")
            if rows:
                self.request = replace(self.request, cursor=rows[-1].mark)
            if len(rows) < size:
                break
            # As many as fit, by what rows had so far: a row may have thousands of children.
            size = max(min(READ, 2 * size, (LINES - batch.lines) * len(batch.rows) // batch.lines), 1)
        return batch if batch.rows else None

    def _some(self, request: Request, batch: Batch) -> list[Found]:
        with read_only(self.context.engine) as connection, limited(connection, self.context.limits.statement):
            onward = request.cursor is not None
            asked = reading_due(connection.dialect, self.plan, excluding=request.excluding, onward=onward)
            rows = found(connection, self.plan.table, asked, parameters(asked, request), len(self.plan.order))
            if rows:
                self._add_children(connection, [row.key for row in rows], batch)
            batch.rows += rows
        return rows

    def _add_children(self, connection: Connection, keys: list[Key], batch: Batch) -> None:
        picked, values = picked_rows(connection, self.plan, keys)
        for change in self.deletion:
            asked = reading(connection.dialect, change.table).where(change.where({"picked": picked}))
            rows = found(connection, change.table, asked, parameters(asked, self.request, **values), 0)
            batch.children.setdefault(change.table.fullname, []).extend(rows)

    def _write(self, batch: Batch, number: int) -> Path:
        """A file of these rows that was read back, under its name."""
        path = self._register(number)
        temporary = temporary_of(path)
        try:
            written = write_content(temporary, _lines(batch))
            content, whole, size = read_back(temporary)
            if content != written:
                raise JobFailed(f"archive {path.name} reads otherwise than it was written; no row was deleted for it")
            claim, rows = self.context.claim, batch.rows
            manifest = Manifest(
                policy=claim.job,
                table=self.plan.table.fullname,
                run=claim.run_id,
                as_of=iso(claim.as_of),
                rows=len(rows),
                lines=content.lines,
                first_key=list(rows[0].line.key),
                last_key=list(rows[-1].line.key),
                sha256=whole,
                content_sha256=content.sha256,
                size=size,
                columns={
                    table.fullname: {column.name: self._type_of(column) for column in columns_of(table)}
                    for table in dict.fromkeys([self.plan.table, *(change.table for change in self.deletion)])
                },
            )
            publish(temporary, path, manifest)
        except BaseException:
            discard(path)
            raise
        return path

    def _type_of(self, column: Column[Any]) -> str:
        try:
            return str(column.type.compile(self.context.engine.dialect))
        except CompileError:
            return "unknown"

    def _register(self, number: int) -> Path:
        claim = self.context.claim
        # By chance as well: another database may have the same folder, time and run.
        chance = token_hex(3)
        name = f"{self.plan.step}-{claim.as_of:%Y%m%dT%H%M%SZ}-run{claim.run_id}-{number:04}-{chance}{ENDING}"
        row = {"file": name, "job": claim.job, "run_id": claim.run_id, "deleted": 0}

        def register(connection: Connection) -> None:
            connection.execute(insert(self.archives).values(**row, created_at=database_now(connection.dialect.name)))

        self.attempts.beside(register)
        return self.folder / name

    def _delete(self, path: Path, batch: Batch) -> None:
        """In batches; the record of the file with the first, and that it is done with the last."""
        manifest = verify(path)
        children = {name: {row.key: row for row in rows} for name, rows in batch.children.items()}
        start, rows = 0, batch.rows
        while start < len(rows):
            self.context.check()
            some = rows[start : start + self.sizer.size]
            began = time.monotonic()
            last = start + len(some) == len(rows)
            taken = Deletion(self.plan, self.request, some, children)
            before = replace(self.counts, also=dict(self.counts.also))
            try:
                self.attempts.once(
                    partial(self._delete_some, taken, path, manifest, last),
                    lock=CEILING / 2,
                    statement=self.context.limits.statement,
                )
            except BaseException as error:
                self._restore(before)  # also when the commit was refused
                if not isinstance(error, DBAPIError):
                    raise
                if classify(error) is Fault.CANCELLED and len(some) > 1:
                    self.sizer.shrink(2, len(some))
                else:
                    self.attempts.again(error)
                continue
            self.context.watch(self.plan.step, self.counts)
            start += len(some)
            if not last:
                self.sizer.measured(len(some), time.monotonic() - began)

    def _restore(self, before: Counts) -> None:
        for name in ("picked", "changed", "also", "skipped", "poison"):
            setattr(self.counts, name, getattr(before, name))

    def _delete_some(self, taken: Deletion, path: Path, manifest: Manifest, last: bool, connection: Connection) -> None:
        gone = delete_rows(connection, taken)
        self.counts.add(gone.picked, gone.rows, 0, gone.also)
        self.counts.skipped += gone.locked
        self.counts.poison += gone.poison
        record: dict[str, Any] = {
            "rows": manifest.rows,
            "deleted": self.archives.c.deleted + gone.rows,
            "sha256": manifest.sha256,
            "size": manifest.size,
        }
        if last:
            record["finished_at"] = database_now(connection.dialect.name)
        connection.execute(update(self.archives).where(self.archives.c.file == path.name).values(record))

    def _take_up(self) -> None:
        """Files that an earlier run left: finished ones are deleted from, the names of others are forgotten."""
        unfinished = select(self.archives.c.file).where(
            self.archives.c.job == self.request.job, self.archives.c.finished_at.is_(None)
        )
        names = self.attempts.beside(lambda connection: list(connection.execute(unfinished).scalars()))
        for name in sorted(names):
            path = self.folder / name
            discard(path)
            if path.exists() and (batch := self._batch_of(path)).rows:
                self._delete(path, batch)
                continue
            if not path.exists():
                manifest_of(path).unlink(missing_ok=True)
                sync_folder(self.folder)
            self.attempts.beside(partial(self._give_up, name))

    def _give_up(self, name: str, connection: Connection) -> None:
        """A file that is not here, or is of a table that the policy had before. Its record stays if rows went by it."""
        this = self.archives.c.file == name
        connection.execute(delete_from(self.archives).where(this, self.archives.c.deleted == 0))
        ended = {"finished_at": database_now(connection.dialect.name)}
        connection.execute(update(self.archives).where(this).values(ended))

    def _batch_of(self, path: Path) -> Batch:
        """What a file holds, without witnesses: rows are compared by their content."""
        batch = Batch()
        for line in lines_of(path):
            row = Found(line, None)
            if line.table == self.plan.table.fullname:
                batch.rows.append(row)
            else:
                batch.children.setdefault(line.table, []).append(row)
        return batch


def _lines(batch: Batch) -> Iterator[Line]:
    """In the order in which they can be put back: first what others refer to."""
    for row in batch.rows:
        yield row.line
    for rows in reversed(batch.children.values()):
        for row in rows:
            yield row.line
