"""What was done since midnight: added up right, once, whatever was read before, and never less."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from sexton import App
from sexton.clock import parse_instant
from sexton.config import Settings
from sexton.db.tables import own_tables
from sexton.telemetry.counters import BUCKETS, MAX_COUNTED_WAITING, CounterReader, CounterValues, JobCounters
from sexton.testing import run_job
from tests.support.past_runs import add_runs, at, run_row

NAMES = ("shop.a", "shop.b")


def read(engine: Engine, now: datetime, tally: CounterReader | None = None) -> CounterValues:
    """The tallies of both jobs."""
    with engine.connect() as connection:
        return (tally or CounterReader(NAMES)).read(connection, now)


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[str]]:
    """The statements that the engine has sent so far."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def test_pf_136_6_adds_up_the_runs_of_the_day(engine: Engine) -> None:
    add_runs(
        engine,
        run_row("shop.a", "succeeded", at("00:10"), 0.2, missed=3),
        run_row("shop.a", "partial", at("01:10"), 4.0),
        run_row("shop.a", "failed", at("02:10"), 7.0),
        run_row("shop.a", "timed_out", at("03:10"), 240.0),
        run_row("shop.a", "abandoned", at("04:10"), 9999.0),
        run_row("shop.a", "cancelled", at("04:20"), 3.0),
        run_row("shop.a", "skipped", at("04:30"), 0.0, missed=2),
        run_row("shop.a", "running", at("04:40")),
        run_row("shop.b", "succeeded", at("05:00"), 5000.0),
        run_row("shop.gone", "succeeded", at("05:00")),
    )

    tallies = read(engine, at("12:00"))

    a, b = tallies.jobs["shop.a"], tallies.jobs["shop.b"]
    assert (a.successes, a.failures, a.missed, a.timed) == (2, 3, 5, 4)
    assert a.seconds == pytest.approx(251.2, abs=0.01)
    assert dict(zip(BUCKETS, a.buckets, strict=True)) == {
        **dict.fromkeys((0.05, 0.1), 0),
        **dict.fromkeys((0.25, 0.5, 1.0, 2.5), 1),
        5.0: 2,
        **dict.fromkeys((10.0, 30.0, 60.0, 120.0), 3),
        **dict.fromkeys((300.0, 600.0, 1800.0, 3600.0), 4),
    }
    assert (b.timed, b.buckets, b.successes) == (1, [0] * len(BUCKETS), 1)
    assert tallies.since == at("00:00")
    assert set(tallies.jobs) == set(NAMES)


def test_rows_are_added_up_over_steps_and_runs(engine: Engine) -> None:
    expire = {"picked": 7, "changed": 5, "told": 4, "skipped": 2, "also": {"items": 9}}
    add_runs(
        engine,
        run_row("shop.a", "succeeded", at("01:00"), counts={"expire": expire, "purge": {"picked": 1, "changed": 1}}),
        run_row("shop.a", "partial", at("11:30"), counts={"expire": expire}),
        run_row("shop.a", "succeeded", at("11:31"), counts={}),
    )

    a = read(engine, at("12:00")).jobs["shop.a"]

    assert (a.picked, a.changed, a.told, a.skipped) == (15, 11, 8, 4)


def test_a_run_counts_on_the_day_on_which_it_ended(engine: Engine) -> None:
    midnight = at("00:00")
    add_runs(
        engine,
        run_row("shop.a", "succeeded", midnight - timedelta(seconds=2), 1.999),
        run_row("shop.b", "succeeded", midnight - timedelta(seconds=2), 2.0),
    )

    tallies = read(engine, midnight + timedelta(minutes=1))

    assert (tallies.jobs["shop.a"].successes, tallies.jobs["shop.b"].successes) == (0, 1)


def test_a_clock_that_was_set_back_makes_no_sum_smaller(engine: Engine) -> None:
    add_runs(engine, run_row("shop.a", "succeeded", at("02:00"), -1800.0), run_row("shop.a", "succeeded", at("02:00")))

    assert read(engine, at("12:00")).jobs["shop.a"].seconds == pytest.approx(1.0, abs=0.01)


def test_what_is_kept_from_before_changes_no_figure(engine: Engine) -> None:
    """One that reads all day long says the same as one that begins now; runs end between its readings."""
    keeping = CounterReader(NAMES)
    for hour in range(14):
        for minute in (0, 29, 59):
            add_runs(
                engine,
                run_row("shop.a", "succeeded", at(f"{hour:02}:{minute:02}"), 59.999, counts={"s": {"picked": 1}}),
            )
            kept = read(engine, at(f"{hour:02}:{minute:02}:59.9999"), keeping)
    now = at("13:59:59.9999")

    assert (kept.jobs["shop.a"].successes, kept.jobs["shop.a"].picked) == (42, 42)
    assert read(engine, now, keeping) == read(engine, now) == read(engine, now, keeping)


def test_x9_hours_that_are_long_over_are_read_once(engine: Engine, asked: list[str]) -> None:
    """However many runs a day has, a scrape looks at those of the last two hours."""
    keeping = CounterReader(NAMES)
    read(engine, at("22:30"))  # its first transaction has looked at the search path
    asked.clear()
    read(engine, at("22:30"), keeping)
    whole_day = len(asked)
    asked.clear()
    read(engine, at("22:30:15"), keeping)

    assert whole_day - len(asked) == 3 * 21


def test_counters_start_anew_at_midnight(engine: Engine) -> None:
    keeping = CounterReader(NAMES)
    add_runs(engine, run_row("shop.a", "succeeded", at("12:00")))
    assert read(engine, at("23:59"), keeping).jobs["shop.a"].successes == 1

    tomorrow = parse_instant("2026-06-16T00:01Z")

    assert read(engine, tomorrow, keeping).jobs["shop.a"] == JobCounters()


def test_housekeeping_with_the_shortest_keeping_takes_nothing_from_the_day(database: str, engine: Engine) -> None:
    """Deleting old runs must never look like a counter that was set back, or like a burst of runs."""
    retention = Settings().retention
    shortest = {"runs": "1d", "failed_runs": "1d"}
    kept = type(retention)(**{name: shortest.get(name, getattr(retention, name)) for name in retention.__slots__})
    app = App(Settings(database=database, retention=kept))
    late = at("23:59:59")
    yesterday = late - timedelta(days=1, minutes=5)
    add_runs(
        engine,
        *(run_row("shop.a", state, yesterday) for state in ("succeeded", "failed")),
        *(run_row("shop.a", state, at("00:00"), 0.001) for state in ("succeeded", "failed")),
    )
    before = read(engine, late).jobs["shop.a"]

    run = run_job(engine, app.registry.get("sexton.housekeeping"), at=late)

    assert run.total.changed == 2
    assert read(engine, late).jobs["shop.a"] == before


def test_pf_140_messages_that_are_stuck(engine: Engine) -> None:
    """Tried five times, or older than a day; published ones do not wait at all."""
    now = at("12:00")
    events = own_tables(engine.dialect.name).outbox_events
    ages = [(0, 4, False), (25, 0, False), (23, 5, False), (30, 9, False), (24, 0, False), (99, 9, True)]
    rows: list[dict[str, Any]] = [
        {
            "key": f"k{number}",
            "event_type": "order_expired",
            "payload": {},
            "created_at": now - timedelta(hours=age),
            "attempt_count": attempts,
            "published_at": now if published else None,
        }
        for number, (age, attempts, published) in enumerate(ages)
    ]
    assert (read(engine, now).waiting, read(engine, now).stuck) == (0, 0)
    with engine.begin() as connection:
        connection.execute(insert(events), rows)

    tallies = read(engine, now)

    assert (tallies.waiting, tallies.stuck) == (5, 3)


def test_what_waits_is_counted_by_job(engine: Engine) -> None:
    """Queued runs, rows set aside, open incidents; of jobs that are known."""
    own = own_tables(engine.dialect.name)
    now = at("12:00")
    poison = {"step": "s", "error": "23514", "attempts": 1, "first_seen_at": now, "last_seen_at": now}
    incident = {"text": "late", "opened_at": now, "told_at": now}
    with engine.begin() as connection:
        connection.execute(insert(own.runs), [run_row(job, "queued", now) for job in ("shop.a", "shop.gone")])
        connection.execute(insert(own.runs), [run_row("shop.a", "running", now)])
        rows = [{"job": job, "subject": str(number)} for number, job in enumerate(("shop.a", "shop.b", "shop.b"))]
        connection.execute(insert(own.poison), [poison | row for row in rows])
        kinds = [("shop.b", "late", None), ("shop.b", "failing", None), ("shop.a", "late", now), ("gone", "late", None)]
        connection.execute(
            insert(own.incidents),
            [incident | {"job": job, "kind": kind, "closed_at": closed} for job, kind, closed in kinds],
        )

    tallies = read(engine, now)

    assert tallies.queued == {"shop.a": 1}
    assert tallies.poison == {"shop.a": 1, "shop.b": 2}
    assert tallies.incidents == {"shop.b": 2}


@pytest.mark.databases("sqlite")
def test_x9_a_flood_is_counted_up_to_a_limit(engine: Engine) -> None:
    events = own_tables(engine.dialect.name).outbox_events
    row = {"event_type": "x", "payload": {}, "created_at": at("12:00"), "attempt_count": 7}
    with engine.begin() as connection:
        connection.execute(insert(events), [row | {"key": str(number)} for number in range(MAX_COUNTED_WAITING + 5)])

    tallies = read(engine, at("12:00"))

    assert (tallies.waiting, tallies.stuck) == (MAX_COUNTED_WAITING, MAX_COUNTED_WAITING)
