"""Roles with few rights, for tests of what happens then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text

from sexton.db.connect import open_database

Newcomer = Callable[..., Engine]


@pytest.fixture
def newcomer(engine: Engine) -> Iterator[Newcomer]:
    """`newcomer("GRANT SELECT ON sessions TO {role}")`: an engine of a fresh role with these rights and no others."""
    role = f"newcomer_of_{engine.url.database}"
    execute(engine, f"CREATE ROLE {role} LOGIN")
    opened: list[Engine] = []

    def admit(*grants: str) -> Engine:
        for grant in grants:
            execute(engine, grant.format(role=role))
        opened.append(open_database(engine.url.set(username=role).render_as_string(hide_password=False)))
        return opened[-1]

    yield admit
    for one in opened:
        one.dispose()
    execute(engine, f"REASSIGN OWNED BY {role} TO postgres")
    execute(engine, f"DROP OWNED BY {role}")
    execute(engine, f"DROP ROLE {role}")


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))
