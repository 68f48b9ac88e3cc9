"""Whether a database is the one that was taken in: copies of every sort are told, until they are adopted (B.2)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from sexton.db.connect import open_database
from sexton.db.database_identity import identity
from sexton.db.migrate import migrate
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.identity import IdentityDiffers, adopt, confirm_identity, take_in
from sexton.testing.postgres import Server

SHOP = FleetDatabase("shop", "postgresql://db1/shop", None, "db1:5432", {}, DatabaseState.ACTIVE)


def taken_in(engine: Engine) -> str:
    """Take it in as the shop of production; its id."""
    with engine.begin() as connection:
        take_in(connection, SHOP, "production")
        return identity(connection)


def why_not(connection: Connection, database: FleetDatabase = SHOP, installation: str = "production") -> str:
    """What differs; "": nothing."""
    try:
        confirm_identity(connection, database, installation)
    except IdentityDiffers as error:
        return str(error)
    return ""


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine, for a while."""
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def test_nobody_is_taken_in_by_itself(engine: Engine) -> None:
    with engine.begin() as connection:
        before = identity(connection)
        assert why_not(connection) == "shop was not taken into the fleet yet; run: sexton fleet migrate"
        assert take_in(connection, SHOP, "production")
        assert not take_in(connection, SHOP, "production")
        assert why_not(connection) == ""
        assert identity(connection) == before


def test_another_name_or_installation_is_told_and_adopted(engine: Engine) -> None:
    other = replace(SHOP, name="other")
    first = taken_in(engine)
    with engine.begin() as connection:
        assert not take_in(connection, other, "staging")
        assert why_not(connection, other, "staging") == (
            "it was taken in as shop; it belongs to installation production, and this is staging. "
            "Nothing runs in other until: sexton fleet adopt other"
        )
        new = adopt(connection, other, "staging")
        assert (why_not(connection, other, "staging"), new == first) == ("", False)
        assert why_not(connection).startswith("it was taken in as other; it belongs to installation staging")


@pytest.mark.databases("sqlite")
def test_a_copy_of_a_sqlite_file_is_told(engine: Engine, tmp_path: Path) -> None:
    taken_in(engine)
    engine.dispose()
    copy = tmp_path / "copy.db"
    shutil.copyfile(str(engine.url.database), copy)

    with opened(f"sqlite:///{copy}") as other, other.connect() as connection:
        assert "restored, copied, moved or upgraded" in why_not(connection)


@pytest.mark.databases("postgres")
def test_a_dump_that_is_restored_on_another_server_is_told(
    engine: Engine, server: Server, start_server: Callable[..., Server]
) -> None:
    """bikebrigade/dispatch#52, parabol#7818: what was restored for a test wrote to the real people in it."""
    first = taken_in(engine)
    restored = start_server(server.version)
    dump = _program(server, "pg_dump", "--format=custom", f"--dbname={_plain(str(engine.url))}")
    url = restored.create_database("restored")
    _program(server, "pg_restore", f"--dbname={_plain(url)}", given=dump)

    with opened(url) as other, other.connect() as connection:
        assert identity(connection) == first
        assert "restored, copied, moved or upgraded" in why_not(connection)


@pytest.mark.databases("postgres")
def test_a_disk_that_is_copied_is_told_by_the_installation_alone(
    server: Server, start_server: Callable[..., Server]
) -> None:
    """pg_shardman#4: the copy has the same identifier, so the environment of its machine has to tell."""
    original, copy = start_server(server.version), start_server(server.version)
    with opened(original.create_database("shop")) as engine:
        migrate(engine)
        taken_in(engine)
    original.shut_down()
    copy.shut_down()
    shutil.rmtree(copy.data)
    subprocess.run(["cp", "-a", str(original.data), str(copy.data)], check=True)
    copy.boot()

    with opened(copy.url_of("shop")) as engine, engine.connect() as connection:
        assert why_not(connection) == ""
        assert why_not(connection, installation="staging").startswith("it belongs to installation production")


def _program(server: Server, name: str, *words: str, given: bytes | None = None) -> bytes:
    """What a program of PostgreSQL prints."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    command = [str(server.programs / name), *words]
    return subprocess.run(command, input=given, env=environment, check=True, capture_output=True).stdout


def _plain(url: str) -> str:
    """As libpq has it."""
    return url.replace("+psycopg", "")
