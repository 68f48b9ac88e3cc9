"""How a procedure finds the rows of a purge: windows of an index, a sweep of the heap, or one by one (PGC-5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.support.inside import call, install
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres15")

HOUR = timedelta(hours=1)


def purged(engine: Engine, shop: Sessions) -> tuple[str, int, str | None]:
    call(engine, install(engine, shop.purge(), UNHURRIED), NOON)
    row = shop.runs()[-1]
    return row.state, row.changed, row.note


@pytest.mark.parametrize("indexed", [True, False], ids=["windows", "sweep"])
def test_pgc_5_a_purge_takes_what_is_due_and_nothing_else(engine: Engine, indexed: bool) -> None:
    shop = make_sessions(engine, indexed=indexed)
    shop.add(3_000, age=HOUR)
    shop.add(200, age=-HOUR, start=5_000)

    assert purged(engine, shop) == ("succeeded", 3_000, None)
    assert shop.ids() == list(range(5_000, 5_200))
    assert purged(engine, shop) == ("succeeded", 0, None)


@pytest.mark.parametrize("indexed", [True, False], ids=["windows", "sweep"])
def test_a_row_that_is_refused_is_set_aside_and_the_others_go(engine: Engine, indexed: bool) -> None:
    shop = make_sessions(engine, indexed=indexed)
    shop.add(1_000, age=HOUR)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO accesses VALUES (1, 700)")

    assert purged(engine, shop) == ("partial", 999, "1 row refused and set aside")
    assert shop.ids() == [700]


@pytest.mark.parametrize("indexed", [True, False], ids=["windows", "sweep"])
def test_a_locked_row_is_gone_around_and_counted(engine: Engine, indexed: bool) -> None:
    shop = make_sessions(engine, indexed=indexed)
    shop.add(500, age=HOUR)
    with engine.connect() as customer, customer.begin():
        customer.exec_driver_sql("SELECT FROM sessions WHERE id = 77 FOR UPDATE")
        said = purged(engine, shop)

    assert said == ("partial", 499, "1 row left at the end: locked by others, or due again after the change")
    assert shop.ids() == [77]
    assert purged(engine, shop) == ("succeeded", 1, None)


@pytest.mark.parametrize("indexed", [True, False], ids=["windows", "sweep"])
def test_what_a_trigger_keeps_is_said_and_the_second_time_a_failure(engine: Engine, indexed: bool) -> None:
    shop = make_sessions(engine, indexed=indexed)
    shop.add(300, age=HOUR)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER keep BEFORE DELETE ON sessions FOR EACH ROW WHEN (mod(old.id, 100) = 0)"
            " EXECUTE FUNCTION keep()"
        )

    words = "3 rows of sessions found and not deleted; see the trigger keep"
    assert purged(engine, shop) == ("partial", 297, words)
    assert purged(engine, shop)[0] == "failed"
    assert shop.runs()[-1].error == f"{words}, not for the first time"
