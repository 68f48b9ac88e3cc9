"""What is due now, from the run table alone: the newest slot of each job, how it went, when it may be tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from sexton import Job, Misfire, cron, every, parse_backoff
from sexton.clock import parse_instant
from sexton.db.tables import own_tables
from sexton.run_state import RunState
from sexton.slots.due import NewestAttempt, due_runs, newest_attempts, settled
from sexton.slots.schedule_overrides import overrides

HOURLY = Job("shop.hourly", schedule=every("1h"), work=lambda run: None)
RETRIED = replace(HOURLY, retry=parse_backoff(["10m", "30m"]))


def at(text: str) -> datetime:
    """An instant of 15 June 2026, "12:05"."""
    return parse_instant(f"2026-06-15T{text}Z")


def ran(
    engine: Engine, slot: str | None, state: str, *, job: str = HOURLY.name, attempt: int = 1, ended: str = "12:02"
) -> None:
    """A run as history holds it."""
    runs = own_tables(engine.dialect.name).runs
    row: dict[str, Any] = {
        "job": job,
        "database": "main",
        "slot": at(slot) if slot else None,
        "attempt": attempt,
        "state": state,
        "worker": "host:1:abc",
        "epoch": 1,
        "as_of": at("12:00"),
        "started_at": at("12:00"),
        "finished_at": None if state in ("queued", "running") else at(ended),
        "counts": {},
        "definition": "",
    }
    with engine.begin() as connection:
        connection.execute(insert(runs).values(row))


def due(engine: Engine, job: Job, now: str) -> list[str]:
    """The slots that are due at this time, as "12:00"."""
    with engine.begin() as connection:
        return [f"{run.slot:%H:%M}" for run in due_runs(connection, [job], at(now)) if run.slot is not None]


def test_rep_17_a_job_has_no_past_before_it_was_first_seen(engine: Engine) -> None:
    """Nightly at 03:00, first seen at 01:42: the first slot is the next one, and is made up when it was missed."""
    nightly = replace(HOURLY, schedule=cron("0 3 * * *"))

    assert [due(engine, nightly, now) for now in ("01:42", "01:45", "02:59")] == [[], [], []]
    assert [due(engine, nightly, now) for now in ("03:00", "07:10")] == [["03:00"], ["03:00"]]


def test_rep_17_catch_up_gives_a_new_job_the_slot_before(engine: Engine) -> None:
    """Whatever its rule for missed slots: the latest one, until it has run."""
    for rule in (Misfire(), Misfire("all", limit=9)):
        eager = replace(HOURLY, name=f"shop.{rule.rule}", catch_up=True, misfire=rule)
        assert [due(engine, eager, now) for now in ("12:05", "12:55")] == [["12:00"], ["12:00"]]


@pytest.mark.parametrize(
    ("rule", "now", "slots"),
    [
        (Misfire(), "12:00:00", ["12:00"]),
        (Misfire(), "12:00:40", ["12:00"]),
        (Misfire(), "12:01:01", []),
        (Misfire("all", limit=9), "12:00:40", ["12:00"]),
        (Misfire("skip"), "12:00:40", ["12:00"]),
        (Misfire("skip", max_lateness=timedelta(seconds=30)), "12:00:40", []),
    ],
)
def test_rep_17_a_slot_in_whose_minute_a_job_is_first_seen_is_its_first(
    rule: Misfire, now: str, slots: list[str], engine: Engine
) -> None:
    """Cron wakes us a moment after the minute: a line of the job's own would else lose its first slot."""
    assert due(engine, replace(HOURLY, misfire=rule), now) == slots


def test_rep_17_slots_since_a_job_was_first_seen_are_made_up_by_its_rule(engine: Engine) -> None:
    every_one = replace(HOURLY, misfire=Misfire("all", limit=9))
    due(engine, every_one, "09:30")

    assert due(engine, every_one, "12:05") == ["10:00", "11:00", "12:00"]
    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_rep_17_a_renamed_job_is_new_and_one_that_comes_back_is_not(engine: Engine) -> None:
    ran(engine, "08:00", "succeeded")

    assert due(engine, replace(HOURLY, name="shop.renamed"), "12:05") == []
    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_rep_17_of_two_that_see_a_job_first_the_earlier_counts(engine: Engine) -> None:
    """The second one looks inside the transaction of the first, or after it."""
    seen = [due(engine, HOURLY, now) for now in ("11:59", "11:58", "12:05")]

    assert seen == [[], [], ["12:00"]]
    with engine.connect() as connection:
        assert overrides(connection)[HOURLY.name].seen_at == at("11:59")


def test_rep_17_a_job_noted_before_its_first_look_was_kept_has_no_past_either(engine: Engine) -> None:
    """A row of an older version knows the expression, and not when it was seen."""
    schedules = own_tables(engine.dialect.name).schedules
    with engine.begin() as connection:
        connection.execute(insert(schedules).values(job=HOURLY.name, expression="every 1h in UTC", version=0))

    assert (due(engine, HOURLY, "12:05"), due(engine, HOURLY, "13:05")) == ([], ["13:00"])


def test_rep_17_runs_of_before_the_upgrade_keep_their_past(engine: Engine) -> None:
    """Installed long ago: the first look of this version changes nothing about what is due."""
    ran(engine, "08:00", "succeeded")

    assert due(engine, replace(HOURLY, misfire=Misfire("all", limit=9)), "11:05") == ["09:00", "10:00", "11:00"]


def test_a_job_without_schedule_is_never_due(engine: Engine) -> None:
    assert due(engine, replace(HOURLY, schedule=None), "12:05") == []


def test_runs_by_hand_do_not_count(engine: Engine) -> None:
    due(engine, HOURLY, "11:30")
    ran(engine, None, "succeeded")

    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_runs_of_other_jobs_do_not_count(engine: Engine) -> None:
    due(engine, HOURLY, "11:30")
    ran(engine, "12:00", "succeeded", job="shop.other")

    assert due(engine, HOURLY, "12:05") == ["12:00"]


AFTER_ONE_ATTEMPT = {
    "succeeded": [],
    "partial": [],
    "skipped": [],
    "queued": ["12:00"],
    "failed": [],
    "timed_out": [],
    "running": ["12:00"],
    "abandoned": ["12:00"],
    "cancelled": ["12:00"],
}


def test_the_table_below_knows_every_state() -> None:
    assert set(AFTER_ONE_ATTEMPT) == set(RunState)


@pytest.mark.parametrize(("state", "slots"), AFTER_ONE_ATTEMPT.items(), ids=AFTER_ONE_ATTEMPT)
def test_after_one_attempt_at_the_latest_slot(state: str, slots: list[str], engine: Engine) -> None:
    """What ended in order, or failed without a retry rule, is over; what was cut off is tried again."""
    ran(engine, "12:00", state)

    assert due(engine, HOURLY, "12:59") == slots


@pytest.mark.parametrize("state", sorted(RunState))
def test_whatever_became_of_the_last_slot_the_next_one_is_due(state: str, engine: Engine) -> None:
    """But for one that waits, as an engine was given it: none passes it."""
    ran(engine, "12:00", state)

    assert due(engine, HOURLY, "13:00") == ["12:00" if state == RunState.QUEUED else "13:00"]


@pytest.mark.parametrize("state", ["abandoned", "cancelled"])
def test_p12_three_attempts_that_were_cut_off_are_enough_for_one_slot(state: str, engine: Engine) -> None:
    for attempt in (1, 2):
        ran(engine, "12:00", state, attempt=attempt)
    assert due(engine, HOURLY, "12:59") == ["12:00"]

    ran(engine, "12:00", state, attempt=3)

    assert due(engine, HOURLY, "12:59") == []
    assert due(engine, HOURLY, "13:01") == ["13:00"]


def test_a_failed_slot_is_tried_again_as_its_rule_says(engine: Engine) -> None:
    """["10m", "30m"] after the end of the attempt before, not after the slot."""
    ran(engine, "12:00", "failed", ended="12:02")
    assert (due(engine, RETRIED, "12:11"), due(engine, RETRIED, "12:12")) == ([], ["12:00"])

    ran(engine, "12:00", "timed_out", attempt=2, ended="12:15")
    assert (due(engine, RETRIED, "12:44"), due(engine, RETRIED, "12:45")) == ([], ["12:00"])

    ran(engine, "12:00", "failed", attempt=3, ended="12:46")
    assert due(engine, RETRIED, "12:59") == []


def test_the_newest_attempt_decides_not_the_one_that_was_written_last(engine: Engine) -> None:
    ran(engine, "12:00", "succeeded", attempt=2)
    ran(engine, "12:00", "failed", attempt=1)

    assert due(engine, RETRIED, "12:59") == []


def test_the_newest_slot_decides(engine: Engine) -> None:
    ran(engine, "12:00", "succeeded")
    ran(engine, "11:00", "failed")

    assert due(engine, RETRIED, "12:59") == []


@pytest.mark.parametrize("state", ["succeeded", "failed", "skipped", "cancelled"])
def test_a_slot_that_nobody_can_have_run_yet_keeps_no_job_from_being_due(state: str, engine: Engine) -> None:
    """A clock that was wrong wrote it, or somebody who may write runs and nothing else."""
    ran(engine, "11:00", "succeeded")
    ran(engine, "23:00", state)

    assert due(engine, HOURLY, "12:01") == ["12:00"]
    ran(engine, "12:00", "succeeded")
    assert due(engine, HOURLY, "12:05") == []


def test_missed_slots_are_made_up_by_the_jobs_rule(engine: Engine) -> None:
    ran(engine, "08:00", "succeeded")

    assert due(engine, HOURLY, "12:05") == ["12:00"]
    assert due(engine, replace(HOURLY, misfire=Misfire("all", limit=3)), "12:05") == ["10:00", "11:00", "12:00"]
    assert due(engine, replace(HOURLY, misfire=Misfire("skip")), "12:01") == ["12:00"]
    assert due(engine, replace(HOURLY, misfire=Misfire("skip")), "12:05") == []


def test_s6_a_new_schedule_has_no_past_to_make_up(engine: Engine) -> None:
    """Made hourly after a daily run at midnight: one slot stands for all the hours since."""
    ran(engine, "00:00", "succeeded")

    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_due_jobs_come_in_the_order_given(engine: Engine) -> None:
    other = replace(HOURLY, name="shop.other")
    with engine.begin() as connection:
        due_runs(connection, [HOURLY, other], at("11:30"))
        first = due_runs(connection, [HOURLY, other], at("12:05"))
        second = due_runs(connection, [other, HOURLY], at("12:05"))

    assert [run.job for run in first] == ["shop.hourly", "shop.other"]
    assert [run.job for run in second] == ["shop.other", "shop.hourly"]


def test_the_newest_attempts_of_all_jobs_are_one_question(engine: Engine) -> None:
    for job in ("shop.a", "shop.b"):
        for slot, attempt in (("11:00", 1), ("12:00", 1), ("12:00", 2)):
            ran(engine, slot, "failed", job=job, attempt=attempt)

    with engine.connect() as connection:
        newest = newest_attempts(connection, ["shop.a", "shop.b", "shop.c"], at("12:30"))

    wanted = NewestAttempt(at("12:00"), 2, RunState.FAILED, at("12:02"))
    assert newest == {"shop.a": wanted, "shop.b": wanted}


def test_nothing_is_settled_for_a_job_that_never_ran() -> None:
    assert settled(HOURLY, None, datetime(2026, 6, 15, tzinfo=UTC)) is None


def test_a_failed_run_whose_end_is_unknown_is_not_retried() -> None:
    assert settled(RETRIED, NewestAttempt(at("12:00"), 1, RunState.FAILED, None), at("12:59")) == at("12:00")


def test_a_slot_that_is_to_be_tried_again_is_settled_up_to_just_before_it() -> None:
    before = settled(HOURLY, NewestAttempt(at("12:00"), 1, RunState.CANCELLED, at("12:02")), at("12:59"))

    assert before is not None
    assert timedelta() < at("12:00") - before < timedelta(seconds=1)
