"""Schemas of real applications, in short, with what each of them clears itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.types import BigInteger, Boolean, Date, DateTime, String, TypeEngine

from sexton.proposals.recognise import SurveyedTable, recognise
from sexton.proposals.survey import Survey, TableReference
from sexton.proposals.weigh import Scales

KINDS: dict[str, tuple[str, type[TypeEngine[Any]]]] = {
    "@": ("timestamp", DateTime),
    "%": ("date", Date),
    "?": ("boolean", Boolean),
    "#": ("bigint", BigInteger),
    "$": ("bigint", BigInteger),
    "&": ("bigint", BigInteger),
}
RULES = {"!": "CASCADE", "~": "SET NULL"}
INSTANTS = {"$": 1_700_000_000, "&": 1_700_000_000_000}


@dataclass
class Application:
    """One schema. columns: by table, each as the file has it."""

    name: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    clears: set[str] = field(default_factory=set)
    harmless: set[str] = field(default_factory=set)

    def survey(self) -> Survey:
        """What is known of it without a database."""
        tables = {
            name: SurveyedTable(None, name, {_name(column): _kind(column)[1]() for column in columns})
            for name, columns in self.columns.items()
        }
        references: dict[tuple[str | None, str], list[TableReference]] = {}
        for name, columns in self.columns.items():
            for column in columns:
                if (found := _reference(column)) is not None:
                    reference = TableReference(tables[name], (_name(column),), ("id",), found[1])
                    references.setdefault((None, found[0]), []).append(reference)
        return Survey(tuple(tables.values()), references)

    def statements(self, *, sqlite: bool) -> list[str]:
        """That make its tables, each with a row where numbers are times."""
        made, later = [], []
        for name, columns in self.columns.items():
            parts = []
            for column in columns:
                defined = f'"{_name(column)}" {_kind(column)[0]}{" PRIMARY KEY" if _name(column) == "id" else ""}'
                if (found := _reference(column)) is not None:
                    refers = f'REFERENCES "{found[0]}" ("id"){" ON DELETE " if found[1] else ""}{found[1]}'
                    defined += f" {refers}" if sqlite else ""
                    later.append(f'ALTER TABLE "{name}" ADD FOREIGN KEY ("{_name(column)}") {refers}')
                parts.append(defined)
            made.append(f'CREATE TABLE "{name}" ({", ".join(parts)})')
        return [*made, *([] if sqlite else later), *self._rows()]

    def _rows(self) -> Iterator[str]:
        for name, columns in self.columns.items():
            values = {_name(column): INSTANTS[_mark(column)] for column in columns if _mark(column) in INSTANTS}
            if values:
                values |= {"id": 1} if "id" in map(_name, columns) else {}
                names = ", ".join(f'"{column}"' for column in values)
                yield f'INSERT INTO "{name}" ({names}) VALUES ({", ".join(map(str, values.values()))})'


def read(file: str) -> list[Application]:
    """All of one file."""
    found: list[Application] = []
    for line in (Path(__file__).parent / file).read_text().splitlines():
        first, _, rest = line.partition(" ")
        if first == "#":
            found.append(Application(rest))
        elif first in ("clears", "harmless"):
            getattr(found[-1], first).update(rest.split())
        elif first.endswith(":"):
            found[-1].columns[first[:-1]] = rest.split()
    return found


def proposed(application: Application) -> tuple[set[str], set[str]]:
    """Tables with a live proposal, and those with a doubtful one, as if rows told the unit of each number."""
    known = application.survey()
    scales = Scales(known)
    live: set[str] = set()
    doubtful: set[str] = set()
    for table in known.tables:
        _, guesses = recognise(table, "postgresql")
        if guesses:
            certain = guesses[0].status is None and not scales.weigh(table, guesses[0], ("id",)).doubts
            (live if certain else doubtful).add(table.name)
    return live, doubtful


def _name(column: str) -> str:
    return column.partition(">")[0].rstrip("".join(KINDS))


def _mark(column: str) -> str:
    return column.partition(">")[0][-1]


def _kind(column: str) -> tuple[str, type[TypeEngine[Any]]]:
    return KINDS.get(_mark(column), ("varchar(100)", String))


def _reference(column: str) -> tuple[str, str] | None:
    _, refers, parent = column.partition(">")
    return (parent.rstrip("!~"), RULES.get(parent[-1], "")) if refers else None
