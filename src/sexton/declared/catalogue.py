"""Tables and columns that the settings name, found in the database's catalogue; nothing else gets into a statement.

Names are matched exactly as written and quoted by the library, so a reserved word is a name like any other, and a
piece of SQL is the name of no table.
"""

from __future__ import annotations

import warnings
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, PrimaryKeyConstraint, Table, text
from sqlalchemy import inspect as look_into
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.types import NullType

from ..db.column_types import RowAddress
from ..db.foreign_keys import referring_tables
from ..db.identifiers import quoted_table
from ..db.search_path import schema_of, search_path
from ..db.tables import SCHEMA
from ..errors import PolicyError, UnknownName, suggestion

OURS = "sexton_"
"""How the names of Sexton's own tables begin on SQLite; nobody means them."""


ROWID = ("rowid", "_rowid_", "oid")
"""What SQLite calls the number of a row, as long as no column has that name."""


_REFERRING = (
    "SELECT n.nspname, c.relname, ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (number, place)"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number ORDER BY u.place)"
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.contype = 'f' AND CAST(k.confdeltype AS text) = ANY(:rules) AND k.conparentid = 0"
    " AND (k.confrelid = to_regclass(:name)"
    # Whoever refers to a partition, or to the table that it is one of, refers to its rows.
    " OR k.confrelid IN (SELECT relid FROM pg_partition_ancestors(to_regclass(:name)))"
    " OR k.confrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name)))) ORDER BY 1, 2"
)


class Catalogue:
    """The catalogue of one connection's database. Each table is looked up once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self._inspector: Inspector = look_into(connection)
        self._path = search_path(connection.dialect)
        self._metadata = MetaData()
        self._tables: dict[str, Table] = {}

    def table(self, name: str) -> Table:
        """The table "orders" or "shop.orders", with a key. PolicyError with the nearest names when there is none."""
        if name not in self._tables:
            self._tables[name] = self._found(name)
        return self._tables[name]

    def spelled(self, name: str) -> str:
        """The name of a table that SQL means, which on SQLite minds no case."""
        known = self._names(None) if self.dialect == "sqlite" else []
        return next((one for one in known if one.lower() == name.lower()), name)

    def column(self, table: Table, name: str) -> Column[Any]:
        """A column of it; UnknownName with the nearest ones."""
        if name not in table.c or table.c[name].system:
            names = [column.name for column in table.c if not column.system]
            raise UnknownName(f"column of {table.fullname}", name, names)
        return table.c[name]

    def _found(self, name: str) -> Table:
        schema, _, plain = name.rpartition(".")
        if name in self._names(None):  # a dot may be part of a name
            schema, plain = "", name
        if plain not in self._names(schema or None):
            near = self._near(schema or None, plain) or self._path.because(schema)
            raise PolicyError(f"there is no table {name} in this database{near}")
        try:
            with warnings.catch_warnings():
                # Of types and indexes that the library does not know: no policy uses them.
                warnings.simplefilter("ignore", SAWarning)
                table = self._reflected(plain, schema or None)
        except NoSuchTableError as error:
            raise PolicyError(f"there is no table {name} in this database") from error
        self._refuse(table)
        self._number_is_never_null(table)
        if not table.primary_key.columns:
            table.append_constraint(PrimaryKeyConstraint(*(self._unique(table) or self._address(table))))
        return table

    def _reflected(self, plain: str, schema: str | None) -> Table:
        """Under the name that it was asked for by, wherever it lies."""
        place = schema_of(self.connection.dialect, Table(plain, MetaData(), schema=schema))
        where = self._metadata if place == schema else MetaData()
        table = Table(plain, where, schema=place, autoload_with=self.connection, resolve_fks=False)
        return table if place == schema else table.to_metadata(self._metadata, schema=None)  # type: ignore[arg-type]

    def _refuse(self, table: Table) -> None:
        """PolicyError for tables of ours, and for those that others inherit from: their rows have other columns."""
        if table.schema == SCHEMA or (self.dialect == "sqlite" and table.name.startswith(OURS)):
            raise PolicyError(f"{table.fullname} is Sexton's own; [retention] says how long its rows stay")
        if self.dialect == "postgresql" and self.is_split(table) and not self._is_partitioned(table):
            raise PolicyError(f"other tables inherit from {table.fullname}; write a policy for each of them")

    def _number_is_never_null(self, table: Table) -> None:
        """On SQLite a key declared INTEGER PRIMARY KEY is the row's number, whatever the catalogue says of NULL."""
        key = list(table.primary_key.columns)
        if self.dialect == "sqlite" and len(key) == 1 and str(key[0].type) == "INTEGER":
            index = text("SELECT 1 FROM pragma_index_list(:name) WHERE origin = 'pk'")
            if self.connection.execute(index, {"name": table.name}).first() is None:
                key[0].nullable = False

    def _is_partitioned(self, table: Table) -> bool:
        asked = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:name)")
        return bool(self.connection.execute(asked, {"name": quoted_table(self.connection.dialect, table)}).scalar())

    def _names(self, schema: str | None) -> list[str]:
        if schema is not None and schema not in self._inspector.get_schema_names():
            raise UnknownName("schema", schema, self._inspector.get_schema_names())
        return [*self._inspector.get_table_names(schema), *(self._path.tables if schema is None else ())]

    def _near(self, schema: str | None, plain: str) -> str:
        if plain in self._inspector.get_view_names(schema):
            return "; it is a view: name the table below it"
        return suggestion(plain, (name for name in self._names(schema) if not name.startswith(OURS)))

    def _unique(self, table: Table) -> list[Column[Any]]:
        """Without a primary key, a unique one of columns that are never NULL names a row as well."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # of indexes on expressions, which SQLite's catalogue leaves out
            place = schema_of(self.connection.dialect, table)
            unique = self._inspector.get_unique_constraints(table.name, place)
            known = self._inspector.get_indexes(table.name, place)
        constraints: list[list[str | None]] = [list(found["column_names"]) for found in unique]
        indexes: list[list[str | None]] = [
            list(found["column_names"])  # None: an expression, which may be the same in rows that are not
            for found in known
            if found["unique"]
            and found["name"] not in self._invalid(table)
            and found.get("dialect_options", {}).get(f"{self.dialect}_where") is None
        ]
        for names in (*constraints, *indexes):
            columns = [table.c[name] for name in names if name is not None and name in table.c]
            if columns and len(columns) == len(names) and not any(column.nullable for column in columns):
                return columns
        return []

    def _invalid(self, table: Table) -> set[str]:
        """Indexes whose building failed: they may name several rows alike."""
        if self.dialect != "postgresql":
            return set()
        asked = text(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = to_regclass(:name) AND NOT i.indisvalid"
        )
        return set(self.connection.execute(asked, {"name": quoted_table(self.connection.dialect, table)}).scalars())

    def _address(self, table: Table) -> list[Column[Any]]:
        """Without any key, the place where a row lies names it; among partitions, with that of its partition."""
        if self.dialect == "sqlite":
            taken = {column.name.lower() for column in table.c}
            name = next((name for name in ROWID if name not in taken), None)
            if name is None:
                raise PolicyError(
                    f"rows of {table.fullname} have no name: no key, and columns called {', '.join(ROWID)}"
                )
            address: list[Column[Any]] = [Column(name, Integer, nullable=False, system=True)]
        else:
            address = [Column("ctid", RowAddress, nullable=False, system=True)]
            if self.is_split(table):
                address.insert(0, Column("tableoid", BigInteger, nullable=False, system=True))
        for column in address:
            table.append_column(column)
        return address

    def cascaded(self, table: Table) -> list[tuple[Table, tuple[str, ...]]]:
        """Tables whose rows the database itself deletes when it deletes one of these, and by which columns."""
        return self._referring(table, ("c",), ("CASCADE",))

    def nulled(self, table: Table) -> list[tuple[Table, tuple[str, ...]]]:
        """Tables in which the database itself takes away what refers to a row it deletes, and from which columns."""
        return self._referring(table, ("n", "d"), ("SET NULL", "SET DEFAULT"))

    def _referring(
        self, table: Table, letters: tuple[str, ...], rules: tuple[str, ...]
    ) -> list[tuple[Table, tuple[str, ...]]]:
        if self.dialect == "postgresql":
            name = quoted_table(self.connection.dialect, table)
            rows = self.connection.execute(text(_REFERRING), {"name": name, "rules": list(letters)}).all()
            return [(self.table(f"{schema}.{child}"), tuple(columns)) for schema, child, columns in rows]
        found = referring_tables(self.connection, table, rules)
        return [(self.table(child), tuple(pairs)) for child, pairs in found]

    def is_composite(self, column: Column[Any]) -> bool:
        """Whether its type is a composite one."""
        if self.dialect == "sqlite" or not isinstance(column.type, NullType) or not isinstance(column.table, Table):
            return False
        asked = text(
            "SELECT t.typtype = 'c' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE a.attrelid = to_regclass(:name) AND a.attname = :column"
        )
        name = quoted_table(self.connection.dialect, column.table)
        return bool(self.connection.execute(asked, {"name": name, "column": column.name}).scalar())

    def referred(self, table: Table, names: tuple[str, ...], above: Table) -> tuple[str, ...]:
        """The columns of `above` that a foreign key says these columns hold, in their order; none: there is no such.

        PolicyError when a foreign key says that they hold those of another table.
        """
        elsewhere = None
        for key in self._inspector.get_foreign_keys(table.name, schema_of(self.connection.dialect, table)):
            if sorted(key["constrained_columns"]) != sorted(names):
                continue
            to = Table(key["referred_table"], MetaData(), schema=key["referred_schema"])
            if self.same(to, above) or self._is_part(above, to):
                pairs = dict(zip(key["constrained_columns"], key["referred_columns"], strict=False))
                return tuple(pairs[name] for name in names if name in pairs)
            elsewhere = to.fullname
        if elsewhere is not None:
            raise PolicyError(f"{table.fullname}.{', '.join(names)} refers to {elsewhere}, not to {above.fullname}")
        return ()

    def same(self, one: Table, other: Table) -> bool:
        """Whether both are one table, however the settings wrote its name."""
        return self.place(one) == self.place(other)

    def _is_part(self, table: Table, whole: Table) -> bool:
        """Whether it is a partition of the other one."""
        if self.dialect == "sqlite":
            return False
        asked = text("SELECT to_regclass(:whole) IN (SELECT relid FROM pg_partition_ancestors(to_regclass(:name)))")
        names = {what: quoted_table(self.connection.dialect, one) for what, one in (("name", table), ("whole", whole))}
        return bool(self.connection.execute(asked, names).scalar())

    def may_lock(self, table: Table) -> bool:
        """Whether this role may lock its rows, for which PostgreSQL asks for the right to change them."""
        asked = text("SELECT has_any_column_privilege(to_regclass(:name)::oid, 'UPDATE')")
        return bool(self.connection.execute(asked, {"name": quoted_table(self.connection.dialect, table)}).scalar())

    def place(self, table: Table) -> object:
        """What is the same for each name of one table: its number on PostgreSQL."""
        if self.dialect == "sqlite":
            return table.name.lower()
        name = quoted_table(self.connection.dialect, table)
        return self.connection.execute(text("SELECT to_regclass(:name)::oid"), {"name": name}).scalar()

    def is_split(self, table: Table) -> bool:
        """Whether its rows lie in several heaps: partitions, or tables that inherit."""
        asked = text("SELECT relkind = 'p' OR relhassubclass FROM pg_class WHERE oid = to_regclass(:name)")
        return bool(self.connection.execute(asked, {"name": quoted_table(self.connection.dialect, table)}).scalar())
