"""A PostgreSQL database with people of several rights: the role of the jobs, and those who would misuse it.

    def test_x(town): town.role("mallory"); town.do("CREATE TABLE …", who="mallory")

Roles belong to the whole server: each town has its own, gone with its database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from sqlalchemy import Engine, make_url, text

from sexton.db.connect import open_database
from sexton.db.render import for_driver

from .databases import Databases

_NUMBERS = count(1)


class Town:
    """A database of its own, and roles in it. `superuser` owns it all at first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = make_url(url).database or ""
        self.superuser = open_database(url)
        self.roles: list[str] = []
        self._engines: dict[str, Engine] = {}
        self._number = next(_NUMBERS)

    def role(self, name: str, options: str = "") -> str:
        """A new role that may log in, named like this and a number; its name."""
        role = f"{name} {self._number}"
        self.do(f"CREATE ROLE {quoted(role)} LOGIN {options}")
        self.roles.append(role)
        return role

    def url_of(self, role: str) -> str:
        """The URL by which it logs in."""
        return make_url(self.url).set(username=role).render_as_string(hide_password=False)

    def engine(self, role: str) -> Engine:
        """An engine of its own, as Sexton opens it."""
        if role not in self._engines:
            self._engines[role] = open_database(self.url_of(role))
        return self._engines[role]

    def do(self, *statements: str, who: str | None = None) -> None:
        """Execute as a role, by default as the superuser."""
        with (self.superuser if who is None else self.engine(who)).begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(for_driver(statement, connection.dialect))

    def ask(self, statement: str, who: str | None = None) -> object:
        """The one value that a query answers."""
        with (self.superuser if who is None else self.engine(who)).begin() as connection:
            return connection.execute(text(statement.replace(":", "\\:"))).scalar()

    def close(self) -> None:
        """End the connections, so that the database can go."""
        for engine in (self.superuser, *self._engines.values()):
            engine.dispose()


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def new_town(databases: Databases, kind: str, *, migrated: bool = False) -> Iterator[Town]:
    """A town; its database and its roles are gone afterwards."""
    roles: list[str] = []
    with databases.fresh(kind, migrated=migrated) as url:
        town = Town(url)
        roles = town.roles
        try:
            yield town
        finally:
            town.close()
    server = open_database(databases.server(kind).url)
    with server.begin() as connection:
        for role in reversed(roles):
            connection.exec_driver_sql(for_driver(f"DROP ROLE {quoted(role)}", connection.dialect))
    server.dispose()
