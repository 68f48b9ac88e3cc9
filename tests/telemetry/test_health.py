"""How the jobs are: last runs, failures in a row, lateness and what is allowed of it, the leader."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton import Job, Misfire, cron, every, parse_backoff
from sexton.slots import schedule_overrides
from sexton.telemetry.health import Health, JobHealth, read_health
from tests.support.past_runs import add_lease, add_runs, at, database_time, first_seen, run_row

HOURLY = Job("shop.hourly", schedule=every("1h"), work=print)
DAILY = Job("shop.daily", schedule=cron("0 4 * * *"), work=print)
HOUR = 3600.0


def read(engine: Engine, now: datetime, *jobs: Job) -> Health:
    """Health of these jobs."""
    with engine.connect() as connection:
        return read_health(connection, jobs or (HOURLY,), now)


def one(engine: Engine, now: str, job: Job = HOURLY) -> JobHealth:
    """Health of one job at a time of 15 June."""
    return read(engine, at(now), job).jobs[0]


def done(engine: Engine, slot: str, state: str = "succeeded", *, job: str = HOURLY.name, **more: Any) -> None:
    """A run for a slot, which began a minute after it."""
    add_runs(engine, run_row(job, state, at(slot) + timedelta(minutes=1), slot=at(slot), **more))


def test_ora_mon_1_tells_the_last_run_of_a_job(engine: Engine) -> None:
    """Last start, last success, how it ended, how long it took, the rows that it changed, the next slot."""
    counts = {"expire": {"picked": 7, "changed": 5, "told": 4}, "purge": {"picked": 2, "changed": 2, "told": 0}}
    done(engine, "10:00", counts=counts)
    done(engine, "11:00", "failed", seconds=2.5)

    job = one(engine, "11:30")

    assert (job.state, job.seconds, job.rows, job.failures) == ("failed", 2.5, 0, 1)
    assert (job.last_start, job.last_success) == (at("11:01"), at("10:01:01"))
    assert (job.next_slot, job.lateness) == (at("12:00"), 0.0)
    assert one(engine, "10:30", replace(HOURLY, name="shop.other")).last_start is None


def test_rows_are_those_that_all_steps_of_the_last_run_changed(engine: Engine) -> None:
    done(engine, "10:00", counts={"a": {"picked": 7, "changed": 5, "told": 4}, "b": {"changed": 2}})

    assert one(engine, "10:30").rows == 7


@pytest.mark.parametrize(
    ("states", "failures"),
    [
        (["failed"], 1),
        (["succeeded", "failed", "timed_out", "abandoned"], 3),
        (["failed", "succeeded"], 0),
        (["failed", "partial"], 0),
        (["succeeded", "failed", "cancelled", "failed"], 2),
        (["succeeded", "failed", "running"], 1),
        (["succeeded", "failed", "skipped", "queued"], 1),
        ([], 0),
    ],
)
def test_failures_in_a_row(states: list[str], failures: int, engine: Engine) -> None:
    """Since the last success; what a person or a deploy stopped says nothing, and what never started neither."""
    rows = [run_row(HOURLY.name, state, at(f"{hour:02}:00")) for hour, state in enumerate(states)]
    if rows:
        add_runs(engine, *rows)

    assert one(engine, "23:00").failures == failures


def test_a_run_that_never_started_is_not_the_last_run(engine: Engine) -> None:
    done(engine, "10:00")
    done(engine, "11:00", "skipped")
    add_runs(engine, run_row(HOURLY.name, "queued", at("11:05")))

    assert (one(engine, "11:30").state, one(engine, "11:30").last_start) == ("succeeded", at("10:01"))


def test_lateness_is_the_age_of_the_oldest_slot_that_nobody_began(engine: Engine) -> None:
    done(engine, "10:00")

    assert [one(engine, now).lateness for now in ("10:59", "11:00", "11:20", "14:20")] == [0, 0, 1200, 12_000]


def test_a_slot_that_somebody_works_on_is_not_late_but_one_of_a_dead_process_is(engine: Engine) -> None:
    done(engine, "10:00", "running")
    add_lease(engine, f"job:{HOURLY.name}", at("10:50"))

    assert one(engine, "10:49").lateness == 0
    assert one(engine, "10:51").lateness == 51 * 60


@pytest.mark.parametrize(
    ("state", "lateness"),
    [("failed", 0), ("timed_out", 0), ("abandoned", 1800), ("cancelled", 1800), ("skipped", 1800)],
)
def test_a_slot_that_is_over_is_not_late_and_one_to_be_tried_again_is(
    state: str, lateness: float, engine: Engine
) -> None:
    first_seen(engine, at("09:30"), HOURLY)
    done(engine, "10:00", state)

    assert one(engine, "10:30").lateness == lateness


def test_a_failed_slot_is_late_when_its_next_try_is_due(engine: Engine) -> None:
    retried = replace(HOURLY, retry=parse_backoff(["20m"]))
    done(engine, "10:00", "failed")

    assert (one(engine, "10:21", retried).lateness, one(engine, "10:22", retried).lateness) == (0, 1320)


@pytest.mark.parametrize(
    ("job", "ran", "allowed"),
    [
        (replace(HOURLY, schedule=every("5m")), "10:00", HOUR),
        (HOURLY, "10:00", 1.25 * HOUR),
        (replace(HOURLY, schedule=every("6h")), "06:00", 6.25 * HOUR),
        (replace(HOURLY, misfire=Misfire(max_lateness=timedelta(hours=3))), "10:00", 3 * HOUR),
        (replace(HOURLY, misfire=Misfire("skip")), "10:00", 1.25 * HOUR),
    ],
    ids=["often", "hourly", "six hours", "by its misfire rule", "skip"],
)
def test_allowed_is_an_hour_a_period_or_what_the_misfire_rule_says(
    job: Job, ran: str, allowed: float, engine: Engine
) -> None:
    done(engine, ran)
    assert job.schedule is not None
    slot = job.schedule.next(at(ran))

    on_the_edge, beyond = (read(engine, slot + timedelta(seconds=allowed + more), job).jobs[0] for more in (0, 1))

    assert (on_the_edge.allowed, on_the_edge.late) == (allowed, False)
    assert (beyond.late, beyond.lateness) == (True, allowed + 1)


def test_how_late_is_too_late_is_a_setting(engine: Engine) -> None:
    done(engine, "10:00")

    with engine.connect() as connection:
        limit = timedelta(minutes=10)
        early, late = (read_health(connection, [HOURLY], at(now), limit) for now in ("11:10", "11:11"))

    assert [job.job for job in (*early.late, *late.late)] == [HOURLY.name]
    assert late.jobs[0].allowed == 600


def test_rep_17_nothing_is_late_before_the_first_slot_of_a_new_job(engine: Engine) -> None:
    """Of 04:00, first seen at 01:42: late from its first slot on, and too late an hour after it."""
    first_seen(engine, at("01:42"), DAILY)

    lateness = [one(engine, now, DAILY) for now in ("01:42", "03:59", "04:59", "05:01")]

    assert [(job.lateness, job.late) for job in lateness] == [(0, False), (0, False), (3540, False), (3660, True)]
    assert lateness[0].next_slot == at("04:00")


def test_rep_17_a_new_job_that_catches_up_is_late_from_the_first_look(engine: Engine) -> None:
    eager = replace(DAILY, catch_up=True)
    first_seen(engine, at("01:42"), eager)

    lateness = [one(engine, now, eager) for now in ("01:42", "02:41", "02:43")]

    assert [(job.lateness, job.late) for job in lateness] == [(0, False), (59 * 60, False), (61 * 60, True)]


def test_rep_17_a_job_that_nobody_has_looked_at_is_new_and_not_late(engine: Engine) -> None:
    first_seen(engine, at("01:42"), HOURLY)

    health = read(engine, at("01:50"), HOURLY, DAILY)

    assert (health.ok, [job.job for job in health.unseen], health.late) == (True, [DAILY.name], [])


def test_x9_where_nobody_has_looked_at_any_job_the_page_is_red(engine: Engine) -> None:
    """Nothing starts jobs here. A page that says ok for ever would be a lie; what is only run by hand needs nobody."""
    health = read(engine, at("04:59"), DAILY, HOURLY)

    assert (health.ok, health.unwatched, health.late) == (False, True, [])
    assert read(engine, at("04:59"), replace(DAILY, schedule=None)).ok


def test_a_paused_job_is_not_late_and_its_next_slot_is_behind_the_pause(engine: Engine) -> None:
    """PF-136: a person said that it shall rest. The pause is in real time, as the table's clock is the database's."""
    now = database_time(engine)
    with engine.begin() as connection:
        schedule_overrides.pause(connection, HOURLY, until=now + timedelta(hours=5), reason="move", by="ann")
        schedule_overrides.pause(connection, DAILY, until=None, reason="move", by="ann")

    hourly, daily = read(engine, now + timedelta(hours=4), HOURLY, DAILY).jobs

    assert [(job.paused, job.lateness) for job in (hourly, daily)] == [(True, 0), (True, 0)]
    assert hourly.next_slot is not None
    assert timedelta(0) < hourly.next_slot - (now + timedelta(hours=5)) <= timedelta(hours=1)
    assert daily.next_slot is None
    assert read(engine, now + timedelta(hours=8), HOURLY).jobs[0].lateness > 0


def test_another_schedule_in_force_decides(engine: Engine) -> None:
    now = database_time(engine)
    add_runs(engine, run_row(HOURLY.name, "succeeded", now, slot=now))
    with engine.begin() as connection:
        schedule_overrides.reschedule(connection, HOURLY, "every 2d", None, reason="calm", by="ann")

    job = read(engine, now, HOURLY).jobs[0]

    assert job.next_slot == every("2d").next(now)


@pytest.mark.parametrize(
    ("ends", "leader", "missing"),
    [(None, False, False), ("12:00:05", True, False), ("11:59", False, True), ("11:00", False, True)],
)
def test_a_leader_is_missing_once_a_worker_was_there(
    ends: str | None, leader: bool, missing: bool, engine: Engine
) -> None:
    done(engine, "12:00")
    if ends is not None:
        add_lease(engine, "leader", at(ends))

    health = read(engine, at("12:00"))

    assert (health.leader, health.leader_missing, health.ok) == (leader, missing, not missing)


def test_a_day_without_any_worker_means_that_something_else_starts_the_jobs(engine: Engine) -> None:
    """Moved to cron: the page must not be red for ever; lateness tells when nothing starts them."""
    add_lease(engine, "leader", at("12:00"), holder=None)
    done(engine, "12:00")

    assert not read(engine, at("12:30")).ok
    later = read(engine, at("12:30") + timedelta(days=1))
    assert (later.leader_missing, later.ok) == (False, False)
    assert [job.job for job in later.late] == [HOURLY.name]


def test_many_jobs_are_read_together(engine: Engine) -> None:
    jobs = [replace(HOURLY, name=f"shop.job_{number}") for number in range(250)]
    add_runs(engine, *(run_row(job.name, "failed", at("10:01"), slot=at("10:00")) for job in jobs))

    health = read(engine, at("10:30"), *jobs)

    assert [job.job for job in health.jobs] == [job.name for job in jobs]
    assert {(job.state, job.failures) for job in health.jobs} == {("failed", 1)}


def test_runs_of_jobs_that_nobody_knows_any_more_are_left_out(engine: Engine) -> None:
    done(engine, "10:00", job="shop.gone")

    assert [job.job for job in read(engine, at("10:30")).jobs] == [HOURLY.name]
