"""A server with pg_cron, and shops on it: a database each, whose jobs PostgreSQL runs as the role that owns it all.

Fixtures: a conftest, or a test, imports `pg_cron_server` and `shop` from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text

from sexton import Job
from sexton.app import App
from sexton.config import JobSettings, Settings
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.jobs.job import IN_DATABASE
from sexton.testing.postgres import Server

from .databases import Databases
from .require import missing

MAJOR = 15
RIGHTS = (
    "GRANT USAGE ON SCHEMA cron TO {role}",
    "GRANT EXECUTE ON FUNCTION cron.schedule_in_database(text, text, text, text, text, boolean) TO {role}",
)
TABLES = """
CREATE TABLE public.codes (id bigint PRIMARY KEY, expires_at timestamptz NOT NULL);
CREATE TABLE public.carts (id bigint PRIMARY KEY, touched_at timestamptz NOT NULL);
"""
POLICIES: dict[str, dict[str, object]] = {
    "codes": {
        "purge": "public.codes",
        "by": "expires_at",
        "kind": "deadline",
        "schedule": "0 6 * * *",
        "timezone": "Asia/Jerusalem",
    },
    "carts": {"purge": "public.carts", "by": "touched_at", "keep": "7d", "schedule": "*/5 * * * *"},
}

_NUMBERS = count(1)


def start_pg_cron(databases: Databases, *, extension: bool = True) -> Server:
    """A server whose database `postgres` may have pg_cron, and has it. The caller stops it."""
    if not (Path("/usr/lib/postgresql") / str(MAJOR) / "lib" / "pg_cron.so").exists():
        missing("pg_cron", "no such extension; run: make services")
    server = databases.start(
        MAJOR,
        shared_preload_libraries="pg_cron",
        cron__database_name="postgres",
        cron__use_background_workers="on",
        max_worker_processes="20",
    )
    if extension:
        as_superuser(server.url, "CREATE EXTENSION pg_cron")
    return server


def as_superuser(url: str, *statements: str) -> list[Any]:
    """Execute each by itself; the rows of the last."""
    engine = open_database(url)
    rows: list[Any] = []
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                result = connection.execute(text(statement.replace(":", "\\:")))
                rows = [*result] if result.returns_rows else []
    finally:
        engine.dispose()
    return rows


class CronShop:
    """One database on the server. role: who owns it and the jobs.  app: made anew by `settle`."""

    def __init__(self, server: Server, name: str, role: str) -> None:
        self.server, self.name, self.role = server, name, role
        self.url = make_url(server.url_of(name)).set(username=role).render_as_string(hide_password=False)
        self.superuser_url = server.url_of(name)
        self.app = self.settle()

    def settle(self, *, policies: dict[str, dict[str, object]] | None = None, **settings: Any) -> App:
        """An app on these settings, in the place of the one before."""
        if hasattr(self, "app"):
            self.app.database.dispose()
        chosen: dict[str, Any] = {"engine": IN_DATABASE, "policies": POLICIES if policies is None else policies}
        chosen |= {"job": {"sexton.housekeeping": JobSettings(engine="worker")}} | settings
        self.app = App(Settings(database=self.url, **chosen))
        return self.app

    def add(self, *jobs: Job) -> None:
        """Jobs of code, given to PostgreSQL."""
        for job in jobs:
            self.app.registry.add(replace(job, engine=IN_DATABASE))

    def do(self, *statements: str) -> list[Any]:
        """As a superuser in this database."""
        return as_superuser(self.superuser_url, *statements)

    def cron(self, *statements: str) -> list[Any]:
        """As a superuser where pg_cron is."""
        return as_superuser(self.server.url, *statements)

    @property
    def database(self) -> Engine:
        """As the role of the jobs."""
        return self.app.database

    def close(self) -> None:
        """End its connections, and forget it."""
        self.app.database.dispose()
        self.cron("SELECT 1")
        if as_superuser(self.server.url, "SELECT 1 FROM pg_extension WHERE extname = 'pg_cron'"):
            self.cron(f"DELETE FROM cron.job WHERE username = '{self.role}'")
        self.server.drop_database(self.name)
        self.cron(f"REASSIGN OWNED BY {self.role} TO postgres", f"DROP OWNED BY {self.role}", f"DROP ROLE {self.role}")


@contextmanager
def new_shop(server: Server, *, rights: bool = True) -> Iterator[CronShop]:
    """A shop with tables, and Sexton's; rights: its role may schedule. Gone afterwards, its role too."""
    number = next(_NUMBERS)
    name, role = f"shop_{number}", f"keeper_{number}"
    server.create_database(name)
    as_superuser(server.url, f"CREATE ROLE {role} LOGIN", f"ALTER DATABASE {name} OWNER TO {role}")
    if rights:
        as_superuser(server.url, *(right.format(role=role) for right in RIGHTS))
    shop = CronShop(server, name, role)
    try:
        migrate(shop.database)
        with shop.database.begin() as connection:
            connection.exec_driver_sql(TABLES)
        yield shop
    finally:
        shop.close()


@pytest.fixture(scope="session")
def pg_cron_server(databases: Databases) -> Iterator[Server]:
    """The shared one of a test process; a test restarts only servers of its own."""
    with start_pg_cron(databases) as server:
        yield server


@pytest.fixture
def shop(pg_cron_server: Server) -> Iterator[CronShop]:
    """A database whose jobs are given to PostgreSQL: policies `codes` and `carts`."""
    with new_shop(pg_cron_server) as made:
        yield made
