"""Rows of an archive file, and links, into one table: in pieces that fit into memory, each read by the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Connection, Table, text

from ..archives.file_format import ArchiveLine
from ..db.identifiers import for_text, quoted, quoted_table
from ..statements.archive_columns import kept_columns, type_name
from ..statements.archive_read_back import LinesRelation, as_parameter, lines_relation
from ..statements.archive_rows import Reading, UndecodableText, read_rows, select_rows, values_of

_KEYS = text(
    "SELECT conname, confrelid::regclass::text AS other, confrelid = conrelid AS itself,"
    " ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY u (number, place)"
    " JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS own,"
    " ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY u (number, place)"
    " JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place) AS referred"
    " FROM pg_constraint k WHERE contype = 'f' AND conrelid = to_regclass(:name)"
    " AND to_json(k) ->> 'conenforced' IS DISTINCT FROM 'false'"  # a column of PostgreSQL 18
)

_NO_CONFLICTS = text(
    "SELECT EXISTS (SELECT 1 FROM pg_rewrite WHERE ev_class = to_regclass(:name) AND ev_type IN ('2', '3'))"
    " OR EXISTS (SELECT 1 FROM pg_index WHERE NOT indimmediate AND (indrelid = to_regclass(:name)"
    " OR indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name)))))"
)
"""Rules, and unique or exclusion constraints that may be deferred: PostgreSQL refuses ON CONFLICT beside them."""

_FOREIGN = text(  # a key without "to" refers to the primary key
    'SELECT k.id, k."table", k."from" AS column, coalesce(k."to", p.name) AS referred'
    ' FROM pragma_foreign_key_list(:name) k LEFT JOIN pragma_table_info(k."table") p ON p.pk = k.seq + 1'
    " ORDER BY k.id, k.seq"
)

DifferingColumns = tuple[str, ...] | None  # None: no row stands under the key


@dataclass(frozen=True)
class Target:
    """One table. known: the columns that the file has of it, and their types then.  was_key: what named its rows then.

    link: the columns that are set again; (): whole rows.
    """

    connection: Connection
    table: Table
    known: Mapping[str, str]
    was_key: Sequence[str] = ()
    link: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> list[Column[Any]]:
        """Those that are read from a line."""
        mine = {one.name for one in Reading(self.table, self.link).of()} & self.known.keys()
        return [one for one in kept_columns(self.table) if one.name in mine]

    @cached_property
    def key(self) -> list[str]:
        """Columns that name a row, here and in the file: its key, or what was; none: rows cannot be found again."""
        here = {one.name for one in self.columns}
        keys = ([one.name for one in self.table.primary_key.columns], list(self.was_key))
        return next((key for key in keys if key and here.issuperset(key)), [])

    @cached_property
    def lacking(self) -> str:
        """Why links cannot be set again here: their columns, or those of the key, are gone; "": they can."""
        gone = [name for name in self.link if name not in {one.name for one in self.columns}]
        return (
            f"it has no {', '.join(gone)} any more" if gone else "" if self.key else "the columns of its key are gone"
        )

    @cached_property
    def compared(self) -> list[Column[Any]]:
        """Those that are read, and after them those that the file has and the database computes by now."""
        read = Reading(self.table, self.link).of()
        return [*self.columns, *(one for one in read if one.computed is not None and one.name in self.known)]

    @cached_property
    def other(self) -> set[str]:
        """Columns that have another type than when the file was written, or are computed."""
        dialect, taken = self.connection.dialect, {one.name for one in self.columns}
        return {
            one.name
            for one in self.compared
            if one.name not in taken or self.known[one.name] != type_name(dialect, one)
        }

    @cached_property
    def name(self) -> str:
        """In SQL, as `text` takes it."""
        return for_text(quoted_table(self.connection.dialect, self.table))

    def quoted(self, name: str) -> str:
        """A column, likewise."""
        return for_text(quoted(self.connection.dialect, name))

    def insert(self, lines: Sequence[ArchiveLine]) -> int:
        """Rows that were not there, and are now. lines: of such whose key was not there, either."""
        raise NotImplementedError

    def stands(self, lines: Sequence[ArchiveLine]) -> list[DifferingColumns]:
        """What stands there, for each line; () as well where rows cannot be found again."""
        raise NotImplementedError

    def set_again(self, lines: Sequence[ArchiveLine]) -> int:
        """Rows whose link was empty, and is not any more."""
        raise NotImplementedError

    def orphans(self, lines: Sequence[ArchiveLine], *, itself: bool = True) -> dict[int, str]:
        """By the place of a line: what its row refers to and is not there. itself: also in its own table."""
        raise NotImplementedError


class OnPostgresql(Target):
    """The server reads what it wrote; one statement a piece, so rows of one may refer to each other."""

    @cached_property
    def lines(self) -> LinesRelation:
        """How it does."""
        return lines_relation(self.connection, self.table, self.columns)

    @cached_property
    def _relation(self) -> str:
        values = (f"{value} AS c{number}" for number, value in enumerate(self.lines.values))
        return f'(SELECT line.number, line."row", line."text", {", ".join(values)} FROM {self.lines.source}) AS line'

    def _own(self, name: str) -> str:
        return f"line.c{[one.name for one in self.columns].index(name)}"

    def _same_key(self) -> str:
        return " AND ".join(f"own.{self.quoted(name)} = {self._own(name)}" for name in self.key)

    def _execute(self, statement: str, lines: Sequence[ArchiveLine]) -> Any:
        names = {f"name_{number}": one.name for number, one in enumerate(self.compared)}
        return self.connection.execute(text(statement), {**names, "lines": as_parameter(lines)})

    @cached_property
    def _on_conflict(self) -> str:
        name = {"name": quoted_table(self.connection.dialect, self.table)}
        return "" if self.connection.execute(_NO_CONFLICTS, name).scalar() else " ON CONFLICT DO NOTHING"

    def insert(self, lines: Sequence[ArchiveLine]) -> int:
        statement = (
            f"INSERT INTO {self.name} ({', '.join(self.lines.names)}) OVERRIDING SYSTEM VALUE"
            f" SELECT {', '.join(self.lines.values)} FROM {self.lines.source}{self._on_conflict}"
        )
        return int(self._execute(statement, lines).rowcount)

    def stands(self, lines: Sequence[ArchiveLine]) -> list[DifferingColumns]:
        if not self.key:
            return [()] * len(lines)
        differ = ", ".join(self._differs(number, one.name) for number, one in enumerate(self.compared))
        statement = (
            f"SELECT DISTINCT ON (line.number) line.number,"
            f" CASE WHEN own.{self.quoted(self.key[0])} IS NOT NULL THEN ARRAY[{differ}] END AS differ"
            f" FROM {self._relation} LEFT JOIN {self.name} AS own ON {self._same_key()} ORDER BY line.number"
        )
        names = [one.name for one in self.compared]
        return [
            None if row.differ is None else tuple(name for name, other in zip(names, row.differ, strict=True) if other)
            for row in self._execute(statement, lines)
        ]

    def _differs(self, number: int, name: str) -> str:
        own = f"own.{self.quoted(name)}"
        if name not in self.other:
            return f"CAST({own} AS text) IS DISTINCT FROM CAST(line.c{number} AS text)"
        # What a line was read as may be less than the line has: a numeric with fewer digits, for instance.
        here, there = f"to_json({own})", f'(line."row" -> :name_{number})'
        numbers = f"json_typeof({here}) = 'number' AND json_typeof({there}) = 'number'"
        texts = (f"({here} #>> '{{}}')", f"({there} #>> '{{}}')")
        as_numbers = " IS DISTINCT FROM ".join(f"CAST({one} AS numeric)" for one in texts)
        return (
            f'CASE WHEN (line."text" ->> :name_{number}) IS NOT NULL'
            f' THEN CAST({own} AS text) IS DISTINCT FROM (line."text" ->> :name_{number})'
            f" WHEN {numbers} THEN {as_numbers} ELSE {' IS DISTINCT FROM '.join(texts)} END"
        )

    def set_again(self, lines: Sequence[ArchiveLine]) -> int:
        values = ", ".join(f"{self.quoted(name)} = {self._own(name)}" for name in self.link)
        empty = " AND ".join(f"own.{self.quoted(name)} IS NULL" for name in self.link)
        statement = f"UPDATE {self.name} AS own SET {values} FROM {self._relation} WHERE {self._same_key()} AND {empty}"
        return int(self._execute(statement, lines).rowcount)

    @cached_property
    def _foreign(self) -> list[Any]:
        known, name = {one.name for one in self.columns}, quoted_table(self.connection.dialect, self.table)
        return [one for one in self.connection.execute(_KEYS, {"name": name}) if known >= set(one.own)]

    def orphans(self, lines: Sequence[ArchiveLine], *, itself: bool = True) -> dict[int, str]:
        lonely: dict[int, str] = {}
        for key in self._foreign:
            if key.itself and not itself:
                continue
            pairs = list(zip(key.own, key.referred, strict=True))
            given = " AND ".join(f"{self._own(name)} IS NOT NULL" for name in key.own)
            met = " AND ".join(f"other.{self.quoted(there)} = {self._own(own)}" for own, there in pairs)
            statement = (
                f"SELECT line.number FROM {self._relation} WHERE {given}"
                f" AND NOT EXISTS (SELECT 1 FROM {for_text(key.other)} AS other WHERE {met})"
            )
            reason = f"{key.conname}: {', '.join(key.own)} refers to a row that {key.other} has not"
            lonely |= dict.fromkeys(self._execute(statement, lines).scalars(), reason)
        return lonely


class OnSqlite(Target):
    """Row by row: a statement costs next to nothing."""

    def insert(self, lines: Sequence[ArchiveLine]) -> int:
        names = ", ".join(self.quoted(one.name) for one in self.columns)
        rows = 0
        for line in lines:
            places, values = self._values(line, [one.name for one in self.columns])
            insert = f"INSERT INTO {self.name} ({names}) VALUES ({', '.join(places)}) ON CONFLICT DO NOTHING"
            rows += self.connection.execute(text(insert), values).rowcount
        return rows

    def _values(self, line: ArchiveLine, names: Sequence[str], begin: str = "c") -> tuple[list[str], dict[str, Any]]:
        """Places for values, and these. A text that is not UTF-8 goes in as the bytes that it is."""
        row = values_of(line.row)
        values = {f"{begin}{number}": row.get(name) for number, name in enumerate(names)}
        odd = {name for name, one in values.items() if isinstance(one, UndecodableText)}
        return [f"CAST(:{name} AS TEXT)" if name in odd else f":{name}" for name in values], values

    def _this(self, line: ArchiveLine) -> tuple[str, dict[str, Any]]:
        places, values = self._values(line, self.key)
        return " AND ".join(f"{self.quoted(a)} = {b}" for a, b in zip(self.key, places, strict=True)), values

    def stands(self, lines: Sequence[ArchiveLine]) -> list[DifferingColumns]:
        return [self._stands(line) if self.key else () for line in lines]

    def _stands(self, line: ArchiveLine) -> DifferingColumns:
        condition, values = self._this(line)
        how = Reading(self.table)
        asked = select_rows(self.connection.dialect, how).where(text(condition))
        row = next(read_rows(self.connection, how, asked, values), None)
        if row is None:
            return None
        here, there = json.loads(line.row), json.loads(row.line.row)
        return tuple(one.name for one in self.compared if _differ(here.get(one.name), there[one.name]))

    def set_again(self, lines: Sequence[ArchiveLine]) -> int:
        rows = 0
        for line in lines:
            condition, given = self._this(line)
            places, values = self._values(line, self.link, "v")
            new = ", ".join(f"{self.quoted(name)} = {place}" for name, place in zip(self.link, places, strict=True))
            empty = " AND ".join(f"{self.quoted(name)} IS NULL" for name in self.link)
            update = text(f"UPDATE {self.name} SET {new} WHERE {condition} AND {empty}")
            rows += self.connection.execute(update, given | values).rowcount
        return rows

    @cached_property
    def _foreign(self) -> list[tuple[str, dict[str, str]]]:
        """Tables that this one refers to, and by which columns of it."""
        known = {one.name.lower(): one.name for one in self.columns}
        keys: dict[int, tuple[str, dict[str, str]]] = {}
        for row in self.connection.execute(_FOREIGN, {"name": self.table.name}):
            keys.setdefault(row.id, (row.table, {}))[1][row.column.lower()] = row.referred
        return [
            (other, {known[own]: referred for own, referred in pairs.items()})
            for other, pairs in keys.values()
            if known.keys() >= pairs.keys()
        ]

    def orphans(self, lines: Sequence[ArchiveLine], *, itself: bool = True) -> dict[int, str]:
        lonely = {}
        for number, line in enumerate(lines):
            for other, pairs in self._foreign:
                if other.lower() == self.table.name.lower() and not itself:
                    continue
                places, values = self._values(line, list(pairs))
                if None in values.values():
                    continue
                met = " AND ".join(f"{self.quoted(a)} = {b}" for a, b in zip(pairs.values(), places, strict=True))
                asked = text(f"SELECT 1 FROM {self.quoted(other)} WHERE {met}")
                if self.connection.execute(asked, values).first() is None:
                    lonely[number] = f"{', '.join(pairs)} refers to a row that {other} has not"
        return lonely


def _differ(here: Any, there: Any) -> bool:
    return (type(here), repr(here)) != (type(there), repr(there))


def target(
    connection: Connection, table: Table, known: Mapping[str, str], was_key: Sequence[str], link: tuple[str, ...]
) -> Target:
    """For the database at hand."""
    make = OnPostgresql if connection.dialect.name == "postgresql" else OnSqlite
    return make(connection, table, known, was_key, link)
