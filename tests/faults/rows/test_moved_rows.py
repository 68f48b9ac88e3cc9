"""REP-22: rows that somebody moves behind a run, to where it has been, are found at its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from sexton import Job
from sexton.run_counts import Counts
from sexton.runs.batches import Batches
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.runs.runner import planned
from sexton.statements.batch_strategy import Request
from sexton.statements.strategy_choice import choose
from sexton.testing import run_job
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.databases("postgres15")


def made(engine: Engine, *, indexed: bool, rows: int = 16_000) -> Sessions:
    """Sessions that are over, but for the first 2,000 rows of the heap, whose place a vacuum has made free."""
    shop = make_sessions(engine, indexed=indexed)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sessions (id, status, expires_at, created_at) SELECT n, 'open',"
                " CAST(:at AS timestamptz) - interval '2 days' + n * interval '1 second', CAST(:at AS timestamptz)"
                f" FROM generate_series(1, {rows}) n"
            ),
            {"at": NOON},
        )
        connection.execute(text("DELETE FROM sessions WHERE id <= 2000"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE sessions"))
    return shop


def ran(shop: Sessions, job: Job, does: str, *, once: bool = True) -> Outcome:
    """Run it; after the first batch, or each, a neighbour does this."""
    done: list[int] = []

    def neighbour(_step: str, counts: Counts) -> None:
        if done and once:
            return
        done.append(counts.changed)
        with shop.engine.begin() as connection:
            connection.execute(text(does))

    return run_job(shop.engine, job, at=NOON, limits=Limits(batch=0.002), watch=neighbour)


def way(shop: Sessions) -> str:
    """How the rows are deleted."""
    (plan,) = planned(shop.purge())
    with shop.engine.connect() as connection:
        return choose(connection, plan, Request(500, None, NOON, "j", None)).reason


LAST = "(SELECT id FROM sessions ORDER BY id DESC LIMIT 50)"


@pytest.mark.parametrize("indexed", [True, False], ids=["with an index", "without"])
def test_rep_22_rows_that_moved_behind_a_sweep_go_too(indexed: bool, engine: Engine) -> None:
    shop = made(engine, indexed=indexed)
    assert "swept" in way(shop)

    run = ran(shop, shop.purge(), f"UPDATE sessions SET status = 'seen' WHERE id IN {LAST}")

    assert shop.ids() == []
    assert (run.state, run.total.changed, run.total.skipped) == ("succeeded", 14_000, 0)


def test_rep_22_rows_that_moved_beyond_the_last_block_go_too(engine: Engine) -> None:
    """Without room before it, an update puts them behind the block that was the last when the sweep began."""
    shop = made(engine, indexed=False)
    with engine.begin() as connection:
        more = "SELECT -id, status, expires_at, created_at FROM sessions WHERE id <= 4000"
        connection.execute(text(f"INSERT INTO sessions {more}"))

    run = ran(shop, shop.purge(), "UPDATE sessions SET status = 'seen' WHERE id > 5000")

    assert (run.state, shop.ids()) == ("succeeded", [])


def test_rep_22_a_time_that_was_changed_to_before_the_window_is_found(engine: Engine) -> None:
    shop = made(engine, indexed=True)
    with engine.begin() as connection:  # a tenth is due: windows by the index
        connection.execute(text("UPDATE sessions SET expires_at = expires_at + interval '9 days' WHERE id > 5000"))
        connection.execute(text("ANALYZE sessions"))
    assert "windows" in way(shop)

    run = ran(
        shop,
        shop.purge(),
        "UPDATE sessions SET expires_at = expires_at - interval '1 year'"
        " WHERE id IN (SELECT id FROM sessions WHERE id <= 5000 ORDER BY id DESC LIMIT 50)",
    )

    assert (run.state, run.total.changed) == ("succeeded", 3000)
    assert min(shop.ids()) == 5001


def test_rep_22_a_neighbour_that_never_rests_does_not_keep_the_run_for_ever(engine: Engine) -> None:
    """After a few sweeps what is still there is counted, and the run is not one that has taken all."""
    shop = made(engine, indexed=False, rows=5000)

    run = ran(
        shop,
        shop.purge(),
        "INSERT INTO sessions SELECT coalesce(max(id), 0) + 1, 'open', '2026-01-01', '2026-01-01' FROM sessions",
        once=False,
    )

    assert run.state in ("partial", "succeeded")
    assert (run.state == "partial") == bool(shop.ids()), run


def test_rep_22_nobody_looks_again_when_nobody_wrote(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = made(engine, indexed=False)
    again: list[int] = []
    monkeypatch.setattr(Batches, "go_again", lambda _batches: again.append(1))

    run = run_job(engine, shop.purge(), at=NOON)

    assert (run.state, run.total.changed, again) == ("succeeded", 14_000, [])
