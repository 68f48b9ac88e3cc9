"""C9: a dry run changes nothing, needs no right but to read, and says what the run will count."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from sexton import Counts, Job, Run
from sexton.app import App
from sexton.config import Settings
from sexton.db.server_clock import ask_now
from sexton.packs.marketplace.demo import seed
from sexton.testing import preview_job, run_job
from tests.faults.database.conftest import Newcomer
from tests.support.sessions import NOON, make_sessions


def test_c9_the_whole_marketplace_is_the_same_before_and_after(engine: Engine) -> None:
    app = App(Settings(database=engine.url.render_as_string(hide_password=False), packs=("marketplace",)))
    with engine.connect() as connection:
        now = ask_now(connection)
    seed(engine, now)
    before = dump(engine)

    outcomes = [preview_job(engine, job, at=now) for job in app.registry]

    assert dump(engine) == before
    assert sum(outcome.total.picked for outcome in outcomes) > 1_000
    assert all((outcome.state, outcome.run_id) == ("succeeded", None) for outcome in outcomes)


@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_c9_the_counts_are_those_of_the_run_that_follows(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(30, age=timedelta(hours=1))
    shop.add(30, age=timedelta(hours=-2), start=101)
    job = getattr(shop, kind)()

    expected = preview_job(engine, job, at=NOON)

    assert expected.total.picked == 30
    assert run_job(engine, job, at=NOON).steps == expected.steps


def test_c9_a_function_is_told_and_cannot_write(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))
    told: list[bool] = []

    def careless(run: Run) -> Counts:
        told.append(run.dry_run)
        with run.transaction() as connection:
            return Counts(changed=connection.execute(shop.table.delete()).rowcount)

    with pytest.raises(DBAPIError, match="read"):
        preview_job(engine, Job("shop.careless", work=careless))

    assert told == [True]
    assert shop.count() == 3


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_c9_the_right_to_read_is_enough(engine: Engine, newcomer: Newcomer, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(5, age=timedelta(hours=1))
    shop.add(5, age=timedelta(hours=-2), start=101)
    reader = newcomer(
        "GRANT USAGE ON SCHEMA sexton TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA sexton TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )

    assert preview_job(reader, getattr(shop, kind)(), at=NOON).total.picked == 5


@pytest.mark.databases("postgres")
def test_c9_a_server_that_refuses_writes_can_be_asked(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(5, age=timedelta(hours=1))
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on"))
    engine.dispose()

    assert preview_job(engine, shop.expire(), at=NOON).total.picked == 5


@pytest.mark.databases("sqlite")
def test_c9_a_file_that_may_only_be_read_can_be_asked(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(5, age=timedelta(hours=1))
    before = Path(str(engine.url.database)).read_bytes()

    assert preview_job(engine, shop.expire(), at=NOON).total.picked == 5
    assert Path(str(engine.url.database)).read_bytes() == before


def dump(engine: Engine) -> list[str]:
    """Everything that the database holds, as text: rows of all tables, and where its sequences stand."""
    if engine.dialect.name == "sqlite":
        with sqlite3.connect(str(engine.url.database)) as file:
            lines = list(file.iterdump())
        file.close()
        return lines
    lines = []
    with engine.connect() as connection:
        tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'sexton')"
        for table in sorted(connection.execute(text(tables)).scalars()):
            rows = connection.execute(text(f"SELECT CAST(t AS text) FROM {table} AS t ORDER BY 1")).scalars()
            lines += [f"{table}: {row}" for row in rows]
        sequences = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
        lines += [str(tuple(row)) for row in connection.execute(text(sequences))]
    return lines
