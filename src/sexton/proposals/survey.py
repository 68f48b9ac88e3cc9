"""All tables of a product's database, with their columns and the tables that refer to them. Views are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, text
from sqlalchemy import inspect as look_into
from sqlalchemy.engine.reflection import Inspector, ObjectKind
from sqlalchemy.exc import SQLAlchemyError

from ..db.tables import SCHEMA
from .recognise import SurveyedTable

TableName = tuple[str | None, str]
"""Schema (None on SQLite) and name of a table."""

SurveyedTables = Mapping[TableName, SurveyedTable]

_SCHEMAS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', :ours)
    AND has_schema_privilege(oid, 'USAGE')
"""
"""Schemas of a product that are open to us: of others not even the columns can be asked."""

_PARTS = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition OR EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)
    OR EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
               AND d.deptype = 'e')
"""
"""Partitions and tables that inherit, which their parent stands for; tables of extensions."""


_KEYS = """
    SELECT cn.nspname AS child_schema, c.relname AS child, pn.nspname AS schema, p.relname AS parent,
        k.confdeltype::text AS rule,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (number, place)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number ORDER BY u.place) AS columns,
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (number, place)
              JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum = u.number ORDER BY u.place) AS referred
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f'
"""
"""SQLAlchemy leaves out the schema of a table that it takes for the one asked about."""

_RULES = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
"""Rules of a deletion, as pg_constraint has them; with the others the row stays."""


@dataclass(frozen=True, slots=True)
class TableReference:
    """A foreign key to a table. columns, referred: as many as the key has.  ondelete: in upper case; "" for none."""

    child: SurveyedTable
    columns: tuple[str, ...]
    referred: tuple[str, ...]
    ondelete: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Tables in the order of their names, and the references to each."""

    tables: tuple[SurveyedTable, ...]
    references: dict[TableName, list[TableReference]]


def survey(connection: Connection) -> Survey:
    """The tables of the database behind this connection; reads the catalogue only."""
    inspector = look_into(connection)
    tables = {(table.schema, table.name): table for table in _tables(connection, inspector)}
    look = _keys if connection.dialect.name == "postgresql" else _sqlite_keys
    references: dict[TableName, list[TableReference]] = {}
    for place, reference in look(connection, inspector, tables):
        references.setdefault(place, []).append(reference)
    for found in references.values():
        found.sort(key=lambda reference: (reference.child.written, reference.columns))
    return Survey(tuple(sorted(tables.values(), key=_alphabetically)), references)


def _alphabetically(table: SurveyedTable) -> tuple[str, str, str, str]:
    return (table.schema or "").lower(), table.name.lower(), table.schema or "", table.name


def _keys(connection: Connection, _: Inspector, tables: SurveyedTables) -> Iterator[tuple[TableName, TableReference]]:
    """Foreign keys, and the table that each refers to."""
    for row in connection.execute(text(_KEYS)):
        child = tables.get((row.child_schema, row.child))
        if child is not None:
            rule = _RULES.get(row.rule, "")
            yield (row.schema, row.parent), TableReference(child, tuple(row.columns), tuple(row.referred), rule)


def _sqlite_keys(
    connection: Connection, inspector: Inspector, tables: SurveyedTables
) -> Iterator[tuple[TableName, TableReference]]:
    """The same; SQLAlchemy does not tell the rules of a reference that is written behind its column."""
    asked = text('SELECT "table", "from", "to", on_delete, id FROM pragma_foreign_key_list(:name) ORDER BY id, seq')
    # SQLite finds tables whatever the case of their letters.
    names = {name.lower(): name for _, name in tables}
    for (_, name), table in tables.items():
        rows = connection.execute(asked, {"name": name}).all()
        for _, grouped in groupby(rows, key=lambda row: row.id):
            key = list(grouped)
            parent = names.get(key[0].table.lower())
            if parent is None:
                continue
            # Where no column is named, the key of the other table is meant.
            implied = inspector.get_pk_constraint(parent)["constrained_columns"]
            referred = [row.to for row in key] if key[0].to is not None else implied
            rule = "" if key[0].on_delete == "NO ACTION" else key[0].on_delete
            yield (None, parent), TableReference(table, tuple(row[1] for row in key), tuple(referred), rule)


def _tables(connection: Connection, inspector: Inspector) -> Iterator[SurveyedTable]:
    if connection.dialect.name != "postgresql":
        yield from _sqlite_tables(inspector)
        return
    parts = {(schema, name) for schema, name in connection.execute(text(_PARTS))}
    for schema in connection.execute(text(_SCHEMAS), {"ours": SCHEMA}).scalars():
        columns = inspector.get_multi_columns(schema=schema, kind=ObjectKind.TABLE)
        for name in inspector.get_table_names(schema):
            if (schema, name) not in parts and (schema, name) in columns:
                found = {column["name"]: column["type"] for column in columns[schema, name]}
                yield SurveyedTable(schema, name, found, home=schema == inspector.default_schema_name)


def _sqlite_tables(inspector: Inspector) -> Iterator[SurveyedTable]:
    for name in inspector.get_table_names():
        try:
            columns = inspector.get_columns(name)
        except SQLAlchemyError:
            continue  # a virtual table whose module is not here
        yield SurveyedTable(None, name, {column["name"]: column["type"] for column in columns})
