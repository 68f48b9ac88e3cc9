"""Where PostgreSQL looks names up that are written without a schema: only where no untrusted role may put one (SEC-1).

Operators, functions and tables are found by the search path, and a better match in any of its schemas wins over the
built-in one: who may create there could run code as the role of the jobs. So each transaction sets its own path. That
of Sexton's own tables holds the built-in schema only. That of a product's rows holds those schemas of the session's
path in which only trusted roles may create, and which hold no function or operator of anybody else; conditions,
triggers and functions of jobs work as they did.

A schema that is left out still holds tables. They are written with its name, by the preparer that each statement of the
engine is printed with. Of several with one name, those of trusted owners are meant; among strangers' nobody chooses.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from ..texts import one_line
from .trust import EQUALS, TRUSTED, trusted_of, untrusted_creators, untrusted_owners

OWN_SEARCH_PATH = "pg_catalog, pg_temp"
"""The path of transactions on Sexton's own tables. Unnamed, the temporary schema would come first."""

REFRESH_SECONDS = 60.0
"""Seconds after which rights, and new tables in schemas that are left out, are looked at again."""

_ATTRIBUTE = "sexton_search_path"

_NAMES = text(
    f"{TRUSTED}, named(schema, name, owner, is_type) AS (SELECT c.relnamespace, c.relname, c.relowner, false"
    "  FROM pg_catalog.pg_class c WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index i"
    f"  WHERE i.indexrelid {EQUALS} c.oid)"
    " UNION ALL SELECT y.typnamespace, y.typname, y.typowner, true FROM pg_catalog.pg_type y"
    f"  WHERE y.typrelid {EQUALS} CAST(0 AS pg_catalog.oid))"
    " SELECT n.nspname AS schema, x.name, x.is_type,"
    f" EXISTS (SELECT FROM trusted t WHERE t.oid {EQUALS} x.owner) AS trusted FROM named x"
    f" JOIN pg_catalog.pg_namespace n ON n.oid {EQUALS} x.schema"
    f" WHERE n.nspname {EQUALS} ANY (CAST(:schemas AS pg_catalog.name[]))"
)
"""Whatever a name may mean."""


@dataclass(slots=True)
class SearchPath:
    """The search path of one engine. listed: the session's own path, as it is found.

    left_out: schemas of it that are not searched, and why, in words.
    """

    listed: tuple[str, ...] | None = None
    safe: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    looked: float | None = None
    _relations: dict[str, str] = field(default_factory=dict)
    _types: dict[str, str] = field(default_factory=dict)

    def install(self, dialect: Dialect) -> None:
        """From now on statements of this dialect are printed with the schemas that are found."""
        setattr(dialect, _ATTRIBUTE, self)
        dialect.identifier_preparer.schema_for_object = self.schema_of  # type: ignore[assignment]  # None is allowed

    @property
    def is_old(self) -> bool:
        """Whether `look` is to be called before the next transaction on rows."""
        return self.looked is None or time.monotonic() - self.looked > REFRESH_SECONDS

    @property
    def sql(self) -> str:
        """The path of transactions on rows, quoted. The built-in schema is searched before it.

        Without any schema it is empty: with the temporary one alone, CREATE TABLE would make a table that is soon gone.
        """
        return ", ".join([*map(_quoted, self.safe), "pg_temp"]) if self.safe else "''"

    def found(self, listed: tuple[str, ...]) -> None:
        """The path of a new session; another one, as somebody has changed it, is looked at anew."""
        if listed != self.listed:
            self.listed, self.looked = listed, None

    def adopt(self, other: SearchPath) -> None:
        """Know what was found for another engine on the same database, as long as that is true."""
        self.listed, self.safe, self.left_out, self.looked = other.listed, other.safe, other.left_out, other.looked
        self._relations, self._types = other._relations, other._types

    def schema_of(self, item: Any) -> str | None:
        """The schema that a table, a sequence or a type is written with; None: it is found without."""
        if item.schema is not None:
            return str(item.schema)
        known = self._types if isinstance(item, TypeEngine) else self._relations
        return known.get(getattr(item, "name", None) or "")

    def look(self, connection: Connection) -> None:
        """Ask the catalogue; inside a transaction with the path `OWN_SEARCH_PATH`."""
        listed = self.listed or ()
        unsafe = _unsafe(connection, listed)
        safe = tuple(name for name in listed if name not in unsafe and not name.startswith("pg_temp"))
        found = (safe, unsafe, *_names(connection, listed, unsafe))
        # Asked anew, whatever was compiled meanwhile, by another thread for instance, may be of before.
        if self.looked is None or found != (self.safe, self.left_out, self._relations, self._types):
            self.safe, self.left_out, self._relations, self._types = found
            connection.engine.clear_compiled_cache()
        if listed:
            connection.dialect.default_schema_name = (*self.safe, *listed)[0]
        self.looked = time.monotonic()

    @property
    def tables(self) -> tuple[str, ...]:
        """Names that are found although their schema is left out."""
        return tuple(self._relations)

    def because(self, schema: str | None = None) -> str:
        """After "there is no such table": where it was not looked for, and the way out; "" when it was everywhere."""
        if schema or not self.left_out:
            return ""
        left = " and ".join(f"{one_line(name)}, as {why}" for name, why in sorted(self.left_out.items()))
        return f"; not searched: schema {left}; mend that, write the name with its schema, or see trusted_roles"


def search_path(dialect: Dialect) -> SearchPath:
    """That of the engine with this dialect; an empty one for SQLite, which has no schemas."""
    found: SearchPath = getattr(dialect, _ATTRIBUTE, None) or SearchPath()
    return found


def schema_of(dialect: Dialect, item: Any) -> str | None:
    """The schema that a table is written with in this database; None: it is found without."""
    return search_path(dialect).schema_of(item)


def _unsafe(connection: Connection, listed: tuple[str, ...]) -> dict[str, str]:
    """Schemas in which an untrusted role may create something, or has, and why, in words."""
    trusted = trusted_of(connection)
    creators = untrusted_creators(connection, listed, trusted)
    owners = untrusted_owners(connection, listed, trusted)
    held = {name: f"it holds functions or operators of {_and(roles)}" for name, roles in owners.items()}
    return held | {name: f"{_and(roles)} may create in it" for name, roles in creators.items()}


def _names(
    connection: Connection, listed: tuple[str, ...], unsafe: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Tables and types that a name without schema means, and that lie in a schema that is left out."""
    relations: dict[str, list[Row[Any]]] = {}
    types: dict[str, list[Row[Any]]] = {}
    left_out = set(unsafe)
    if left_out:
        rows = connection.execute(_NAMES, {"schemas": list(listed), "trusted": list(trusted_of(connection))}).all()
        for row in sorted(rows, key=lambda row: listed.index(row.schema)):
            (types if row.is_type else relations).setdefault(row.name, []).append(row)
    return _meant(relations, left_out), _meant(types, left_out)


def _meant(found: dict[str, list[Row[Any]]], left_out: set[str]) -> dict[str, str]:
    """What is searched needs no schema; a stranger may have put a second one before the one that is meant."""
    chosen: dict[str, str] = {}
    for name, rows in found.items():
        sure = [row for row in rows if row.trusted or row.schema not in left_out]
        first = (sure or rows)[0]
        if first.schema in left_out and (sure or len(rows) == 1):
            chosen[name] = first.schema
    return chosen


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""').replace("%", "%%")  # as `exec_driver_sql` takes it
    return f'"{escaped}"'


def _and(roles: Iterable[str]) -> str:
    """Names of roles in one line: a line feed in one would cut an error."""
    return " and ".join(map(one_line, roles))
