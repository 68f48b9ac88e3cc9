"""The record of archive files: each name before its file is written, the rows that went, and those that still wait."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy import delete as delete_from

from ...archives.file_format import ENDING, digest_of, manifest_of, sync_folder
from ...archives.manifests import require_whole
from ...archives.reader import Seal, lines_of
from ...db.server_clock import database_now
from ...db.tables import own_tables
from ...errors import JobFailed
from ...statements.archive_rows import RowKey, WrittenRow, row_key

MAX_RECORDED_KEYS = 1_000
"""Keys of rows that a record names; with more of them the whole file is gone through again."""

UNKNOWN_LINE = 1 << 30
"""Bytes of one line of a file whose record is of a version that did not keep it: what PostgreSQL has room for."""

UNKNOWN_TEXT = 1 << 40
"""Bytes of all of its lines; what they really are its packed file decides, whose digest every record has."""


@dataclass(slots=True)
class Batch:
    """The rows of one file, in order, with what hangs on them: by part and key. size: of all lines, in bytes."""

    rows: list[WrittenRow] = field(default_factory=list)
    children: dict[tuple[str, ...], dict[RowKey, WrittenRow]] = field(default_factory=dict)
    size: int = 0
    first_key: tuple[Any, ...] = ()
    last_key: tuple[Any, ...] = ()

    @property
    def lines(self) -> int:
        """How many the file has."""
        return len(self.rows) + sum(map(len, self.children.values()))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file of an earlier run. deleted: rows that went by it.  waiting: keys of those that stayed; None: all.

    seal: what it has to be; None: it was never complete.
    """

    file: str
    deleted: int
    seal: Seal | None
    waiting: frozenset[RowKey] | None


@dataclass(frozen=True, slots=True)
class Record:
    """What the database says of a file. seal: None, where the run that was to write it never completed it."""

    job: str
    run_id: int
    seal: Seal | None


def register(connection: Connection, name: str, job: str, run_id: int) -> None:
    """Before anything is written under this name."""
    archives = own_tables(connection.dialect.name).archives
    row = {"file": name, "job": job, "run_id": run_id, "deleted": 0}
    connection.execute(insert(archives).values(**row, created_at=database_now(connection.dialect.name)))


def seal_in(connection: Connection, name: str, seal: Seal) -> None:
    """What the file is, once it is complete and before it has its name; nothing in its folder decides that (SEC-4)."""
    archives = own_tables(connection.dialect.name).archives
    known = {"rows": seal.rows, "sha256": seal.sha256, "size": seal.size, "manifest": seal.manifest}
    limits = {"longest": seal.longest, "text_size": seal.text}
    connection.execute(update(archives).where(archives.c.file == name).values(**known, **limits))


def _seal_of(row: Any) -> Seal | None:
    if row.sha256 is None or row.size is None:
        return None
    longest, text = row.longest or UNKNOWN_LINE, row.text_size or UNKNOWN_TEXT
    return Seal(row.sha256, row.size, row.rows, longest, text, row.manifest)


def record_of(connection: Connection, name: str) -> Record | None:
    """The record of a file by its name; None: this database knows none."""
    archives = own_tables(connection.dialect.name).archives
    row = connection.execute(select(archives).where(archives.c.file == name)).first()
    return None if row is None else Record(row.job, row.run_id, _seal_of(row))


def went(connection: Connection, name: str, rows: int, waiting: Collection[RowKey] | None) -> None:
    """Rows of a file went. waiting: at the end of the file, the keys of those that are still to go; None: not yet."""
    archives = own_tables(connection.dialect.name).archives
    record: dict[str, Any] = {"deleted": archives.c.deleted + rows}
    if waiting is not None:
        record["waiting"] = (
            json.dumps(sorted(waiting, key=str) if len(waiting) <= MAX_RECORDED_KEYS else True) if waiting else None
        )
        record["finished_at"] = None if waiting else database_now(connection.dialect.name)
    connection.execute(update(archives).where(archives.c.file == name).values(record))


def unfinished(connection: Connection, job: str) -> list[Unfinished]:
    """In the order of their names."""
    archives = own_tables(connection.dialect.name).archives
    asked = select(archives).where(archives.c.job == job, archives.c.finished_at.is_(None))
    rows = connection.execute(asked.order_by(archives.c.file))
    return [Unfinished(_plain_name(row.file), row.deleted, _seal_of(row), _keys(row.waiting)) for row in rows]


def _plain_name(name: str) -> str:
    """JobFailed for one that leads out of the folder: files of others would be removed there."""
    if "/" in name or "\0" in name or not name.endswith(ENDING):
        raise JobFailed(f"a record in sexton.archives names {name!r}, which is no archive file; delete that record")
    return name


def _keys(written: str | None) -> frozenset[RowKey] | None:
    """None, which is all of them, also for what Sexton would not write: each row is compared before it goes."""
    try:
        known = json.loads(written) if written else True
        if not isinstance(known, list) or not all(isinstance(key, list) for key in known):
            return None
        return frozenset(tuple(map(_part, key)) for key in known)
    except (ValueError, TypeError, RecursionError):
        return None


def _part(part: Any) -> Any:
    return tuple(map(_part, part)) if isinstance(part, list) else part


def give_up(name: str, connection: Connection) -> None:
    """A file that is not here, or is of a table that the policy had before. Its record stays if rows went by it."""
    archives = own_tables(connection.dialect.name).archives
    this = archives.c.file == name
    connection.execute(delete_from(archives).where(this, archives.c.deleted == 0))
    ended = {"finished_at": database_now(connection.dialect.name)}
    connection.execute(update(archives).where(this).values(ended))


def held_by(path: Path, record: Unfinished, table: str) -> Batch | None:
    """What a file holds and is still to go, without witnesses: rows are compared by their content.

    None: it was never finished. JobFailed when it is not the one on record, or is not there though rows went by it.
    """
    there = os.path.lexists(path)
    if not record.deleted and (record.seal is None or not there):
        if not there:  # what lies under a name that was never complete is not ours to remove
            manifest_of(path).unlink(missing_ok=True)
            sync_folder(path.parent)
        return None
    seal = _required(path, record)
    batch = Batch()
    for line in lines_of(path, seal):
        encoded = line.encoded()
        row = WrittenRow(row_key(line), None, digest_of(encoded), len(encoded))
        if line.part != (table,):
            batch.children.setdefault(line.part, {})[row.key] = row
        elif record.waiting is None or row.key in record.waiting:
            batch.rows.append(row)
    return batch


def _required(path: Path, record: Unfinished) -> Seal:
    """What the file is; JobFailed when it is not that any more."""
    rows = f"{record.deleted:,} row{'s' * (record.deleted != 1)}"
    out = f"; {rows} were deleted on its strength; put it back, or give it up: sexton archive forget {path.name}"
    if not os.path.lexists(path):
        raise JobFailed(f"archive {path} is missing{out}")
    if record.seal is None:
        raise JobFailed(f"archive {path.name} has no checksum on record{out}")
    try:
        require_whole(path, record.seal)
    except JobFailed as error:
        raise JobFailed(f"{error}{out}") from error
    return record.seal


def forget(connection: Connection, name: str) -> int | None:
    """Forget a file that an operator says is lost: no run looks for it again.

    Rows that went by it; None: no such record.
    """
    archives = own_tables(connection.dialect.name).archives
    this = archives.c.file == name
    known = connection.execute(select(archives.c.deleted).where(this)).scalar()
    if known is not None:
        lost = {"finished_at": database_now(connection.dialect.name), "rows": None, "waiting": None}
        connection.execute(update(archives).where(this).values(lost))
    return known
