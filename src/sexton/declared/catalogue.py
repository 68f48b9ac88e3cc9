"""Tables and columns that the settings name, found in the database's catalogue; nothing else gets into a statement.

Names are matched exactly as written and quoted by the library, so a reserved word is a name like any other, and a
piece of SQL is the name of no table.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, Table
from sqlalchemy import inspect as look_into
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import NoSuchTableError

from ..errors import PolicyError, UnknownName, suggestion

OURS = "sexton_"
"""How the names of Sexton's own tables begin on SQLite; nobody means them."""


class Catalogue:
    """Of one connection. Each table is looked up once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self._inspector: Inspector = look_into(connection)
        self._metadata = MetaData()
        self._tables: dict[str, Table] = {}

    def table(self, name: str) -> Table:
        """The table "orders" or "shop.orders", with a key. PolicyError with the nearest names when there is none."""
        if name not in self._tables:
            self._tables[name] = self._found(name)
        return self._tables[name]

    def column(self, table: Table, name: str) -> Column[object]:
        """A column of it; UnknownName with the nearest ones."""
        if name not in table.c:
            raise UnknownName(f"column of {table.fullname}", name, table.c.keys())
        return table.c[name]

    def _found(self, name: str) -> Table:
        schema, _, plain = name.rpartition(".")
        if name in self._names(None):  # a dot may be part of a name
            schema, plain = "", name
        if plain not in self._names(schema or None):
            raise PolicyError(f"there is no table {name} in this database{self._near(schema or None, plain)}")
        try:
            table = Table(
                plain, self._metadata, schema=schema or None, autoload_with=self.connection, resolve_fks=False
            )
        except NoSuchTableError as error:
            raise PolicyError(f"there is no table {name} in this database") from error
        if not table.primary_key.columns:
            self._take_unique_key(table)
        return table

    def _names(self, schema: str | None) -> list[str]:
        if schema is not None and schema not in self._inspector.get_schema_names():
            raise UnknownName("schema", schema, self._inspector.get_schema_names())
        return self._inspector.get_table_names(schema)

    def _near(self, schema: str | None, plain: str) -> str:
        if plain in self._inspector.get_view_names(schema):
            return "; it is a view: name the table below it"
        return suggestion(plain, (name for name in self._names(schema) if not name.startswith(OURS)))

    def _take_unique_key(self, table: Table) -> None:
        """Without a primary key, a unique one of columns that are never NULL names a row as well."""
        constraints = [
            found["column_names"] for found in self._inspector.get_unique_constraints(table.name, table.schema)
        ]
        indexes = [
            [column for column in found["column_names"] if column is not None]
            for found in self._inspector.get_indexes(table.name, table.schema)
            if found["unique"] and not found.get("dialect_options", {}).get(f"{self.dialect}_where")
        ]
        for names in (*constraints, *indexes):
            columns = [table.c[name] for name in names if name in table.c]
            if columns and len(columns) == len(names) and not any(column.nullable for column in columns):
                table.append_constraint(PrimaryKeyConstraint(*columns))
                return
        raise PolicyError(
            f"table {table.fullname} has no primary key, nor a unique one without NULL; a policy has to name rows"
        )
