"""What is due now, from the run table alone: the newest slot of each job, how it went, when it may be tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from sexton import Job, Misfire, every, parse_backoff
from sexton.clock import parse_instant
from sexton.db.tables import STATES, own_tables
from sexton.runs.due import Attempt, due_runs, newest_attempts, settled

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


def test_a_job_that_never_ran_is_due_for_its_latest_slot(engine: Engine) -> None:
    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_a_job_without_schedule_is_never_due(engine: Engine) -> None:
    assert due(engine, replace(HOURLY, schedule=None), "12:05") == []


def test_runs_by_hand_do_not_count(engine: Engine) -> None:
    ran(engine, None, "succeeded")

    assert due(engine, HOURLY, "12:05") == ["12:00"]


def test_runs_of_other_jobs_do_not_count(engine: Engine) -> None:
    ran(engine, "12:00", "succeeded", job="shop.other")

    assert due(engine, HOURLY, "12:05") == ["12:00"]


AFTER_ONE_ATTEMPT = {
    "succeeded": [],
    "partial": [],
    "skipped": [],
    "queued": [],
    "failed": [],
    "timed_out": [],
    "running": ["12:00"],
    "abandoned": ["12:00"],
    "cancelled": ["12:00"],
}


def test_the_table_below_knows_every_state() -> None:
    assert set(AFTER_ONE_ATTEMPT) == set(STATES)


@pytest.mark.parametrize(("state", "slots"), AFTER_ONE_ATTEMPT.items(), ids=AFTER_ONE_ATTEMPT)
def test_after_one_attempt_at_the_latest_slot(state: str, slots: list[str], engine: Engine) -> None:
    """What ended in order, or failed without a retry rule, is over; what was cut off is tried again."""
    ran(engine, "12:00", state)

    assert due(engine, HOURLY, "12:59") == slots


@pytest.mark.parametrize("state", sorted(STATES))
def test_whatever_became_of_the_last_slot_the_next_one_is_due(state: str, engine: Engine) -> None:
    ran(engine, "12:00", state)

    assert due(engine, HOURLY, "13:00") == ["13:00"]


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
        first = due_runs(connection, [HOURLY, other], at("12:05"))
        second = due_runs(connection, [other, HOURLY], at("12:05"))

    assert [run.job.name for run in first] == ["shop.hourly", "shop.other"]
    assert [run.job.name for run in second] == ["shop.other", "shop.hourly"]


def test_the_newest_attempts_of_all_jobs_are_one_question(engine: Engine) -> None:
    for job in ("shop.a", "shop.b"):
        for slot, attempt in (("11:00", 1), ("12:00", 1), ("12:00", 2)):
            ran(engine, slot, "failed", job=job, attempt=attempt)

    with engine.connect() as connection:
        newest = newest_attempts(connection, ["shop.a", "shop.b", "shop.c"])

    wanted = Attempt(at("12:00"), 2, "failed", at("12:02"))
    assert newest == {"shop.a": wanted, "shop.b": wanted}


def test_nothing_is_settled_for_a_job_that_never_ran() -> None:
    assert settled(HOURLY, None, datetime(2026, 6, 15, tzinfo=UTC)) is None


def test_a_failed_run_whose_end_is_unknown_is_not_retried() -> None:
    assert settled(RETRIED, Attempt(at("12:00"), 1, "failed", None), at("12:59")) == at("12:00")


def test_a_slot_that_is_to_be_tried_again_is_settled_up_to_just_before_it() -> None:
    before = settled(HOURLY, Attempt(at("12:00"), 1, "cancelled", at("12:02")), at("12:59"))

    assert before is not None
    assert timedelta() < at("12:00") - before < timedelta(seconds=1)
