"""A run from claim to close: what it counts, what it leaves behind, how it ends."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sexton import Counts, Job, PolicyError, Run
from sexton.testing import preview_job, run_job
from tests.support.sessions import NOON, make_sessions


def test_deletes_what_is_due_and_nothing_else(engine: Engine) -> None:
    """ORA-BP.7"""
    shop = make_sessions(engine)
    shop.one(1, NOON - timedelta(microseconds=1))
    shop.one(2, NOON)
    shop.one(3, NOON + timedelta(microseconds=1))
    shop.one(4, None)

    run = run_job(engine, shop.purge(), at=NOON)

    assert (run.state, run.exit_code) == ("succeeded", 0)
    assert run.steps["purge_sessions"] == Counts(picked=1, changed=1)
    assert shop.ids() == [2, 3, 4]


def test_tells_each_once_in_order_and_not_again(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))

    first, second = run_job(engine, shop.expire(), at=NOON), run_job(engine, shop.expire(), at=NOON)

    assert first.total == Counts(picked=3, changed=3, told=6)
    assert second.total == Counts()
    expected = [f"session_expired:{number}:{who}" for number in (1, 2, 3) for who in ("owner", "admin")]
    assert shop.messages() == expected
    assert shop.effects() == sorted(expected)


def test_the_preview_counts_what_the_run_then_does(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(40, age=timedelta(days=2))
    for job in (shop.expire(), shop.warn(), shop.purge()):
        expected = preview_job(engine, job, at=NOON)
        assert run_job(engine, job, at=NOON).steps == expected.steps


def test_a_function_runs_in_fenced_transactions_and_returns_counts(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=timedelta(days=1))

    def forget(run: Run) -> Counts:
        with run.transaction() as connection:
            return Counts(changed=connection.execute(shop.table.delete()).rowcount)

    run = run_job(engine, Job("shop.forget", work=forget), at=NOON)

    assert run.steps == {"forget": Counts(changed=2)}
    assert shop.ids() == []


def test_an_error_in_a_function_fails_the_run_in_one_line(engine: Engine) -> None:
    def broken(run: Run) -> None:
        raise KeyError("no such thing\nsecond line")

    run = run_job(engine, Job("shop.broken", work=broken))

    assert (run.state, run.exit_code) == ("failed", 1)
    assert run.error is not None
    assert "\n" not in run.error


def test_work_that_is_no_policy_is_refused_before_anything_starts(engine: Engine) -> None:
    with pytest.raises(PolicyError, match="neither a policy nor a function"):
        run_job(engine, Job("shop.odd", work=[42]))
