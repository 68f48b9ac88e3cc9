"""Q7: rows that others point at. A reference without an index is named before the run; a slow batch is cut short."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Index, MetaData, Table, insert, text

from sexton import Job, Purge, UtcDateTime
from sexton.db.column_types import BigKey
from sexton.doctor.inspection import job_warnings
from sexton.policies.purge import Child
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.runs.sizing import MAX_BATCH_SECONDS
from sexton.testing import preview_job, run_job
from tests.support.pace import limits_sent
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", None])
def test_q7_a_reference_without_index_is_named(engine: Engine, action: str | None) -> None:
    parents, _ = make_tree(engine, action, indexed=False)

    warnings = [warning for warning in job_warnings(engine, purge(parents)) if "would keep" not in warning]

    assert len(warnings) == 1
    assert "each delete reads all of leaves" in warnings[0]
    assert "(tree_id)" in warnings[0]


def test_q7_a_reference_with_index_needs_no_warning(engine: Engine) -> None:
    parents, _ = make_tree(engine, "CASCADE", indexed=True)

    assert job_warnings(engine, purge(parents)) == []


def test_q7_only_a_delete_looks_for_children(engine: Engine) -> None:
    shop = make_sessions(engine, indexed=False)

    assert not any("accesses" in warning for warning in job_warnings(engine, shop.expire()))
    assert any("accesses" in warning for warning in job_warnings(engine, shop.purge()))


@pytest.mark.databases("postgres")
def test_q7_rows_that_are_slow_to_delete_go_in_batches_of_bounded_time(engine: Engine) -> None:
    trees, _ = make_tree(engine, "CASCADE", indexed=True)
    slow_to_delete(engine, milliseconds=10)
    plant(engine, trees, 40)
    rows = [0]

    def watch(_step: str, counts: Counts) -> None:
        rows.append(counts.changed)

    run = run_job(engine, purge(trees), at=NOON, limits=Limits(rows=40, statement=PATIENCE), watch=watch)

    assert (run.state, run.total.changed) == ("succeeded", 40)
    assert max(after - before for before, after in pairwise(rows)) * 0.010 < MAX_BATCH_SECONDS


@pytest.mark.databases("postgres")
def test_q7_rows_slower_than_any_batch_may_be_still_go_one_by_one(engine: Engine) -> None:
    trees, _ = make_tree(engine, "CASCADE", indexed=True)
    slow_to_delete(engine, milliseconds=300)
    plant(engine, trees, 2)

    run = run_job(engine, purge(trees), at=NOON, limits=Limits(rows=2, statement=PATIENCE))

    assert (run.state, run.total.changed) == ("succeeded", 2)


@pytest.mark.databases("postgres")
def test_q7_a_row_slower_than_a_statement_may_be_fails_with_the_step_named(engine: Engine) -> None:
    """The trigger ends the statement as its time limit would: what is over at once in a test, is on a busy machine."""
    trees, _ = make_tree(engine, "CASCADE", indexed=True)
    on_delete(engine, "PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(600)")
    plant(engine, trees, 1)
    sent = limits_sent(engine)

    run = run_job(engine, purge(trees), at=NOON, limits=Limits(rows=2, statement=PATIENCE))

    assert (run.state, run.exit_code) == ("failed", 1)
    assert run.error is not None
    assert "purge_trees" in run.error
    assert max(statement for _, statement in sent) == PATIENCE, "the server ends what takes longer"


def test_q7_children_named_in_the_policy_go_first_and_are_counted(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(4, age=HOUR)
    with engine.begin() as connection:
        connection.execute(
            insert(shop.accesses), [{"id": number, "session_id": 1 + number % 3} for number in range(1, 10)]
        )
    job = shop.purge(children=(Child(shop.accesses, shop.accesses.c.session_id),))

    expected = preview_job(engine, job, at=NOON)
    run = run_job(engine, job, at=NOON)

    assert run.total == expected.total == Counts(picked=4, changed=4, also={"accesses": 9})
    assert (shop.count(), shop.count(shop.accesses)) == (0, 0)


def make_tree(engine: Engine, action: str | None, *, indexed: bool) -> tuple[Table, Table]:
    """Trees with an age, and leaves that point at them."""
    metadata = MetaData()
    trees = Table("trees", metadata, Column("id", BigKey, primary_key=True), Column("died_at", UtcDateTime))
    reference = ForeignKey("trees.id", ondelete=action)
    leaves = Table("leaves", metadata, Column("id", BigKey, primary_key=True), Column("tree_id", BigKey, reference))
    Index("trees_died", trees.c.died_at, trees.c.id)
    if indexed:
        Index("leaves_tree", leaves.c.tree_id)
    metadata.create_all(engine)
    return trees, leaves


def plant(engine: Engine, trees: Table, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(insert(trees), [{"id": n, "died_at": NOON - HOUR * n} for n in range(1, number + 1)])


def slow_to_delete(engine: Engine, milliseconds: int) -> None:
    """Each tree takes this long to go, as it would with a reference that has no index."""
    on_delete(engine, f"PERFORM pg_sleep({milliseconds / 1000})")


def on_delete(engine: Engine, does: str) -> None:
    """A statement of PL/pgSQL for each tree that goes."""
    with engine.begin() as connection:
        connection.execute(
            text(
                f"""
                CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN {does}; RETURN OLD; END $$;
                CREATE TRIGGER linger BEFORE DELETE ON trees FOR EACH ROW EXECUTE FUNCTION linger()
                """
            )
        )


def purge(trees: Table) -> Job:
    return Job("wood.purge", work=Purge(trees, by=trees.c.died_at, keep="0s", kind="deadline"))
