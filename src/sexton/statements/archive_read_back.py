"""How a database reads the lines of an archive file: the one way in which rows are put back, tried before they go.

Read back means: could be put back. Each line is read as `restore` will read it, all but the INSERT, and what comes out
is compared with the row in the table, in the snapshot from which the line was written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, text
from sqlalchemy.exc import DBAPIError

from ..archives.file_format import ArchiveLine, decoded
from ..db.faults import Fault, classify, describe, sqlstate
from ..db.identifiers import for_text, quoted, quoted_table
from .archive_columns import hash_of, is_opaque
from .archive_rows import ArchivedRow, Reading, RowKey, json_value, values_of

READS_OTHERWISE = "it reads otherwise than it was written"

_TYPES = text(
    "SELECT attname, format_type(atttypid, atttypmod) AS kind FROM pg_attribute"
    " WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
)

_LINES = (
    '(SELECT CAST(place AS int) - 1 AS number, CAST(one ->> 0 AS json) AS "row", CAST(one ->> 1 AS json) AS "text"'
    " FROM json_array_elements(CAST(:lines AS json)) WITH ORDINALITY AS given (one, place) OFFSET 0) AS line,"
)
"""Each row is a text of its own until the server reads it: what is no row by itself is two of them nowhere (SEC-3)."""

_SERVER = ("25", "40", "53", "55", "57", "58", "F0")
"""Classes of SQLSTATE that tell of the server, the transaction or the disk, and not of a row."""


@dataclass(frozen=True, slots=True)
class LinesRelation:
    """Lines as a relation, for PostgreSQL, as SQL for `text`. names: of the columns.  values: of each, in their order.

    source: what to select from, which has also `line.number`.  given: parameters, beside `lines`: `as_parameter`.
    """

    names: tuple[str, ...]
    values: tuple[str, ...]
    source: str
    given: dict[str, str]


def lines_relation(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> LinesRelation:
    """The lines of a table; only these columns of it."""
    name = quoted_table(connection.dialect, table)
    types: dict[str, str] = {row.attname: row.kind for row in connection.execute(_TYPES, {"name": name})}
    names, kinds, values, given = [], [], [], {}
    for number, column in enumerate(columns):
        here, kind = for_text(quoted(connection.dialect, column.name)), for_text(types[column.name])
        opaque = is_opaque(column.type)
        value = f"CAST(known.{here} #>> '{{}}' AS {kind})" if opaque else f"known.{here}"
        beside, given[f"name_{number}"] = f'(line."text" ->> :name_{number})', column.name
        names.append(here)
        kinds.append(f"{here} {'json' if opaque else kind}")
        values.append(f"CASE WHEN {beside} IS NULL THEN {value} ELSE CAST({beside} AS {kind}) END")
    source = f'{_LINES} json_to_record(line."row") AS known ({", ".join(kinds)})'
    return LinesRelation(tuple(names), tuple(values), source, given)


def as_parameter(lines: Sequence[ArchiveLine]) -> str:
    """Lines for `LinesRelation`; each is numbered by its place."""
    return json.dumps([(line.row, line.text or "{}") for line in lines], ensure_ascii=False)


class UnreadableRow(Exception):
    """A row that hangs on others would not come back; fewer of them show whose it is."""


def is_about_rows(error: Exception) -> bool:
    """Whether an error is about the rows that a statement read or changed: fewer of them may go through."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, UnicodeError | UnreadableRow)
    state = sqlstate(error)
    fault = classify(error)
    return fault is Fault.POISON or (fault is Fault.OTHER and state is not None and state[:2] not in _SERVER)


def reason_of(error: Exception) -> str:
    """The same in one line."""
    if isinstance(error, DBAPIError):
        return describe(error)
    return str(error) if isinstance(error, UnreadableRow) else "a text of it is not valid in its encoding"


def unreadable_rows(connection: Connection, how: Reading, rows: Sequence[ArchivedRow]) -> dict[RowKey, str]:
    """Those of the rows just read whose lines do not give them back, and why."""
    odd = {row.key: READS_OTHERWISE for row in rows if not _is_read_again(row.line)}
    if connection.dialect.name != "postgresql":
        return odd | {row.key: READS_OTHERWISE for row in rows if _again(row.line.row) != row.line.row}
    columns = [one for one in how.of() if one.computed is None]
    relation = lines_relation(connection, how.table, columns)
    return odd | (_unreadable(connection, relation, rows) if rows else {})


def _is_read_again(line: ArchiveLine) -> bool:
    try:
        return decoded(line.encoded()) == line
    except (ValueError, RecursionError):
        return False


def _again(row: str) -> str | None:
    try:
        return json.dumps({name: json_value(value) for name, value in values_of(row).items()})
    except (ValueError, RecursionError):
        return None


def _unreadable(connection: Connection, relation: LinesRelation, rows: Sequence[ArchivedRow]) -> dict[RowKey, str]:
    asked = text(f"SELECT line.number, {hash_of(relation.values)} AS total FROM {relation.source}")
    try:
        with connection.begin_nested():
            lines = as_parameter([row.line for row in rows])
            found = connection.execute(asked, {**relation.given, "lines": lines})
            sums = {row.number: row.total for row in found}
    except DBAPIError as error:
        if not is_about_rows(error):
            raise
        if len(rows) == 1:
            return {rows[0].key: reason_of(error)}
        half = len(rows) // 2
        return _unreadable(connection, relation, rows[:half]) | _unreadable(connection, relation, rows[half:])
    return {row.key: READS_OTHERWISE for number, row in enumerate(rows) if sums.get(number) != row.total}
