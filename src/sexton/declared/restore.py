"""Put the rows of an archive file back into their tables. Rows that are there stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Table, text

from ..db.names import for_text, quoted, quoted_table
from ..runs.archive.files import Line, lines_of, verify
from ..runs.archive.rows import is_opaque, lost, stored
from .catalogue import Catalogue

_TYPES = text(
    "SELECT attname, format_type(atttypid, atttypmod) AS kind FROM pg_attribute"
    " WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """Of one table. rows: in the file.  new: of them were not there.  dropped: columns that the table has no more."""

    table: str
    rows: int
    new: int
    dropped: tuple[str, ...]


def restore(engine: Engine, path: Path) -> list[Restored]:
    """All tables of the file, in one transaction. JobFailed: the file is damaged; PolicyError: a table is gone."""
    manifest = verify(path)
    with engine.begin() as connection:
        catalogue = Catalogue(connection)
        return [
            _put_back(catalogue, catalogue.table(name), manifest.columns.get(name, {}), list(lines))
            for name, lines in groupby(lines_of(path), key=lambda line: line.table)
        ]


def _put_back(catalogue: Catalogue, table: Table, known: dict[str, str], lines: list[Line]) -> Restored:
    columns = [one for one in table.c if not one.system and one.computed is None and one.name in known]
    dropped = tuple(sorted(known.keys() - set(table.c.keys())))
    look = _postgresql if catalogue.dialect == "postgresql" else _sqlite
    return Restored(table.fullname, len(lines), look(catalogue, table, columns, lines), dropped)


def _postgresql(catalogue: Catalogue, table: Table, columns: list[Column[Any]], lines: list[Line]) -> int:
    """The server reads what it wrote. One statement, so rows may refer to each other."""
    name = quoted_table(catalogue.connection.dialect, table)
    types: dict[str, str] = {row.attname: row.kind for row in catalogue.connection.execute(_TYPES, {"name": name})}
    names = [_name(catalogue, column) for column in columns]
    kinds, values, given = [], [], {}
    for number, (column, here) in enumerate(zip(columns, names, strict=True)):
        kind, value = for_text(types[column.name]), f"known.{here}"
        kinds.append(f"{here} {'json' if is_opaque(column.type) else kind}")
        if is_opaque(column.type):
            value = f"CAST({value} #>> '{{}}' AS {kind})"
        if lost(column) is not None:
            beside, given[f"name_{number}"] = f'line."text" ->> :name_{number}', column.name
            value = f"CASE WHEN {beside} IS NULL THEN {value} ELSE CAST({beside} AS {kind}) END"
        values.append(value)
    insert = text(
        f"INSERT INTO {for_text(name)} ({', '.join(names)}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values)}"
        ' FROM json_to_recordset(CAST(:lines AS json)) AS line ("row" json, "text" json),'
        f' json_to_record(line."row") AS known ({", ".join(kinds)}) ON CONFLICT DO NOTHING'
    )
    rows = ",".join(f'{{"row": {line.row}, "text": {line.text or "{}"}}}' for line in lines)
    return catalogue.connection.execute(insert, {**given, "lines": f"[{rows}]"}).rowcount


def _sqlite(catalogue: Catalogue, table: Table, columns: list[Column[Any]], lines: list[Line]) -> int:
    name = quoted_table(catalogue.connection.dialect, table)
    values = ", ".join(f":c{number}" for number in range(len(columns)))
    names = ", ".join(_name(catalogue, column) for column in columns)
    insert = text(f"INSERT INTO {for_text(name)} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING")
    return sum(catalogue.connection.execute(insert, row).rowcount for row in _values(columns, lines))


def _values(columns: list[Column[Any]], lines: list[Line]) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = json.loads(line.row)
        yield {f"c{number}": stored(row.get(column.name)) for number, column in enumerate(columns)}


def _name(catalogue: Catalogue, column: Column[Any]) -> str:
    return for_text(quoted(catalogue.connection.dialect, column.name))
