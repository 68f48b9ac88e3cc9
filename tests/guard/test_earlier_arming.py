"""A policy that an earlier version armed: it stays armed, and is on record as this version writes it after a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text

import sexton.db
from sexton import Guard, Job, Purge, Transition, UtcDateTime
from sexton.app import App
from sexton.clock import parse_instant
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.db.tables import own_tables
from sexton.testing import run_job

pytestmark = pytest.mark.databases("sqlite", "postgres15")

NOON = "2026-06-15T12:00:00Z"
REVISIONS = [f"{number:04}" for number in range(4, 13)]
"""Those that know arming, up to the last one whose versions wrote the earlier forms."""

VISITS = Table(
    "visits", MetaData(), Column("id", Integer, primary_key=True), Column("state", Text), Column("ends", UtcDateTime)
)
OPEN = VISITS.c.state == "open"
PYTHON = {
    "shop.purge": (Purge(VISITS, by=VISITS.c.ends, keep="1h", only=OPEN), "purge_visits", "3ac975753e50d80c"),
    "shop.close": (
        Transition(VISITS, by=VISITS.c.ends, keep="1h", only=OPEN, change={"state": "closed"}),
        "change_visits",
        "9cbc30cbf76f502d",
    ),
}
"""Jobs, the name of their step, and the digits that earlier versions printed for it, the same on both databases."""

SESSIONS: dict[str, Any] = {"purge": "sessions", "by": "ends", "unit": "s"}
FORMS = {"0004": "8a38a24b55b339b9"}
"""Digits of that policy in the first form of all."""

SECOND = "cd272a75524f1948"
"""In the form after it."""


@pytest.fixture
def engine(empty_database: str) -> Iterator[Engine]:
    """A product's table with two rows that are due, and none of ours."""
    engine = open_database(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
        connection.exec_driver_sql("INSERT INTO sessions VALUES (1, 1), (2, 2)")
    yield engine
    engine.dispose()


def armed_at(engine: Engine, revision: str, policy: str, definition: str) -> None:
    """Our tables at that revision, with what that version put on record; brought to this one."""
    postgresql = engine.dialect.name == "postgresql"
    config = Config()
    config.set_main_option("script_location", str(Path(sexton.db.__file__).parent / "migrations"))
    with engine.begin() as connection:
        if postgresql:
            connection.exec_driver_sql("CREATE SCHEMA sexton")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql(
            f"INSERT INTO {'sexton.armed' if postgresql else 'sexton_armed'}"
            f" (policy, definition, armed_at, armed_by, allowed) VALUES"
            f" ('{policy}', '{definition}', '2026-06-01 12:00:00.000000{'+00' if postgresql else ''}', 'ada', NULL)"
        )
    migrate(engine)


def on_record(engine: Engine) -> str:
    """The definition that is armed."""
    with engine.connect() as connection:
        row = connection.execute(own_tables(engine.dialect.name).armed.select()).one()
    assert row.armed_by == "ada"
    return str(row.definition)


def tidy(database: str, **more: Any) -> Job:
    """The job of the policy."""
    return App(Settings(database=database, policies={"tidy": SESSIONS | more})).registry.get("policies.tidy")


def armed_forms() -> list[tuple[str, str]]:
    """Each revision with the digits that code at it may have written."""
    return [(revision, SECOND) for revision in REVISIONS] + list(FORMS.items())


@pytest.mark.parametrize(("revision", "digits"), armed_forms())
def test_a_policy_stays_armed_from_every_revision_on(
    revision: str, digits: str, engine: Engine, empty_database: str
) -> None:
    armed_at(engine, revision, "tidy", digits)

    assert run_job(engine, tidy(empty_database), at=NOON).total.changed == 2
    assert on_record(engine).startswith("2:")
    assert on_record(engine).endswith(":0.2")

    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO sessions VALUES (3, 3)")
    loosened = run_job(engine, tidy(empty_database, max_share=0.3), at=NOON)
    assert (loosened.total.picked, loosened.total.changed) == (1, 0)
    assert "was changed since it was armed" in (loosened.note or "")
    assert run_job(engine, tidy(empty_database, max_share=0.1), at=NOON).total.changed == 1


def test_another_policy_than_the_earlier_version_armed_only_counts(engine: Engine, empty_database: str) -> None:
    armed_at(engine, "0009", "tidy", SECOND)

    outcome = run_job(engine, tidy(empty_database, boundary="<="), at=NOON)

    assert (outcome.total.picked, outcome.total.changed, on_record(engine)) == (2, 0, SECOND)


@pytest.mark.parametrize("name", PYTHON)
def test_so_does_a_policy_in_python(name: str, engine: Engine) -> None:
    work, step, digits = PYTHON[name]
    job = Job(name, work=work, guard=Guard(arm=True))
    VISITS.create(engine)
    with engine.begin() as connection:
        connection.execute(
            VISITS.insert(), [{"id": 1, "state": "open", "ends": parse_instant(NOON) - timedelta(days=1)}]
        )
    armed_at(engine, "0012", f"{name}/{step}", digits)

    assert run_job(engine, job, at=NOON).total.changed == 1
    assert on_record(engine).startswith("2:")
    loosened = run_job(engine, replace(job, guard=Guard(max_share=0.3, arm=True)), at=NOON)
    assert "was changed since it was armed" in (loosened.note or "")
    assert run_job(engine, replace(job, guard=Guard(max_share=0.1, arm=True)), at=NOON).error is None
