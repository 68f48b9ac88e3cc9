"""Put the rows of an archive file back into their tables. Rows that are there stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Table, text

from ..runs.archive.files import Line, lines_of, verify
from ..runs.archive.rows import stored
from .catalogue import Catalogue


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
    name = catalogue.connection.dialect.identifier_preparer.format_table(table)
    names = _names(catalogue, columns)
    insert = text(
        f"INSERT INTO {_plain(name)} ({_plain(names)}) OVERRIDING SYSTEM VALUE SELECT {_plain(names)}"
        f" FROM json_populate_recordset(CAST(NULL AS {_plain(name)}), CAST(:rows AS json)) ON CONFLICT DO NOTHING"
    )
    rows = "[" + ",".join(line.row for line in lines) + "]"
    return catalogue.connection.execute(insert, {"rows": rows}).rowcount


def _sqlite(catalogue: Catalogue, table: Table, columns: list[Column[Any]], lines: list[Line]) -> int:
    name = catalogue.connection.dialect.identifier_preparer.format_table(table)
    values = ", ".join(f":c{number}" for number in range(len(columns)))
    insert = text(
        f"INSERT INTO {_plain(name)} ({_plain(_names(catalogue, columns))}) VALUES ({values}) ON CONFLICT DO NOTHING"
    )
    return sum(catalogue.connection.execute(insert, row).rowcount for row in _values(columns, lines))


def _values(columns: list[Column[Any]], lines: list[Line]) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = json.loads(line.row)
        yield {f"c{number}": stored(row.get(column.name)) for number, column in enumerate(columns)}


def _names(catalogue: Catalogue, columns: list[Column[Any]]) -> str:
    quote = catalogue.connection.dialect.identifier_preparer.quote
    return ", ".join(quote(column.name) for column in columns)


def _plain(names: str) -> str:
    """Names as `text` takes them: a colon begins a parameter there."""
    return names.replace(":", "\\:")
