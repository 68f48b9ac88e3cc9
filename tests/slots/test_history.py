"""Reading the run table: order, limits, types; and housekeeping that keeps it small."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, insert

from sexton import Counts, Job, cron
from sexton.db.tables import own_tables
from sexton.runs.runner import planned
from sexton.slots.due import due_runs
from sexton.slots.history import history, notices, one, set_aside
from sexton.slots.housekeeping import steps
from sexton.testing import run_job
from tests.support.past_runs import add_runs, database_time, first_seen, run_row
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEEP = {
    "runs": "90d",
    "failed_runs": "365d",
    "effects": "400d",
    "outbox": "30d",
    "poison": "400d",
    "incidents": "400d",
    "tracebacks": "30d",
    "dead_requests": "30d",
    "request_counts": "30d",
}


def test_the_newest_run_comes_first_and_the_limit_is_kept(engine: Engine) -> None:
    shop = make_sessions(engine)
    for job in (shop.expire(), shop.purge(), shop.expire()):
        run_job(engine, job, at=NOON)

    with engine.connect() as connection:
        newest = [(past.id, past.job) for past in history(connection, limit=2)]
        of_one = [past.id for past in history(connection, job="shop.expire_sessions")]

    assert newest == [(3, "shop.expire_sessions"), (2, "shop.purge_sessions")]
    assert of_one == [3, 1]


def test_a_run_is_read_back_as_it_was(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    outcome = run_job(engine, shop.expire(), at=NOON, slot=NOON - HOUR, definition="abc")
    assert outcome.run_id is not None

    with engine.connect() as connection:
        past = one(connection, outcome.run_id)
        nothing = one(connection, 999)

    assert past is not None
    assert nothing is None
    assert (past.job, past.slot, past.attempt, past.state) == ("shop.expire_sessions", NOON - HOUR, 1, "succeeded")
    assert (past.as_of, past.definition, past.error) == (NOON, "abc", None)
    assert past.steps == {"change_sessions": Counts(picked=3, changed=3, told=6)} == outcome.steps
    assert past.total == Counts(picked=3, changed=3, told=6)
    assert past.seconds is not None
    assert 0 <= past.seconds < PATIENCE


def test_a_run_under_way_has_no_length_yet(engine: Engine) -> None:
    seen: list[float | None] = []

    def look(run: object) -> None:
        with engine.connect() as connection:
            seen.append(history(connection)[0].seconds)

    run_job(engine, Job("shop.look", work=look))

    assert seen == [None]


def test_rows_set_aside_are_listed_by_job(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=HOUR)
    with engine.begin() as connection:
        connection.execute(insert(shop.accesses).values(session_id=1))
    run_job(engine, shop.purge(), at=NOON)

    with engine.connect() as connection:
        assert [row["subject"] for row in set_aside(connection, "shop.purge_sessions")] == ["1"]
        assert set_aside(connection, "shop.expire_sessions") == []


def test_notices_are_counted_by_event_with_one_example(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    run_job(engine, shop.expire(), at=NOON)

    with engine.connect() as connection:
        counts, examples = notices(connection)

    assert counts == {"session_expired": 6}
    assert examples == [("session_expired", None, {"id": 1})]


def test_housekeeping_keeps_failures_longer_and_effects_longest(engine: Engine) -> None:
    """Run at three later times; effects are the memory that keeps a second notice from being sent."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    run_job(engine, shop.expire())
    run_job(engine, Job("shop.fails", work=lambda run: 42))
    housekeeping = Job("sexton.housekeeping", work=steps(KEEP, engine.dialect.name, with_outbox=True))
    now = shop.runs()[0].started_at

    def kept(days: int) -> tuple[set[str], int]:
        assert run_job(engine, housekeeping, at=now + days * DAY).state == "succeeded"
        return {run.job for run in shop.runs()} - {"sexton.housekeeping"}, len(shop.effects())

    assert kept(89) == ({"shop.expire_sessions", "shop.fails"}, 2)
    assert kept(91) == ({"shop.fails"}, 2)
    assert kept(366) == (set(), 2)
    assert len(shop.messages()) == 2, "never published, so never purged"


def test_rep_17_housekeeping_keeps_the_run_by_which_a_rare_job_is_known_to_be_done(engine: Engine) -> None:
    """Else a yearly job would run again as soon as its last run is forgotten, and be late until then."""
    yearly = Job("shop.yearly", schedule=cron("0 4 1 1 *"), work=print)
    assert yearly.schedule is not None
    seen = database_time(engine) - 800 * DAY
    slots = [slot := yearly.schedule.next(seen), yearly.schedule.next(slot)]
    add_runs(engine, *(run_row(yearly.name, "succeeded", at, slot=at) for at in slots))
    first_seen(engine, seen, yearly)
    housekeeping = Job("sexton.housekeeping", work=steps(KEEP, engine.dialect.name, with_outbox=True))

    assert run_job(engine, housekeeping, at=slots[1] + 100 * DAY).state == "succeeded"

    with engine.begin() as connection:
        assert [run.slot for run in history(connection, job=yearly.name)] == [slots[1]]
        assert due_runs(connection, [yearly], slots[1] + 101 * DAY) == []
        assert due_runs(connection, [yearly], slots[1] + 367 * DAY) != []


def test_housekeeping_leaves_a_run_that_is_under_way(engine: Engine) -> None:
    shop = make_sessions(engine)
    housekeeping = Job("sexton.housekeeping", work=steps(KEEP, engine.dialect.name, with_outbox=True))

    run_job(engine, housekeeping, at=NOON + 10_000 * DAY)

    assert [run.state for run in shop.runs()] == ["succeeded"]


def test_promise_12_housekeeping_keeps_every_table_of_ours_small(engine: Engine) -> None:
    """Each of our tables that grows with time has a step; leases, schedules, armed have a row a job, archives a
    row a file that somebody may look for, watermarks a row a roll-up, identity has one row, databases one a database
    of the fleet, slots and windows lose those past when new ones are written."""
    own = own_tables(engine.dialect.name)
    swept = {plan.table.name for plan in planned(Job("j", work=steps(KEEP, engine.dialect.name, with_outbox=True)))}
    grows = {table.name for table in own.metadata.sorted_tables} - {
        own.leases.name,
        own.schedules.name,
        own.armed.name,
        own.archives.name,
        own.watermarks.name,
        own.identity.name,
        own.slots.name,
        own.windows.name,
        own.databases.name,
    }

    assert swept == grows
