"""How a procedure finds the rows of a purge: windows of an index, a sweep of the heap, or one by one (PGC-5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Text, insert, select

from sexton import Job, Transition, UtcDateTime
from sexton.slots.history import history
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


def test_rows_of_a_composite_key_are_locked_first_and_asked_about_again(engine: Engine) -> None:
    """Their keys stand in one array for each column; the rows are those of the pairs, and no others."""
    seats = Table(
        "seats",
        MetaData(),
        Column("hall", Text, primary_key=True),
        Column("seat", BigInteger, primary_key=True, autoincrement=False),
        Column("status", Text),
        Column("until", UtcDateTime),
    )
    seats.create(engine)
    due = {("east", 1), ("east", 2), ("west", 2), ("west", 3), ('{odd,"hall', 1)}
    every_one = {(hall, seat) for hall, _ in due for seat in (1, 2, 3)}
    with engine.begin() as connection:
        for hall, seat in sorted(every_one):
            until = NOON - HOUR if (hall, seat) in due else NOON + HOUR
            connection.execute(insert(seats).values(hall=hall, seat=seat, status="held", until=until))
    held = seats.c.status == "held"
    work = Transition(seats, {"status": "free"}, only=held, by=seats.c.until, kind="deadline", lock_first=True)
    job = Job("hall.free", work=work)
    procedure = install(engine, job, UNHURRIED, most=2)

    assert call(engine, procedure, NOON) is None

    assert "unnest(v_among0_0, v_among0_1)" in procedure.body
    with engine.connect() as connection:
        free = connection.execute(select(seats.c.hall, seats.c.seat).where(seats.c.status == "free"))
        assert {(row.hall, row.seat) for row in free} == due
    with engine.connect() as connection:
        assert [(run.state, run.total.changed) for run in history(connection)] == [("succeeded", 5)]
