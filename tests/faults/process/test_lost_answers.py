"""P4: the connection breaks around a COMMIT while the process lives: the outcome is looked up, never guessed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, text

from sexton import Counts, Job, Run
from sexton.db.connect import open_database
from sexton.errors import DatabaseUnreachable
from sexton.testing import run_job
from tests.support.children import SMALL
from tests.support.database_checks import assert_expired_once, is_free, let_leases_end, states
from tests.support.pace import RunClock
from tests.support.proxy import CUT, CUT_AFTER, MUTE, Proxy, Statement
from tests.support.proxy_actions import Action
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres")

HOUR = timedelta(hours=1)
OpenProxy = Callable[[str], Proxy]

CLAIM = "INSERT INTO sexton.runs"
PREPARE = "SELECT sexton.poison.job"
BATCH = "UPDATE sexton.runs SET batches"
HEALED = "DELETE FROM sexton.poison"
FINISH = "UPDATE sexton.runs SET state"


def commit_after(words: str, time: int = 1) -> Callable[[Statement], bool]:
    """The COMMIT of the `time`th transaction whose last statement begins with these words."""
    before: list[str] = [""]
    seen: list[int] = [0]

    def condition(statement: Statement) -> bool:
        last, before[0] = before[0], statement.text
        if statement.text == "COMMIT" and last.lstrip().startswith(words):
            seen[0] += 1
            return seen[0] == time
        return False

    return condition


@contextmanager
def through(proxy: Proxy, database: str) -> Iterator[Engine]:
    """An engine that goes through the proxy."""
    engine = open_database(proxy.url_for(database))
    yield engine
    engine.dispose()


def assert_all_is_exact(shop: Sessions, ids: list[int], counted: Counts) -> None:
    """Rows, effects, messages; and the counts in the answer and in the run row say the same."""
    assert_expired_once(shop, ids)
    assert counted == Counts(picked=len(ids), changed=len(ids), told=2 * len(ids))
    kept = shop.runs()[-1]
    assert kept.counts == {"change_sessions": counted.as_json()}
    assert kept.state == "succeeded"


@pytest.mark.parametrize("fate", [CUT, CUT_AFTER], ids=["never executed", "executed"])
@pytest.mark.parametrize(
    ("words", "time"),
    [(PREPARE, 1), (BATCH, 1), (BATCH, 2), (HEALED, 1), (FINISH, 1)],
    ids=["prepare", "first batch", "second batch", "healed", "finish"],
)
def test_p4_connection_cut_at_a_commit(
    words: str, time: int, fate: Action, engine: Engine, database: str, open_proxy: OpenProxy
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    proxy.on(commit_after(words, time), fate)

    with through(proxy, database) as breaking:
        run = run_job(breaking, shop.expire(), at=NOON, slot=NOON, limits=SMALL)

    assert (run.state, run.exit_code) == ("succeeded", 0)
    assert_all_is_exact(shop, ids, run.total)
    assert is_free(engine, "shop.expire_sessions")


@pytest.mark.parametrize("fate", [CUT, CUT_AFTER], ids=["never executed", "executed"])
def test_p4_connection_cut_at_the_commit_of_the_claim(
    fate: Action, engine: Engine, database: str, open_proxy: OpenProxy
) -> None:
    """Nothing was started, so it says so; a claim that did arrive is a lease, and ends by itself."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    proxy.on(commit_after(CLAIM), fate)

    with through(proxy, database) as breaking, pytest.raises(DatabaseUnreachable):
        run_job(breaking, shop.expire(), at=NOON, slot=NOON, limits=SMALL)
    let_leases_end(engine)
    again = run_job(engine, shop.expire(), at=NOON, slot=NOON, limits=SMALL)

    assert_all_is_exact(shop, ids, again.total)
    assert states(shop) == (["succeeded"] if fate is CUT else ["abandoned", "succeeded"])


def test_p4_answer_to_a_commit_held_back_and_then_lost(engine: Engine, database: str, open_proxy: OpenProxy) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    commit = commit_after(BATCH)

    def cut_soon(statement: Statement) -> bool:
        found = commit(statement)
        if found:
            threading.Timer(0.1, proxy.cut).start()
        return found

    proxy.on(cut_soon, MUTE)

    with through(proxy, database) as breaking:
        run = run_job(breaking, shop.expire(), at=NOON, slot=NOON, limits=SMALL)

    assert_all_is_exact(shop, ids, run.total)


@pytest.mark.usefixtures("no_ceiling")
def test_p4_commit_that_still_runs_when_the_connection_breaks(
    engine: Engine, database: str, open_proxy: OpenProxy
) -> None:
    """The server finishes a COMMIT although its client is gone; asked too early, it would say "not committed"."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    slow_commit_once(engine)
    proxy = open_proxy(database)
    commit = commit_after(BATCH)

    def cut_while_it_runs(statement: Statement) -> bool:
        if commit(statement):
            threading.Timer(0.1, proxy.cut).start()
        return False

    proxy.on(cut_while_it_runs, CUT)

    with through(proxy, database) as breaking:
        run = run_job(breaking, shop.expire(), at=NOON, slot=NOON, limits=SMALL)

    assert_all_is_exact(shop, ids, run.total)


def slow_commit_once(engine: Engine) -> None:
    """The COMMIT that changes session 1 takes half a second: a deferred trigger sleeps in it."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER nap AFTER UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW WHEN (old.id = 1) EXECUTE FUNCTION nap()"
            )
        )


@pytest.mark.parametrize("fate", [CUT, CUT_AFTER], ids=["never executed", "executed"])
@pytest.mark.usefixtures("no_ceiling")
def test_p4_connection_cut_at_the_commit_that_sets_a_row_aside(
    fate: Action, engine: Engine, database: str, open_proxy: OpenProxy
) -> None:
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    with engine.begin() as connection:
        connection.execute(insert(shop.accesses).values(session_id=7))
    proxy = open_proxy(database)
    setting_aside: list[int] = []

    def commit_of_it(statement: Statement) -> bool:
        if statement.text.startswith("INSERT INTO sexton.poison"):
            setting_aside.append(statement.number)
        return bool(setting_aside) and statement.text == "COMMIT"

    proxy.on(commit_of_it, fate)

    with through(proxy, database) as breaking:
        run = run_job(breaking, shop.purge(), at=NOON, limits=SMALL)

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 19, 1)
    assert shop.ids() == [7]
    assert shop.runs()[0].counts["purge_sessions"]["poison"] == 1


@pytest.mark.databases("postgres18")
def test_p4_server_that_stays_away_ends_the_run_in_bounded_time(
    engine: Engine, database: str, open_proxy: OpenProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks again until the job's timeout, then says that it does not know; the next run finds out."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    commit = commit_after(BATCH)
    clock = RunClock(monkeypatch)
    monkeypatch.setattr(
        "sexton.runs.transaction_retries.MAX_TRANSACTION_RETRIES", 1000
    )  # nothing but its timeout ends it

    def gone_for_good(statement: Statement) -> bool:
        found = commit(statement)
        if found:
            proxy.refuse()
            clock.forward(3600)
        return found

    proxy.on(gone_for_good, CUT_AFTER)

    with through(proxy, database) as breaking:
        run = run_job(breaking, replace(shop.expire(), timeout="1h"), at=NOON, slot=NOON, limits=SMALL)
    clock.forward(-3600)
    let_leases_end(engine)
    again = run_job(engine, shop.expire(), at=NOON, slot=NOON)

    assert (run.state, run.exit_code) == ("unreachable", 69)
    assert again.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@pytest.mark.parametrize("fate", [CUT, CUT_AFTER], ids=["never executed", "executed"])
def test_rep_29_a_commit_of_a_function_is_looked_up_too(
    fate: Action, engine: Engine, database: str, open_proxy: OpenProxy
) -> None:
    """Executed: the function goes on. Not executed: the slot is taken up again, and nothing is counted."""
    shop = make_sessions(engine)
    ids = shop.add(5, age=HOUR)
    proxy = open_proxy(database)
    proxy.on(commit_after(BATCH), fate)

    def forget(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(shop.table.delete())

    with through(proxy, database) as behind:
        outcome = run_job(behind, Job("shop.forget", work=forget), slot=NOON)

    executed = fate is CUT_AFTER
    assert outcome.state == ("succeeded" if executed else "cancelled")
    assert outcome.total.changed == len(ids) - len(shop.ids()) == (5 if executed else 0)
    assert shop.runs()[-1].counts == {"forget": outcome.total.as_json()}
