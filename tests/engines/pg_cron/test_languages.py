"""Errors are told apart by what no language changes: the server may speak any, and says so in its messages (PGC-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.testing.postgres import Server
from sexton.testing.processes import spawn
from tests.support.inside import call, install
from tests.support.pace import UNHURRIED
from tests.support.require import missing
from tests.support.sessions import NOON, make_sessions

RAISES = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this one is kept' USING ERRCODE = 'lock_not_available'; END $$;
CREATE TRIGGER keep BEFORE DELETE ON sessions FOR EACH ROW WHEN (old.id = 70) EXECUTE FUNCTION keep();
"""


@pytest.fixture(params=["de", "zh_CN"])
def foreign(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> Iterator[Engine]:
    """A database on a server that speaks another language; words stand in another order in the second."""

    def spawn_there(
        command: list[str], folder: Path, log: Path, environment: dict[str, str], *others: Any
    ) -> Popen[bytes]:
        return spawn(command, folder, log, {**environment, "LANGUAGE": request.param}, *others)

    monkeypatch.setattr("sexton.testing.postgres.spawn", spawn_there)
    engine = open_database(start_server(15).url)
    migrate(engine)
    yield engine
    engine.dispose()


def words(engine: Engine, statement: str) -> str:
    """What the server says to it."""
    with engine.connect() as connection, pytest.raises(DBAPIError) as found:
        connection.exec_driver_sql(statement)
    return str(found.value.orig)


def test_pgc_5_what_a_trigger_raises_is_a_refusal_in_every_language(foreign: Engine) -> None:
    """Under whatever state: a lock that is not to be had is waited for, and this row is set aside."""
    if "syntax error" in words(foreign, "SELEKT"):
        missing("messages of PostgreSQL", "this server speaks English only; install its translations")
    shop = make_sessions(foreign)
    shop.add(100, age=NOON - NOON.replace(hour=11))
    with foreign.begin() as connection:
        connection.exec_driver_sql(RAISES)

    call(foreign, install(foreign, shop.purge(), UNHURRIED), NOON)

    row = shop.runs()[-1]
    assert (row.state, row.changed, row.note) == ("partial", 99, "1 row refused and set aside")
    assert shop.ids() == [70]
