"""Which way a plan is executed here, and the reason that `explain` prints."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, Index, text

from sexton import Job
from sexton.policies.contract import Policy
from sexton.statements.batch_strategy import Request
from sexton.statements.strategy_choice import Choice, choose
from tests.support.sessions import NOON, Sessions, make_sessions

DAY = timedelta(days=1)


def chosen(shop: Sessions, job: Job, *, by_row: bool = False) -> Choice:
    """The way that would be taken now."""
    work = job.load()
    assert isinstance(work, Policy)
    with shop.engine.connect() as connection:
        return choose(connection, work.plan(), Request(500, None, NOON, job.name, None), by_row=by_row)


def name(choice: Choice) -> str:
    """The class that executes it."""
    return type(choice.executor).__name__


@pytest.mark.databases("sqlite")
def test_on_sqlite_deletes_go_by_key_and_all_else_by_a_temporary_table(engine: Engine) -> None:
    shop = make_sessions(engine)

    assert [name(chosen(shop, job)) for job in (shop.purge(), shop.expire(), shop.warn())] == [
        "KeyedDelete",
        "TemporaryRows",
        "TemporaryRows",
    ]


@pytest.mark.databases("postgres")
def test_on_postgresql_what_tells_or_changes_is_picked(engine: Engine) -> None:
    shop = make_sessions(engine)

    assert [name(chosen(shop, job)) for job in (shop.expire(), shop.warn())] == ["CteBatches"] * 2


@pytest.mark.databases("postgres")
def test_a_limit_of_rows_is_never_swept(engine: Engine) -> None:
    shop = make_sessions(engine, indexed=False)

    assert name(chosen(shop, shop.purge(), by_row=True)) == "CteBatches"


@pytest.mark.databases("postgres")
def test_a_purge_without_index_sweeps_the_heap_once(engine: Engine) -> None:
    choice = chosen(shop := make_sessions(engine, indexed=False), shop.purge())

    assert name(choice) == "SweepPurge"
    assert "no index leads with expires_at" in choice.reason


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(("due", "way"), [(20, "WindowPurge"), (1600, "SweepPurge")], ids=["1 % due", "80 % due"])
def test_a_purge_by_index_depends_on_how_much_is_due(due: int, way: str, engine: Engine) -> None:
    """The planner's estimate decides, so the table has been analysed."""
    shop = make_sessions(engine)
    shop.add(due, age=DAY)
    shop.add(2000 - due, age=-30 * DAY, start=10_000)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE sessions"))

    choice = chosen(shop, shop.purge())

    assert name(choice) == way
    assert "% due, correlation" in choice.reason


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("usable", ["not valid", "partial", "second column"])
def test_an_index_that_cannot_lead_does_not_count(usable: str, engine: Engine) -> None:
    shop = make_sessions(engine, indexed=False)
    columns = shop.table.c
    with engine.begin() as connection:
        if usable == "partial":
            Index("some", columns.expires_at, postgresql_where=columns.status == "open").create(connection)
        elif usable == "second column":
            Index("some", columns.status, columns.expires_at).create(connection)
        else:
            Index("some", columns.expires_at).create(connection)
            connection.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'some'::regclass"))

    assert name(chosen(shop, shop.purge())) == "SweepPurge"
