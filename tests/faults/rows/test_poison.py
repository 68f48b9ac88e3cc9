"""Q5: the database refuses some rows. The others go on; each refused row is listed with its reason and tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from sexton import Counts
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.runs.context import Limits
from sexton.testing import preview_job, run_job
from tests.faults.database.rivals import session
from tests.support.pace import Clockwork
from tests.support.proxy import Proxy, Statement, call
from tests.support.sessions import NOON, make_sessions

HOUR = timedelta(hours=1)
BAD = (7, 23)

CHECK = "ALTER TABLE sessions ADD CONSTRAINT no_expiry CHECK (status <> 'expired' OR id NOT IN (7, 23))"

TRIGGER = {
    "sqlite": """
        CREATE TRIGGER refuse BEFORE {event} ON sessions WHEN OLD.id IN (7, 23)
        BEGIN SELECT RAISE(ABORT, 'this one stays'); END
    """,
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'this one stays' {using}; END $$;
        CREATE TRIGGER refuse BEFORE {event} ON sessions FOR EACH ROW WHEN (OLD.id IN (7, 23))
            EXECUTE FUNCTION refuse()
    """,
}

DEFERRED = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'this one stays' USING ERRCODE = 'check_violation'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE OR DELETE ON sessions DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (OLD.id IN (7, 23)) EXECUTE FUNCTION refuse()
"""


def refused_by_check(engine: Engine) -> None:
    execute(engine, CHECK)


def refused_by_trigger(engine: Engine) -> None:
    execute(engine, trigger(engine))


def refused_by_plain_raise(engine: Engine) -> None:
    """As most triggers are written: without a state, so that PostgreSQL says P0001."""
    execute(engine, trigger(engine, using=""))


def trigger(engine: Engine, using: str = "USING ERRCODE = 'check_violation'") -> str:
    return TRIGGER[engine.dialect.name].format(event="UPDATE", using=using)


def refused_by_children(engine: Engine) -> None:
    for number in BAD:
        execute(engine, f"INSERT INTO accesses (id, session_id) VALUES ({number}, {number})")


def refused_at_commit(engine: Engine) -> None:
    execute(engine, DEFERRED)


@pytest.mark.parametrize(
    ("refuse", "kind", "reason"),
    [(refused_by_trigger, "expire", "this one stays"), (refused_by_children, "purge", "foreign key")],
    ids=["trigger", "foreign key"],
)
def test_q5_two_refused_rows_stop_none_of_the_others(
    engine: Engine, refuse: Callable[[Engine], None], kind: str, reason: str
) -> None:
    two_refused_rows_stop_none_of_the_others(engine, refuse, kind, reason)


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    ("refuse", "kind", "reason"),
    [
        (refused_by_check, "expire", "no_expiry"),
        (refused_by_plain_raise, "expire", "this one stays"),
        (refused_at_commit, "expire", "this one stays"),
        (refused_at_commit, "purge", "this one stays"),
    ],
    ids=["check", "plain raise", "change at commit", "purge at commit"],
)
def test_q5_two_refused_rows_stop_none_of_the_others_on_postgresql(
    engine: Engine, refuse: Callable[[Engine], None], kind: str, reason: str
) -> None:
    two_refused_rows_stop_none_of_the_others(engine, refuse, kind, reason)


def two_refused_rows_stop_none_of_the_others(
    engine: Engine, refuse: Callable[[Engine], None], kind: str, reason: str
) -> None:
    shop = make_sessions(engine)
    shop.add(40, age=HOUR)
    refuse(engine)

    run = run_job(engine, getattr(shop, kind)(), at=NOON)

    assert (run.state, run.exit_code) == ("partial", 3)
    assert run.note == "2 rows refused and set aside"
    assert (run.total.picked, run.total.changed, run.total.poison) == (38, 38, 2)
    assert shop.ids(status="open") == [7, 23]
    assert len(shop.messages()) == run.total.told == (76 if kind == "expire" else 0)
    aside = poison(engine)
    assert [row["subject"] for row in aside] == ["23", "7"]
    assert all(reason.lower() in row["error"].lower() and "\n" not in row["error"] for row in aside)
    assert run_job(engine, getattr(shop, kind)(), at=NOON).total == Counts()


@pytest.mark.usefixtures("unhurried")
def test_q5_a_refused_row_is_found_with_few_statements_among_a_thousand(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1_000, age=HOUR)
    refused_by_trigger(engine)

    run = run_job(engine, shop.expire(), at=NOON, limits=Limits(rows=1_000))

    assert (run.total.changed, run.total.poison) == (998, 2)
    assert shop.runs()[0].batches < 60


@pytest.mark.usefixtures("no_ceiling")
def test_q5_batches_grow_again_after_a_refused_row_even_where_every_transaction_is_slow(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is slower than the aim: by this clock each takes 50 ms, whatever its size."""
    monkeypatch.setattr("sexton.runs.batches.time", Clockwork(step=0.05))
    shop = make_sessions(engine)
    shop.add(400, age=HOUR)
    refused_by_trigger(engine)

    run = run_job(engine, shop.expire(), at=NOON, limits=Limits(rows=100))

    assert (run.total.changed, run.total.poison) == (398, 2)
    assert shop.runs()[0].batches < 100


def test_q5_a_mended_row_is_taken_once_its_rest_is_over_and_forgotten(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(24, age=HOUR)
    refused_by_trigger(engine)
    run_job(engine, shop.expire(), at=NOON)
    execute(engine, "DROP TRIGGER refuse" + (" ON sessions" if engine.dialect.name == "postgresql" else ""))

    early = run_job(engine, shop.expire(), at=NOON + timedelta(minutes=59))
    late = run_job(engine, shop.expire(), at=NOON + timedelta(minutes=61))

    assert early.total == Counts()
    assert (late.state, late.total) == ("succeeded", Counts(picked=2, changed=2, told=4))
    assert shop.ids(status="open") == []
    assert poison(engine) == []


def test_q5_a_row_refused_again_rests_longer_and_at_last_waits_for_a_person(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR, start=6)
    refused_by_trigger(engine)

    seen: list[tuple[int, datetime | None]] = []
    at = NOON
    for _ in range(4):
        run = run_job(engine, shop.expire(), at=at)
        assert (run.state, run.total.poison) == ("partial", 1)
        row = poison(engine)[0]
        seen.append((row["attempts"], row["next_at"] and row["next_at"] - at))
        assert row["first_seen_at"] == NOON
        at = (row["next_at"] or at) + timedelta(seconds=1)
    after = run_job(engine, shop.expire(), at=at + timedelta(days=400))

    rests = [timedelta(hours=hours) for hours in (1, 6, 24)]
    assert seen == [(1, rests[0]), (2, rests[1]), (3, rests[2]), (4, None)]
    assert after.total == Counts()


def test_q5_when_every_row_is_refused_the_run_still_ends(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(6, age=HOUR)
    execute(engine, trigger(engine).replace("IN (7, 23)", "> 0"))

    run = run_job(engine, shop.expire(), at=NOON)

    assert (run.state, run.total) == ("partial", Counts(poison=6))
    assert shop.messages() == []


def test_q5_refused_rows_of_a_table_without_index_are_set_aside_too(engine: Engine) -> None:
    shop = make_sessions(engine, indexed=False)
    shop.add(100, age=HOUR)
    refused_by_children(engine)

    run = run_job(engine, shop.purge(), at=NOON)

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 98, 2)
    assert shop.ids() == [7, 23]


def test_q5_the_preview_knows_which_rows_rest(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(24, age=HOUR)
    refused_by_trigger(engine)
    run_job(engine, shop.expire(), at=NOON)

    assert preview_job(engine, shop.expire(), at=NOON).total.picked == 0
    assert preview_job(engine, shop.expire(), at=NOON + timedelta(hours=2)).total.picked == 2


@pytest.mark.databases("postgres")
def test_q5_an_innocent_row_is_never_set_aside_in_place_of_the_refused_one(
    engine: Engine, open_proxy: Callable[[str], Proxy]
) -> None:
    """Row 1 is locked while row 7 is refused; it is free again when the refused row is looked for."""
    shop = make_sessions(engine)
    shop.add(1, age=2 * HOUR)
    shop.add(1, age=HOUR, start=7)
    refused_by_trigger(engine)
    proxy = open_proxy(address_of(engine))
    ours = open_database(proxy.url_for(address_of(engine)))

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 1 FOR UPDATE")
        proxy.on(looks_for_the_row, call(lambda _: customer.execute("COMMIT")))
        run = run_job(ours, shop.expire(), at=NOON)
    ours.dispose()

    assert [row["subject"] for row in poison(engine)] == ["7"]
    assert (run.total.changed, run.total.poison) == (1, 1)
    assert shop.ids(status="open") == [7]


def looks_for_the_row(statement: Statement) -> bool:
    return statement.text.startswith("SELECT") and "AS subject" in statement.text


def poison(engine: Engine) -> list[dict[str, Any]]:
    """The rows that are set aside, by subject."""
    table = own_tables(engine.dialect.name).poison
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c.subject)).mappings()]


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))


def address_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)
