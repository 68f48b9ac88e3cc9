"""A fleet of merchants on one server: a database each, with sessions of which some are due, and one job over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, Text, func, insert, select

from sexton import Job, Purge, UtcDateTime, cron
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.identity import take_in
from sexton.testing.postgres import Server

INSTALLATION = "tests"
DUE = 3
"""Sessions of each merchant that are due; as many are not."""

Number = BigInteger().with_variant(Integer(), "sqlite")
sessions = Table(
    "sessions",
    MetaData(),
    Column("id", Number, primary_key=True),
    Column("status", Text),
    Column("expires_at", UtcDateTime, index=True),
)

PURGE = Purge(sessions, by=sessions.c.expires_at, keep="0s", kind="deadline", name="sessions")


def purge_job(name: str = "shop.purge_sessions", **options: Any) -> Job:
    """The job of all merchants; due each minute. options: of `Job`."""
    return Job(name, **{"schedule": cron("* * * * *"), "work": PURGE, "guard": None, **options})


def fill(engine: Engine) -> None:
    """The product's table, and rows in it."""
    now = datetime.now(UTC)
    rows = [{"status": "open", "expires_at": now - timedelta(hours=1)}] * DUE
    rows += [{"status": "open", "expires_at": now + timedelta(days=9)}] * DUE
    with engine.begin() as connection:
        sessions.metadata.create_all(connection)
        connection.execute(insert(sessions), rows)


def left(url: str) -> int:
    """Sessions that are still there."""
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(sessions)).scalar_one())
    finally:
        engine.dispose()


class MerchantFleet:
    """Databases on one server, and a home database beside them. All are dropped at the end."""

    def __init__(self, server: Server, prefix: str) -> None:
        self.server = server
        self._prefix = prefix
        self._template = f"{prefix}_template"
        self._made: list[str] = []
        self.home_url = self._create(f"{prefix}_home")
        self.home = open_database(self.home_url)
        migrate(self.home)
        self.databases: dict[str, FleetDatabase] = {}
        template = open_database(self._create(self._template))
        migrate(template)
        fill(template)
        template.dispose()

    def open(self, names: Iterable[str], **changes: Any) -> None:
        """MerchantFleet of these names. changes: of `FleetDatabase`."""
        for name in names:
            url = self._create(f"{self._prefix}_{name}", self._template)
            self.databases[name] = self.taken_in(name, url, **changes)

    def taken_in(self, name: str, url: str, **changes: Any) -> FleetDatabase:
        """A database that is there, as one of the fleet."""
        place = f"127.0.0.1:{self.server.port}"
        values = {"secret": None, "server": place, "labels": {}, "state": DatabaseState.ACTIVE, **changes}
        database = FleetDatabase(name, url, **values)
        engine = open_database(url)
        with engine.begin() as connection:
            take_in(connection, database, INSTALLATION)
        engine.dispose()
        return database

    def name_of(self, name: str) -> str:
        """Of its database on the server."""
        return f"{self._prefix}_{name}"

    @contextmanager
    def session(self, name: str = "home") -> Iterator[psycopg.Connection[Any]]:
        """A session of ours with one of them, in autocommit."""
        with psycopg.connect(self.url(name), autocommit=True, connect_timeout=60) as connection:
            yield connection

    def url(self, name: str) -> str:
        """As libpq takes it."""
        return self.server.url_of(self.name_of(name)).replace("+psycopg", "")

    def say(self, name: str, statement: str, *names: str) -> None:
        """One statement in one of them; each {} is the next name, quoted."""
        with self.session(name) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def has_a_past(self, name: str, job: str) -> None:
        """In this database the job has been known for two years, and home knows that something is due there."""
        past = "UPDATE sexton.schedules SET seen_at = seen_at - interval '2 years', expression_since = NULL"
        with self.session(name) as session:
            session.execute(f"{past} WHERE job = %s", (job,))
        with self.session() as home:
            home.execute("UPDATE sexton.fleet_jobs SET next_at = now() WHERE database = %s AND job = %s", (name, job))

    def write_list(self, path: Path, databases: Iterable[FleetDatabase]) -> None:
        """The fleet as a file that `[fleet] file` names."""
        import json

        lines = (
            {"name": one.name, "url": one.address, "labels": dict(one.labels), "state": str(one.state)}
            for one in databases
        )
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def close(self) -> None:
        """Drop all."""
        self.home.dispose()
        for name in self._made:
            self.server.drop_database(name)

    def _create(self, name: str, template: str | None = None) -> str:
        self._made.append(name)
        return self.server.create_database(name, template)
