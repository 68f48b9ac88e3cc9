"""Put the rows of an archive file back into their tables, row by row. Rows that are there stay as they are.

All in one transaction, in pieces that fit into memory. A row that the database refuses is tried again after the
others, as it may refer to one of them; what is refused to the end is named, and the others are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..archives.file_format import ArchiveLine
from ..db.connect import read_only
from ..db.faults import describe, sqlstate
from ..db.text_output import exact_text_output
from ..errors import JobFailed
from ..runs.archive.believed_files import Archive
from ..statements.archive_read_back import is_about_rows
from ..statements.archive_rows import MAX_READ_BYTES, values_of
from ..texts import one_line
from .catalogue import Catalogue
from .restore_triggers import disable_triggers, firing_triggers
from .restored_rows import Target, target

MAX_PIECE_ROWS = 1_000
"""Rows of one piece, at most."""

MAX_CIRCLE_BYTES = 64 << 20
"""Bytes of rows that refer to each other in a circle, and are put back at once."""

FOREIGN_KEY_VIOLATION = "23503"
"""SQLSTATE of a foreign key that finds nothing."""

UNIQUE_CONFLICT = "no row stands under its key: another row has one of its unique values, or a trigger kept it out"

NumberedLines = list[tuple[int, ArchiveLine]]
"""Lines of one table with their numbers in the file."""


@dataclass(slots=True)
class Restored:
    """What became of one table.

    rows: in the file.  new: of them were not there.  dropped: columns that the table has no more.
    nameless: the columns of their key are gone, and nothing tells which are there already.  changed: by column, rows
    that were put back and do not stand as they were written.  other: rows that were there with other content.
    refused: names of rows that were not put back, and why.  links: in the file; linked: of them were set again.
    """

    table: str
    dropped: tuple[str, ...] = ()
    nameless: bool = False
    rows: int = 0
    new: int = 0
    other: int = 0
    links: int = 0
    linked: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def triggers(engine: Engine, archive: Archive, *, without: bool = False) -> list[str]:
    """Those that fire when a file is put back, each in words. JobFailed, PolicyError as `restore`."""
    parts = dict.fromkeys(line.part for line in archive.lines())
    with read_only(engine) as connection:
        catalogue = Catalogue(connection)
        return firing_triggers(connection, [(catalogue.table(name), link) for name, *link in parts], without=without)


def restore(engine: Engine, archive: Archive, *, without_triggers: bool = False) -> list[Restored]:
    """All tables of the file, in one transaction. JobFailed: it is not what it was; PolicyError: a table is gone.

    without_triggers: none fires, and what rows refer to is looked up. JobFailed where the role may not do that.
    """
    with engine.begin() as connection:
        if archive.manifest.format > 1:
            exact_text_output(connection)
        if without_triggers:
            disable_triggers(connection)
        return _Restoring(
            Catalogue(connection), archive, asking=without_triggers or engine.dialect.name == "sqlite"
        ).whole()


class _Restoring:
    """One file on its way back. asking: whether references are looked up here.

    The database does not without its triggers, and SQLite may only when the transaction ends.
    """

    def __init__(self, catalogue: Catalogue, archive: Archive, *, asking: bool) -> None:
        self.catalogue, self.archive, self.asking = catalogue, archive, asking
        self.manifest = archive.manifest
        self.connection = catalogue.connection
        self.targets: dict[tuple[str, ...], Target] = {}
        self.tables: dict[str, Restored] = {}
        self.refused: dict[int, str] = {}
        self.there: set[int] = set()
        self.links = False

    def whole(self) -> list[Restored]:
        """The rows, those again that were refused, what stands now, and the links."""
        for piece in self._pieces(links=False):
            self._table(piece).rows += len(piece)
            self._put(piece)
        before = 0
        while self.refused:
            new = sum(one.new for one in self.tables.values())
            if new == before:  # nobody came whom they may have waited for
                self._together()
                break
            before, again = new, self.refused
            self.refused = {}
            for piece in self._pieces(links=False, only=again.keys()):
                self._put(piece)
        for piece in self._pieces(links=False):
            self._look(piece)
        for piece in self._pieces(links=True) if self.links else ():
            self._table(piece).links += len(piece)
            self._link(piece)
        return list(self.tables.values())

    def _pieces(self, *, links: bool, only: Container[int] | None = None) -> Iterator[NumberedLines]:
        """Neighbours of one table, as many as fit. only: lines of these numbers."""
        piece: NumberedLines = []
        size = 0
        for number, line in enumerate(self._lines()):
            self.links = self.links or bool(line.link)
            if bool(line.link) is not links or (only is not None and number not in only):
                continue
            size += len(line.row) + len(line.text)
            if piece and (piece[0][1].part != line.part or size > MAX_READ_BYTES or len(piece) == MAX_PIECE_ROWS):
                yield piece
                piece, size = [], len(line.row) + len(line.text)
            piece.append((number, line))
        if piece:
            yield piece

    def _lines(self) -> Iterator[ArchiveLine]:
        """Each as it can be read here: the server reads its values itself, row by row, and SQLite does not."""
        for number, line in enumerate(self.archive.lines(), start=1):
            if self.connection.dialect.name == "sqlite":
                try:
                    values_of(line.row)
                except (ValueError, RecursionError) as error:
                    odd = isinstance(error, RecursionError | UnicodeError)
                    why = "it holds what no row of SQLite can be" if odd else str(error)
                    raise JobFailed(f"archive {self.archive.path.name}, line {number:,}: {why}") from error
            yield line

    def _table(self, piece: NumberedLines) -> Restored:
        name = piece[0][1].table
        if name not in self.tables:
            known, table = self.manifest.columns.get(name, {}), self.catalogue.table(name)
            dropped = tuple(sorted(known.keys() - set(table.c.keys())))
            self.tables[name] = Restored(table.fullname, dropped)
        return self.tables[name]

    def _target(self, piece: NumberedLines) -> Target:
        line = piece[0][1]
        if line.part not in self.targets:
            table = self.catalogue.table(line.table)
            known, was_key = self.manifest.columns.get(line.table, {}), self.manifest.keys.get(line.table, [])
            self.targets[line.part] = target(self.connection, table, known, was_key, line.link)
        return self.targets[line.part]

    def _put(self, piece: NumberedLines) -> None:
        """Those that can be; others are `refused`, for now."""
        aim, lines = self._target(piece), [line for _, line in piece]
        there: set[int] = set()
        try:
            with self.connection.begin_nested():
                places = aim.stands(lines) if aim.key else []
                there = {number for (number, _), place in zip(piece, places, strict=False) if place is not None}
                new = aim.insert([line for number, line in piece if number not in there])
                self._settle()
                if self.asking and (lonely := self._lonely(aim, piece, there)):
                    raise _LonelyError(lonely)
        except _LonelyError as error:
            self._put_others(piece, error.rows)
        except DBAPIError as error:
            # All at once, where the database would name them one by one.
            orphans = len(piece) > 1 and sqlstate(error) == FOREIGN_KEY_VIOLATION
            if orphans and (lonely := self._lonely(aim, piece, there, itself=False)):
                self._put_others(piece, lonely)
            else:
                self._halve(error, piece, self._put)
        else:
            self.there |= there
            self._table(piece).new += new
            self._table(piece).nameless = not aim.key

    def _put_others(self, piece: NumberedLines, lonely: dict[int, str]) -> None:
        self.refused |= lonely
        if rest := [one for one in piece if one[0] not in lonely]:
            self._put(rest)

    def _halve(self, error: DBAPIError, piece: NumberedLines, again: Callable[[NumberedLines], None]) -> None:
        if not is_about_rows(error):
            raise error
        if len(piece) == 1:
            self.refused[piece[0][0]] = describe(error)
            return
        half = len(piece) // 2
        again(piece[:half])
        again(piece[half:])

    def _lonely(
        self, aim: Target, piece: NumberedLines, there: Container[int], *, itself: bool = True
    ) -> dict[int, str]:
        """By number: whom the row of a line refers to and is not there. itself: also in its own table."""
        lonely = aim.orphans([line for _, line in piece], itself=itself)
        named = ((piece[place][0], reason) for place, reason in lonely.items())
        return {number: reason for number, reason in named if number not in there}

    def _settle(self, when: str = "IMMEDIATE") -> None:
        """What the database would look at when the transaction ends, it looks at now."""
        if self.connection.dialect.name == "postgresql":
            self.connection.exec_driver_sql(f"SET CONSTRAINTS ALL {when}")

    def _together(self) -> None:
        """Rows that refer to each other in a circle can only be there at once."""
        pieces = list(self._pieces(links=False, only=self.refused.keys()))
        if sum(len(line.row) for piece in pieces for _, line in piece) > MAX_CIRCLE_BYTES:
            return
        try:
            with self.connection.begin_nested():
                self._settle("DEFERRED")
                new = [self._target(piece).insert([line for _, line in piece]) for piece in pieces]
                self._settle()
                if self.asking and any(self._lonely(self._target(piece), piece, ()) for piece in pieces):
                    raise _LonelyError({})
        except DBAPIError as error:
            if not is_about_rows(error):
                raise
        except _LonelyError:
            pass
        else:
            self.refused = {}
            for piece, rows in zip(pieces, new, strict=True):
                self._table(piece).new += rows

    def _look(self, piece: NumberedLines) -> None:
        """What stands now where a row was to be put back."""
        of = self._table(piece)
        for number, line in piece:
            if number in self.refused:
                of.refused[_named(line)] = self.refused[number]
        piece = [one for one in piece if one[0] not in self.refused]
        places = self._target(piece).stands([line for _, line in piece]) if piece else []
        for (number, line), place in zip(piece, places, strict=True):
            if place is None:
                of.refused[_named(line)] = UNIQUE_CONFLICT
            elif number in self.there:
                of.other += bool(place)
            else:
                for name in place:
                    of.changed[name] = of.changed.get(name, 0) + 1

    def _link(self, piece: NumberedLines) -> None:
        of = self._table(piece)
        if why := self._target(piece).lacking:
            of.refused |= {_named(line): why for _, line in piece}
            return
        try:
            with self.connection.begin_nested():
                linked = self._target(piece).set_again([line for _, line in piece])
                self._settle()
                if self.asking and (lonely := self._lonely(self._target(piece), piece, ())):
                    raise _LonelyError(lonely)
        except _LonelyError as error:
            of.refused |= {_named(line): error.rows[number] for number, line in piece if number in error.rows}
            if rest := [one for one in piece if one[0] not in error.rows]:
                self._link(rest)
        except DBAPIError as error:
            self._halve(error, piece, self._link)
            of.refused |= {_named(line): self.refused[number] for number, line in piece if number in self.refused}
        else:
            of.linked += linked


class _LonelyError(Exception):
    """rows: by their numbers in the file, that refer to rows which are not there, and to which."""

    def __init__(self, rows: dict[int, str]) -> None:
        super().__init__()
        self.rows = rows


def _named(line: ArchiveLine) -> str:
    key = one_line(",".join(str(part) for part in line.key))
    return f"{key} ({', '.join(line.link)})" if line.link else key
