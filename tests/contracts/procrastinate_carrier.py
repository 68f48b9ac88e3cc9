"""Procrastinate in the suite about carried runs: its broker is a schema of the same database."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.engines.procrastinate.schema import bring_up_to_date


class ProcrastinateCarrier:
    """Its executors end with their worker, which sees the end of each."""

    name = "procrastinate"
    outlives = False
    watched = True

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def set_up(self, folder: Path) -> tuple[str, dict[str, str]]:
        """Its tables. Skips the test on SQLite, where there is no such engine."""
        database = tomllib.loads((folder / "sexton.toml").read_text())["database"]
        if database.startswith("sqlite"):
            pytest.skip("Procrastinate keeps its messages in PostgreSQL")
        self._engine = open_database(database)
        bring_up_to_date(self._engine, "procrastinate")
        return "", {}

    def stop_broker(self) -> None:
        """The schema is not found."""
        self._do("ALTER SCHEMA procrastinate RENAME TO away")

    def start_broker(self, *, wiped: bool) -> None:
        """It is back."""
        if wiped:
            self._do("TRUNCATE away.procrastinate_jobs CASCADE")
        self._do("ALTER SCHEMA away RENAME TO procrastinate")

    def _do(self, statement: str) -> None:
        assert self._engine is not None
        with self._engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Give the connections back."""
        if self._engine is not None:
            self._engine.dispose()
