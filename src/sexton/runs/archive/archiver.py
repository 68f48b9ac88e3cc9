"""Archive, then purge: rows go into a file, the file is read back, then the rows go; nothing in between is lost.

    register the name ─> read due rows, write, fsync, read back ─> checksum on record, publish ─> delete in batches
                                                                                                       │
    a run that was killed: a name without a file is forgotten, a file is taken up by its checksum here ┘

Deleted is what is still as the file has it: a row that was changed meanwhile stays, and is archived anew when it
is due again. No lock is held while a file is written. The name is on record before anything is written under it. A
row that stays as it was (others hold it, a trigger keeps it, it was refused) waits in its file for the next run, and
is not written again. What a file is, the run knows from writing it, and the record from the run: nothing that lies in
the folder decides which rows go (SEC-4).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from secrets import token_hex

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...archives.file_format import ENDING, Manifest, Written, discard, pinned, publish, temporary_of, write_content
from ...archives.manifests import require_whole
from ...archives.reader import Seal, measured
from ...clock import iso
from ...db.faults import Fault, classify
from ...errors import JobFailed
from ...files import make_folder
from ...policies.contract import ArchiveTo, Plan
from ...run_counts import Counts
from ...statements.archive_columns import columns_of, type_name
from ...statements.archive_rows import RowKey, WrittenRow, written_row
from ...statements.batch_strategy import Request
from ...statements.poison import forget_healed, rows_set_aside
from ..context import RunContext
from ..kept_rows import say_kept
from ..sizing import MAX_BATCH_SECONDS, Sizer
from ..transaction_retries import TransactionRetries
from .deletion import Deletion, DeletionCounts, delete_rows
from .portions import READ, Portion, Portions, tables_of
from .records import Batch, give_up, held_by, register, seal_in, unfinished, went

MAX_FILE_ROWS = 20_000
"""Rows of the policy's table in one file."""

MAX_FILE_LINES = 100_000
"""With their children: a file ends with the row that reaches this, as something of each line is kept in memory."""

BYTES = 32 << 20
"""Text of its lines: a file ends with the row that reaches this, so that a run gets on whatever a row weighs."""

DELETED = 16 << 20
"""Text of the rows that one transaction deletes."""

OUT_OF_MEMORY = ("out of memory", "allocate memory", "memory exhausted")
"""What drivers say in their words when there is none left."""


class Archiver:
    """Takes the rows of one plan, inside one run."""

    def __init__(self, context: RunContext, plan: Plan, to: ArchiveTo) -> None:
        self.context, self.plan = context, plan
        self.counts = context.steps.setdefault(plan.step, Counts())
        self.folder, self.group = Path(to.folder) / plan.step, to.group
        self.attempts = TransactionRetries(context, plan.table.fullname)
        claim = context.claim
        self.request = Request(READ, None, claim.as_of, claim.job, claim.run_id)
        most = min(plan.batch or READ, READ)
        self.sizer = Sizer(min(context.limits.rows, most), 2 * context.limits.batch, most)
        self.portions: Portions
        self.require_folder: Callable[[], None]

    def run(self) -> None:
        """Everything that is due. JobFailed when a file cannot be written, and nothing was deleted for it."""
        try:
            make_folder(self.folder, group=self.group)
            set_aside = self.attempts.side_transaction(
                lambda connection: rows_set_aside(connection, self.request.job, self.request.as_of)
            )
            self.request = replace(self.request, excluding=set_aside.now)
            self.portions = Portions(self.context, self.plan, self.request, self.folder)
            with pinned(self.folder) as self.require_folder:
                self._take()
            if set_aside.ever:
                self.attempts.side_transaction(lambda connection: forget_healed(connection, self.plan, self.request))
        except OSError as error:
            raise JobFailed(f"archive {self.folder}: {error.strerror}; no row was deleted for it") from error
        except Exception as error:
            if not _out_of_memory(error):
                raise
            raise JobFailed(
                f"archive: a row of {self.plan.table.fullname}, or below it, is more than the memory that this process "
                "may use; give it more (ulimit -v, MemoryMax=, the container's limit), or leave such rows out by `only`"
            ) from error
        say_kept(self.context, self.attempts, self.plan, self.counts)

    def _take(self) -> None:
        """Files that an earlier run left, then new ones; no more after one of which not a row went."""
        onward, number = self._take_up(), 0
        while onward and (portion := self._next(Batch())):
            number += 1
            onward = self._delete(*self._write(portion, number))

    def _next(self, batch: Batch) -> Portion | None:
        """More rows for a file; None: it is full, or there are no more."""
        rows, lines = len(batch.rows), batch.lines
        limits = (self.plan.limit, self.context.limits.row_limit)
        most = min([MAX_FILE_ROWS, *(limit - self.counts.picked for limit in limits if limit is not None)]) - rows
        if most <= 0 or lines >= MAX_FILE_LINES or batch.size >= BYTES:
            return None
        # As many as fit, by what rows had so far: a row may have thousands of children.
        portion = self.portions.next(max(min(most, (MAX_FILE_LINES - lines) * rows // lines), 1) if lines else most)
        refused, self.portions.refused = self.portions.refused, 0
        self.counts.picked += refused
        self.counts.poison += refused
        return portion

    def _lines(self, portion: Portion | None, batch: Batch) -> Iterator[bytes]:
        """Lines of this portion, and of as many more as go into a file; what is kept of them goes into `batch`."""
        while portion is not None:
            batch.first_key = batch.first_key or portion.rows[0].line.key
            batch.last_key = portion.rows[-1].line.key
            with portion.below as below:
                for row in portion.rows:
                    encoded = row.line.encoded()
                    batch.size += len(encoded)
                    batch.rows.append(written_row(row, encoded))
                    yield encoded
                batch.size += below.tell()
                below.seek(0)
                yield from below
            for part, rows in portion.children.items():
                batch.children.setdefault(part, {}).update(rows)
            portion = self._next(batch)

    def _write(self, portion: Portion, number: int) -> tuple[Path, Batch]:
        """A file of these rows, and more, that was read back, under its name."""
        path, batch = self._register(number), Batch()
        temporary = temporary_of(path)
        try:
            self.require_folder()
            written = write_content(temporary, self._lines(portion, batch), self.group)
            manifest = self._manifest(batch, written).encoded()
            note = hashlib.sha256(manifest).hexdigest()
            seal = Seal(written.sha256, written.size, len(batch.rows), written.longest, written.text, note)
            if measured(temporary, seal) != written:
                raise JobFailed(f"archive {path.name} reads otherwise than it was written; no row was deleted for it")
            self.require_folder()
            self.attempts.side_transaction(lambda connection: seal_in(connection, path.name, seal))
            publish(temporary, path, manifest, self.group)
            self.require_folder()
            require_whole(path, seal)
        except BaseException:
            portion.below.close()
            discard(path)
            raise
        return path, batch

    def _manifest(self, batch: Batch, written: Written) -> Manifest:
        claim = self.context.claim
        tables = tables_of(self.plan)
        return Manifest(
            policy=claim.job,
            table=self.plan.table.fullname,
            run=claim.run_id,
            as_of=iso(claim.as_of),
            rows=len(batch.rows),
            lines=written.lines,
            first_key=list(batch.first_key),
            last_key=list(batch.last_key),
            sha256=written.sha256,
            content_sha256=written.content_sha256,
            size=written.size,
            columns={
                table.fullname: {one.name: type_name(self.context.engine.dialect, one) for one in columns_of(table)}
                for table in tables
            },
            keys={table.fullname: [one.name for one in table.primary_key.columns] for table in tables},
        )

    def _register(self, number: int) -> Path:
        claim = self.context.claim
        # By chance as well: another database may have the same folder, time and run.
        chance = token_hex(3)
        name = f"{self.plan.step}-{claim.as_of:%Y%m%dT%H%M%SZ}-run{claim.run_id}-{number:04}-{chance}{ENDING}"
        self.attempts.side_transaction(lambda connection: register(connection, name, claim.job, claim.run_id))
        return self.folder / name

    def _delete(self, path: Path, batch: Batch) -> bool:
        """In batches; the record of the file with each, and with the last whether it is done.

        False: rows were kept, and not one went.
        """
        before, kept = self.counts.changed, self.counts.kept
        waiting: set[RowKey] = set()
        start, rows = 0, batch.rows
        while start < len(rows):
            self.context.check()
            some = _light(rows[start : start + self.sizer.size])
            began = time.monotonic()
            last = start + len(some) == len(rows)
            taken = Deletion(self.plan, self.request, some, batch.children)
            gone = self._try(partial(self._delete_some, taken, path, waiting if last else None), len(some))
            if gone is None:
                continue
            waiting |= gone.waiting
            self.context.watch(self.plan.step, self.counts)
            start += len(some)
            if not last:
                self.sizer.measured(len(some), time.monotonic() - began)
        self.portions.waiting.update({row.key: row for row in rows if row.key in waiting})
        kept = self.counts.kept - kept
        return not kept or self.counts.changed > before

    def _try(self, work: Callable[[Connection], DeletionCounts], size: int) -> DeletionCounts | None:
        """One batch; None: once more, or with fewer rows."""
        before = replace(self.counts, also=dict(self.counts.also))
        try:
            return self.attempts.commit_once(work, lock=MAX_BATCH_SECONDS / 2, statement=self.context.limits.statement)
        except BaseException as error:
            for name in ("picked", "changed", "also", "skipped", "poison", "kept"):  # also when the commit was refused
                setattr(self.counts, name, getattr(before, name))
            if not isinstance(error, DBAPIError):
                raise
            if classify(error) is Fault.CANCELLED and size > 1:
                self.sizer.shrink(2, size)
            else:
                self.attempts.backoff_or_raise(error)
            return None

    def _delete_some(
        self, taken: Deletion, path: Path, left: set[RowKey] | None, connection: Connection
    ) -> DeletionCounts:
        """left: rows of earlier batches of the file that wait, if this is the last one."""
        gone = delete_rows(connection, taken)
        self.counts.add(gone.picked, gone.rows, 0, gone.also)
        self.counts.skipped += gone.locked
        self.counts.poison += gone.poison
        self.counts.kept += gone.kept
        went(connection, path.name, gone.rows, None if left is None else left | gone.waiting)
        return gone

    def _take_up(self) -> bool:
        """Files that an earlier run left: what is there is deleted from, the names of others are forgotten.

        False: of one of them rows were kept, and not one went.
        """
        onward = True
        for record in self.attempts.side_transaction(lambda connection: unfinished(connection, self.request.job)):
            path = self.folder / record.file
            discard(path)
            batch = held_by(path, record, self.plan.table.fullname)
            if batch is not None and batch.rows:
                onward = self._delete(path, batch) and onward
                continue
            if batch is None:
                said = f"archive {path.name} was never finished, and is forgotten: no row went by it"
                self.context.notes.append(said)
            self.attempts.side_transaction(partial(give_up, record.file))
        return onward


def _light(rows: list[WrittenRow]) -> list[WrittenRow]:
    """As many of them as one transaction deletes: SQLite keeps what they were in memory until it is over."""
    return rows[: max(1, sum(total <= DELETED for total in accumulate(row.size for row in rows)))]


def _out_of_memory(error: BaseException | None) -> bool:
    """Also where a driver says it in its words, or a transaction could not even be rolled back for want of it."""
    while error is not None and not isinstance(error, MemoryError):
        if any(words in str(error).lower() for words in OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return error is not None
