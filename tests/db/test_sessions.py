"""What every transaction on PostgreSQL begins with, whatever a role or a database has set."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text

from sexton.db.connect import open_database, read_only
from sexton.db.sessions import own_tables_only


@pytest.mark.databases("postgres")
def test_no_statement_is_compiled(engine: Engine) -> None:
    """On a server with LLVM, `sexton check` of 30 jobs took 48 s instead of 0.7: 1.5 s for a look at the catalogue."""
    name = engine.url.database
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET jit = on"))
        connection.execute(text(f"ALTER DATABASE {name} SET jit_above_cost = 0"))
    ours = open_database(engine.url.render_as_string(hide_password=False))

    def setting(connection: Connection) -> str:
        return str(connection.scalar(text("SHOW jit")))

    with ours.begin() as connection:
        assert setting(connection) == "off"
    with own_tables_only(ours) as connection:
        assert setting(connection) == "off"
    with read_only(ours) as connection:
        assert setting(connection) == "off"
    with ours.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert setting(connection) == "on"  # so the test would see it
    ours.dispose()
