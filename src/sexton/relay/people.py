"""People of the product: their address, and whether they want a message, asked each time one is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Connection, MetaData, Table, select
from sqlalchemy.types import Integer, NullType, Text, Uuid

from ..errors import SettingsError, suggestion
from .messages import found_columns
from .routes import Route


@dataclass(frozen=True, slots=True)
class Person:
    """address: where they get messages; "": the recipient is the address.  refuses: the column that says no, or "".

    secrets: that sign messages to them.
    """

    address: str | None
    refuses: str
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class People:
    """A table of the product. key: what recipients are looked up by."""

    table: Table
    key: Column[Any]
    address: Column[Any] | None
    wanted: tuple[Column[Any], ...]
    secrets: tuple[Column[Any], ...] = ()

    def of(self, connection: Connection, recipients: Iterable[str]) -> Mapping[str, Person]:
        """Those of the recipients whom the table knows."""
        keys = {self._key(text): text for text in recipients}
        keys.pop(None, None)
        if not keys:
            return {}
        address = [] if self.address is None else [self.address]
        asked = select(self.key, *address, *self.wanted, *self.secrets).where(self.key.in_(list(keys)))
        found: dict[str, Person] = {}
        for row in connection.execute(asked):
            known, *rest = row
            refuses = next((column.key for column in self.wanted if not row._mapping[column]), "")
            secrets = tuple(str(row._mapping[column]) for column in self.secrets if row._mapping[column])
            found[keys[known]] = Person(rest[0] if address else "", refuses, secrets)
        return found

    def _key(self, text: str) -> Any:
        """The recipient as the column has it; None: it can be nobody's."""
        try:
            if isinstance(self.key.type, Integer):
                return int(text) if text.strip("-").isdecimal() and abs(int(text)) < 2**63 else None
            return UUID(text) if isinstance(self.key.type, Uuid) else text
        except ValueError:
            return None


def people_of(connection: Connection, route: Route) -> People:
    """The table of the route. SettingsError for a table or column that is not there."""
    where = f"route.{route.name}.people"
    found = found_columns(connection, route.people, where)
    needed = (route.people_key, *filter(None, [route.address]), *route.wanted, *route.secrets)
    for column in needed:
        if column not in found:
            raise SettingsError(f"{where}: {route.people} has no column {column!r}{suggestion(column, found)}")
    schema, _, plain = route.people.rpartition(".")
    names = dict.fromkeys(needed)
    made = [Column(name, Text() if isinstance(found[name], NullType) else found[name]) for name in names]
    table = Table(plain, MetaData(), *made, schema=schema or None)
    address = table.c[route.address] if route.address else None
    wanted, secrets = (tuple(table.c[name] for name in some) for some in (route.wanted, route.secrets))
    return People(table, table.c[route.people_key], address, wanted, secrets)
