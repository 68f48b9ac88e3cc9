"""D6 and D7: deadlocks and serialization failures, at a statement or at COMMIT, cost a second try and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, text

from sexton import Counts, Message, text_key
from sexton.db.connect import open_database
from sexton.policies.purge import Child
from sexton.testing import run_job
from tests.support.pace import UNHURRIED
from tests.support.past_runs import set_aside_rows
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, Statement, call
from tests.support.sessions import NOON, make_sessions

from .rivals import Hurried, background, session, states_seen, wait_for_a_waiter

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.usefixtures("unhurried")]

HOUR = timedelta(hours=1)

FAILS = """
CREATE SEQUENCE failures;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('failures') <= {times} THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '{state}';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON sessions DEFERRABLE INITIALLY {when}
    FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION fail();
"""
"""The first updates of session 2 fail; a sequence counts them, as it is not rolled back."""


def test_d6_a_deadlock_with_the_shop_costs_one_more_try_of_the_whole_batch(
    engine: Engine, open_proxy: Callable[[str], Proxy]
) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    with engine.begin() as connection:
        connection.execute(insert(shop.accesses), [{"id": number, "session_id": number} for number in (1, 2, 3)])
    set_for_database(engine, "deadlock_timeout", "10ms")
    gone = Message("session_gone", key=text_key("session_gone", shop.table.c.id))
    job = shop.purge(children=(Child(shop.accesses, shop.accesses.c.session_id),), tell=(gone,), lock_first=True)
    proxy = open_proxy(address_of(engine))
    ours = open_database(proxy.url_for(address_of(engine)))
    states = states_seen(ours)

    # The shop holds an access and wants its session; the batch holds the sessions and wants their accesses.
    with background() as start, session(engine) as rival, session(engine) as watcher:
        rival.execute("SET deadlock_timeout = '1h'")  # so that the victim is the batch
        rival.execute("BEGIN")
        rival.execute("SELECT FROM accesses WHERE id = 2 FOR UPDATE")
        asked: list[Future[None]] = []

        def ask_for_a_session() -> None:
            rival.execute("UPDATE sessions SET status = 'seen' WHERE id = 1")
            rival.execute("COMMIT")

        def close_the_circle(_statement: Statement) -> None:
            asked.append(start(ask_for_a_session))
            wait_for_a_waiter(watcher, "shop")

        proxy.on(
            lambda statement: is_batch(statement) and "DELETE FROM accesses" in statement.text, call(close_the_circle)
        )
        run = run_job(ours, job, at=NOON, limits=UNHURRIED)
        asked[0].result(PATIENCE)
    ours.dispose()

    assert states == ["40P01"]
    assert run.steps == {"purge_sessions": Counts(picked=3, changed=3, told=3, also={"accesses": 3})}
    # The rival may still be at its session when the batch is tried again: then that one comes last.
    assert sorted(shop.messages()) == ["session_gone:1", "session_gone:2", "session_gone:3"]
    assert shop.ids() == []


@pytest.mark.parametrize("when", ["IMMEDIATE", "DEFERRED"])
@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_d7_a_serialization_failure_is_tried_again_even_when_commit_raises_it(
    engine: Engine, when: str, state: str
) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    execute(engine, FAILS.format(times=2, state=state, when=when))
    states = states_seen(engine)

    run = run_job(engine, shop.expire(), at=NOON, limits=UNHURRIED, stop=Hurried())

    assert states == [state, state]
    assert run.state == "succeeded"
    assert run.total == Counts(picked=3, changed=3, told=6)
    assert len(shop.messages()) == 6
    assert shop.runs()[0].counts["change_sessions"] == {"picked": 3, "changed": 3, "told": 6}


def test_d7_what_never_serializes_is_the_trouble_of_its_row(engine: Engine) -> None:
    """A trigger says so, each time: after a few tries it is its row's (REP-3)."""
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    execute(engine, FAILS.format(times=1_000, state="40001", when="DEFERRED"))
    states = states_seen(engine)

    run = run_job(engine, shop.expire(), at=NOON, limits=UNHURRIED, stop=Hurried())

    assert (run.state, run.exit_code, run.total.poison) == ("partial", 3, 1)
    assert set(states) == {"40001"}
    assert {row["error"] for row in set_aside_rows(engine)} == {"40001: could not serialize access"}
    assert shop.ids(status="open") == [2]
    assert len(shop.messages()) == 4


def test_d7_a_database_that_is_serializable_by_default_changes_nothing(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    set_for_database(engine, "default_transaction_isolation", "serializable")
    execute(
        engine,
        """
        CREATE TABLE public.isolation (was text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO public.isolation VALUES (current_setting('transaction_isolation')); RETURN NULL; END $$;
        CREATE TRIGGER note AFTER UPDATE ON sessions EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON sexton.runs EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON sexton.leases EXECUTE FUNCTION note();
        """,
    )

    run = run_job(engine, shop.expire(), at=NOON)

    assert run.total == Counts(picked=3, changed=3, told=6)
    with session(engine) as reader:
        assert reader.execute("SELECT DISTINCT was FROM isolation").fetchall() == [("read committed",)]


def test_d7_a_serializable_shop_beside_us_makes_nobody_fail(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(200, age=HOUR)

    with background() as start, session(engine) as rival:
        rival.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        rival.execute("SELECT sum(id) FROM sessions")
        rival.execute("INSERT INTO sessions VALUES (1000, 'open', now(), now())")
        run = start(run_job, engine, shop.purge(), at=NOON).result(PATIENCE)
        rival.execute("COMMIT")

    assert run.total == Counts(picked=200, changed=200)
    assert shop.ids() == [1000]


def is_batch(statement: Statement) -> bool:
    return not statement.text.startswith("EXPLAIN")


def address_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))


def set_for_database(engine: Engine, name: str, value: str) -> None:
    """A setting for every session that is opened from now on."""
    execute(engine, f"ALTER DATABASE {engine.url.database} SET {name} = '{value}'")
    engine.dispose()
