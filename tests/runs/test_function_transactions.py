"""What functions do to their transactions: what was committed is counted, the run is closed, whatever it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from sexton import Counts, Job, Run
from sexton.errors import DatabaseUnreachable, JobFailed, LeaseLost
from sexton.runs.stop_signals import Stop, on_signals
from sexton.testing import preview_job, run_job
from tests.support.database_checks import is_free
from tests.support.patience import PATIENCE
from tests.support.sessions import Sessions, make_sessions

pytestmark = pytest.mark.databases("sqlite", "postgres15")

LEFT: list[Callable[[], object]] = []
"""Ways to end what a function forgot to let go of, and held as a module of a product would."""


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE odd (id int)"))
    return make_sessions(engine)


def rows_in(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM odd")).scalar_one())


def add(connection: Connection, *ids: int) -> None:
    for number in ids:
        connection.execute(text(f"INSERT INTO odd (id) VALUES ({number})"))


def early(run: Run) -> None:
    with run.transaction() as connection:
        add(connection, 1, 2)
        connection.commit()


def early_and_on(run: Run) -> None:
    with run.transaction() as connection:
        add(connection, 1, 2)
        connection.commit()
        add(connection, 3)


def given_up(run: Run) -> None:
    with run.transaction() as connection:
        add(connection, 1)
        connection.rollback()


def statement(run: Run, words: str) -> None:
    with run.transaction() as connection:
        add(connection, 1)
        connection.execute(text(words))
        add(connection, 2)


def swallowed(run: Run) -> None:
    """SQLite: a conflict that ends the whole transaction, so that each statement would commit by itself."""
    with run.transaction() as connection:
        connection.execute(text("CREATE TABLE one (id int PRIMARY KEY)"))
        add(connection, 1)
        if connection.dialect.name == "sqlite":
            connection.execute(text("INSERT INTO one VALUES (1)"))
            with pytest.raises(Exception, match="UNIQUE"):
                connection.execute(text("INSERT OR ROLLBACK INTO one VALUES (1)"))
        else:
            connection.connection.rollback()
        add(connection, 2)


def nested(run: Run) -> None:
    with run.transaction() as connection:
        add(connection, 1)
        with run.transaction() as other:
            add(other, 2)


def by_orm(run: Run) -> None:
    with run.transaction() as connection, Session(connection) as session:
        session.execute(text("INSERT INTO odd (id) VALUES (1)"))
        session.commit()


def by_savepoints(run: Run) -> None:
    with run.transaction() as connection:
        add(connection, 1)
        point = connection.begin_nested()
        add(connection, 2, 3)
        point.rollback()
        with connection.begin_nested():
            add(connection, 4)


def odd_words(run: Run) -> None:
    with run.transaction() as connection:
        connection.execute(text("/* app */ INSERT INTO odd (id) VALUES (1)"))
        connection.execute(text("-- app\nWITH x AS (SELECT 2 AS y) INSERT INTO odd (id) SELECT y FROM x"))
        connection.execute(text("WITH x AS (SELECT 9 AS y) DELETE FROM odd WHERE id IN (SELECT y FROM x)"))


def forgotten(run: Run) -> None:
    stack = ExitStack()
    LEFT.append(stack.close)
    add(stack.enter_context(run.transaction()), 1)


def in_a_thread(run: Run) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        with run.transaction() as connection:
            add(connection, 1)
            begun.set()
            go.wait(PATIENCE)

    def let_go() -> None:
        go.set()
        thread.join(PATIENCE)  # it ends with an error, which would else be one of the next test

    thread = threading.Thread(target=hold, daemon=True)
    LEFT.append(let_go)
    thread.start()
    assert begun.wait(PATIENCE)


def forked(run: Run) -> None:
    """A script that forks, and whose child ends as a script does."""
    with run.transaction() as connection:
        add(connection, 1)
        child = os.fork()
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        raise KeyError("of the child")
    os.waitpid(child, 0)


DONE: dict[str, tuple[Callable[[Run], None], str, int, str]] = {
    "early": (early, "succeeded", 2, ""),
    "early and on": (early_and_on, "failed", 2, "closed transaction"),
    "given up": (given_up, "succeeded", 0, ""),
    "COMMIT": (partial(statement, words="COMMIT"), "failed", 0, "a statement inside it must not"),
    "comment": (partial(statement, words="/* x */ -- y\n commit"), "failed", 0, "a statement inside it must not"),
    "ROLLBACK": (partial(statement, words="ROLLBACK"), "failed", 0, "a statement inside it must not"),
    "END": (partial(statement, words="END"), "failed", 0, "a statement inside it must not"),
    "swallowed": (swallowed, "failed", 0, "a statement inside it must not"),
    "nested": (nested, "failed", 0, "inside another one"),
    "ORM": (by_orm, "succeeded", 1, ""),
    "savepoints": (by_savepoints, "succeeded", 2, ""),
    "odd words": (odd_words, "succeeded", 2, ""),
    "forgotten": (forgotten, "failed", 0, "left a transaction open"),
    "in a thread": (in_a_thread, "failed", 0, "left a transaction open"),
    "forked": (forked, "succeeded", 1, ""),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", DONE)
def test_what_was_committed_is_counted_and_the_run_is_closed(engine: Engine, shop: Sessions, name: str) -> None:
    work, state, rows, words = DONE[name]

    outcome = run_job(engine, Job("shop.odd", work=work))

    assert (outcome.state, words in (outcome.error or "")) == (state, True), outcome.error
    assert outcome.total.changed == rows_in(engine) == rows
    assert [(run.state, next(iter(run.counts.values()))["changed"]) for run in shop.runs()] == [(state, rows)]
    assert is_free(engine, "shop.odd")
    while LEFT:
        with suppress(Exception):  # its connection is closed
            LEFT.pop()()


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    "words", ["SET default_transaction_read_only = on", "SET search_path = nowhere", "SET TIME ZONE 3"]
)
def test_what_a_function_does_to_its_session_is_not_the_next_one_s(engine: Engine, shop: Sessions, words: str) -> None:
    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(text(words))

    assert run_job(engine, Job("shop.odd", work=work)).state == "succeeded"
    assert run_job(engine, Job("shop.fine", work=early)).state == "succeeded"
    assert rows_in(engine) == 2


def test_functions_of_one_name_are_counted_each(engine: Engine, shop: Sessions) -> None:
    def count(run: Run, rows: int) -> Counts:
        return Counts(changed=rows)

    job = Job("shop.twice", work=[partial(count, rows=1), partial(count, rows=2)])

    assert {step: counts.changed for step, counts in run_job(engine, job).steps.items()} == {
        "function": 1,
        "function 2": 2,
    }
    assert preview_job(engine, job).total.changed == 3


@pytest.mark.parametrize("error", [DatabaseUnreachable("no answer"), LeaseLost("no lease")])
def test_an_error_that_says_nothing_can_be_recorded_is_not_believed(
    engine: Engine, shop: Sessions, error: Exception
) -> None:
    """Raised by the code of others, about another database; ours answers."""

    def work(run: Run) -> None:
        raise error

    outcome = run_job(engine, Job("shop.odd", work=work))

    assert (outcome.state, outcome.error) == ("cancelled", str(error))
    assert [run.state for run in shop.runs()] == ["cancelled"]
    assert is_free(engine, "shop.odd")


def test_a_function_that_came_to_its_end_is_not_done_again_because_of_a_signal(engine: Engine, shop: Sessions) -> None:
    stop = Stop()

    def work(run: Run) -> None:
        early(run)
        os.kill(os.getpid(), signal.SIGTERM)
        while not stop.asked:
            pass

    with on_signals(stop):
        outcome = run_job(engine, Job("shop.odd", work=work), stop=stop)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 2)


def test_a_function_that_keeps_the_signal_to_itself_has_not_come_to_its_end(engine: Engine, shop: Sessions) -> None:
    stop = Stop()

    def work(run: Run) -> None:
        stop.ask("stopped by SIGTERM")
        try:
            early(run)
        except Exception:
            return

    assert run_job(engine, Job("shop.odd", work=work), stop=stop).state == "cancelled"


def test_after_the_function_no_transaction_is_begun(engine: Engine, shop: Sessions) -> None:
    kept: list[Run] = []
    run_job(engine, Job("shop.odd", work=kept.append))

    with pytest.raises(Exception, match="after the function has come to its end"):
        early(kept[0])

    assert rows_in(engine) == 0


def test_a_dry_run_does_not_end_as_if_all_were_well(engine: Engine) -> None:
    with pytest.raises(JobFailed, match="leave: SystemExit: 0"):
        preview_job(engine, Job("shop.odd", work=leave))


def leave(run: Run) -> None:
    sys.exit(0)
