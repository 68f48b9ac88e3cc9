"""Tables of a pack under the names that a product gives them.

Columns are used by their logical names (`licenses.c.expires_at`) whatever they are called in the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import JSON

from sexton import Outbox, PolicyError, UtcDateTime

Number = BigInteger().with_variant(Integer(), "sqlite")


class MappedTables:
    """Builds the tables of one pack.

    pack: its name, for errors.  tables, columns: of its options, logical name -> name in the database.
    empty: columns that may be NULL, in whatever table.  key: the type of ids.
    """

    def __init__(
        self,
        pack: str,
        tables: Mapping[str, str],
        columns: Mapping[str, Mapping[str, str]],
        empty: Collection[str] = (),
        *,
        key: Any = Number,
    ) -> None:
        self.metadata = MetaData()
        self.key = key
        self._pack, self._tables, self._columns, self._empty = pack, tables, columns, empty

    def named(self, table: str, key: str) -> str:
        """What a column is called in the database."""
        return self._columns.get(table, {}).get(key, key)

    def is_mapped(self, table: str, key: str = "") -> bool:
        """Whether the product has given the table, or one of its columns, a name."""
        return key in self._columns.get(table, {}) if key else table in self._tables

    def column(self, table: str, key: str, kind: Any, *more: Any, **options: Any) -> Column[Any]:
        """A column under its logical key; `id` is the primary key."""
        options.setdefault("primary_key", key == "id")
        options.setdefault("nullable", key in self._empty)
        return Column(self.named(table, key), kind, *more, key=key, **options)

    def reference(self, table: str, key: str, other: str, **options: Any) -> Column[Any]:
        """A column that holds the id of a row of another of the tables."""
        target = ForeignKey(f"{self._tables.get(other, other)}.id")
        return self.column(table, key, self.key, target, **options)

    def table(self, table: str, columns: Mapping[str, Any], index: str = "", *more: Any) -> Table:
        """A table whose columns are given as name -> type, or as Column where they need more.

        PolicyError for a mapped column that the pack does not use, and for two columns, or two tables, of one name.
        """
        made = [kind if isinstance(kind, Column) else self.column(table, key, kind) for key, kind in columns.items()]
        where = f"pack.{self._pack}.columns.{table}"
        unknown = self._columns.get(table, {}).keys() - columns.keys()
        if unknown:
            known = ", ".join(columns)
            raise PolicyError(f"{where}: no column {sorted(unknown)[0]!r}; it has {known}")
        twice = [column.name for column in made if sum(other.name == column.name for other in made) > 1]
        if twice:
            raise PolicyError(f"{where}: two columns are named {twice[0]!r}")
        schema, _, name = self._tables.get(table, table).rpartition(".")
        if (called := f"{schema}.{name}" if schema else name) in self.metadata.tables:
            raise PolicyError(f"pack.{self._pack}.tables: two tables are named {called!r}")
        built = Table(name, self.metadata, *made, *more, schema=schema or None)
        if index:
            self.index(built, index)
        return built

    def index(self, table: Table, columns: str) -> None:
        """An index over these columns, by their logical keys."""
        Index(f"{table.name}_{columns.replace(' ', '_')}", *(table.c[key] for key in columns.split()))

    def outbox(self) -> Outbox | None:
        """The product's own outbox when `outbox_events` is mapped: messages go there; None: Sexton's own."""
        if not self.is_mapped("outbox_events"):
            return None
        columns: dict[str, Any] = {"id": Number, "event_type": Text, "payload": JSON, "created_at": UtcDateTime}
        columns["attempt_count"] = self.column("outbox_events", "attempt_count", Integer, server_default="0")
        for key in ("published_at", "last_attempted_at"):
            columns[key] = self.column("outbox_events", key, UtcDateTime, nullable=True)
        for key in ("key", "recipient"):
            if self.is_mapped("outbox_events", key):
                columns[key] = self.column("outbox_events", key, Text, nullable=key == "recipient")
        table = self.table("outbox_events", columns, "published_at id")
        named_key, recipient = table.c.get("key"), table.c.get("recipient")
        return Outbox(table, named_key, table.c.event_type, recipient, table.c.payload, table.c.created_at)
