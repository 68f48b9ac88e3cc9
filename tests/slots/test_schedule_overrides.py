"""Schedules that people change while everything runs: pauses, other expressions, what that does to slots (S4, S6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select

from sexton import Job, Misfire, cron, every
from sexton.clock import parse_instant
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.errors import ScheduleError, UsageError
from sexton.jobs.schedule import Schedule
from sexton.slots.due import due_runs
from sexton.slots.due_run import DueRun
from sexton.slots.history import history
from sexton.slots.schedule_overrides import (
    in_force,
    next_slot,
    override_error,
    overrides,
    pause,
    reschedule,
    resume,
    version,
)

HOURLY = Job("shop.hourly", schedule=every("1h"), work=print)


def at(text: str) -> datetime:
    """An instant of 15 June 2026, "12:05"."""
    return parse_instant(f"2026-06-15T{text}Z")


def done(connection: Connection, slot: str, state: str = "succeeded") -> None:
    """A run as history holds it."""
    runs = own_tables(connection.dialect.name).runs
    row: dict[str, Any] = {"job": HOURLY.name, "database": "main", "slot": at(slot), "attempt": 1, "state": state}
    row |= {"worker": "test", "epoch": 1, "as_of": at(slot), "counts": {}, "definition": ""}
    connection.execute(insert(runs).values(row | {"started_at": at(slot), "finished_at": at(slot)}))


def slots(due: list[DueRun]) -> list[tuple[str, int]]:
    """Slot and number of missed ones of each."""
    return [(f"{run.slot:%H:%M}", run.missed) for run in due if run.slot is not None]


def test_s4_the_run_that_makes_up_says_for_how_many_slots_it_stands(engine: Engine) -> None:
    with engine.begin() as connection:
        done(connection, "08:00")
        assert slots(due_runs(connection, [HOURLY], at("12:05"))) == [("12:00", 3)]
        all_of_them = replace(HOURLY, misfire=Misfire("all", limit=2))
        assert slots(due_runs(connection, [all_of_them], at("12:05"))) == [("11:00", 2), ("12:00", 0)]


def test_s4_a_slot_that_is_given_up_is_on_record_with_its_reason_once(engine: Engine) -> None:
    strict = replace(HOURLY, misfire=Misfire("skip"))
    for _ in range(2):
        with engine.begin() as connection:
            if not history(connection):
                done(connection, "09:00")
            assert due_runs(connection, [strict], at("12:05")) == []

    with engine.connect() as connection:
        skipped, _ = history(connection)
    assert (skipped.state, skipped.slot) == ("skipped", at("12:00"))
    assert skipped.error == "given up: 0:05:00 late, more than 0:01:00"


def test_s6_a_new_expression_has_no_past(engine: Engine) -> None:
    daily = replace(HOURLY, schedule=cron("0 6 * * *", tz="UTC"))
    with engine.begin() as connection:
        assert due_runs(connection, [daily], at("05:00")) == []
        assert slots(due_runs(connection, [daily], at("06:10"))) == [("06:00", 0)]
        done(connection, "06:00")
        assert due_runs(connection, [HOURLY], at("10:30")) == []
        assert due_runs(connection, [HOURLY], at("10:45")) == []
        assert slots(due_runs(connection, [HOURLY], at("11:01"))) == [("11:00", 0)]


def test_s6_a_job_that_comes_and_goes_keeps_its_place(engine: Engine) -> None:
    with engine.begin() as connection:
        due_runs(connection, [HOURLY], at("06:10"))
        done(connection, "06:00")
        due_runs(connection, [], at("07:10"))
        assert slots(due_runs(connection, [HOURLY], at("09:01"))) == [("09:00", 2)]


def test_a_paused_job_is_not_due_and_makes_nothing_up_afterwards(engine: Engine) -> None:
    soon = every("1s")
    job = replace(HOURLY, schedule=soon)
    with engine.begin() as connection:
        pause(connection, job, until=None, reason="moving house", by="anna")
        now = ask_now(connection)
        assert due_runs(connection, [job], now) == []
        assert due_runs(connection, [job], now + timedelta(minutes=1)) == []
        resume(connection, job, by="anna")
        assert due_runs(connection, [job], soon.previous(now)) == []
        assert len(due_runs(connection, [job], ask_now(connection) + timedelta(seconds=2))) == 1


def test_a_pause_with_an_end_ends_by_itself_without_a_run_for_the_time_between(engine: Engine) -> None:
    with engine.begin() as connection:
        now = ask_now(connection)
        until = HOURLY.schedule.next(now) + timedelta(minutes=90) if HOURLY.schedule else now
        pause(connection, HOURLY, until=until, reason="", by="anna")
        assert due_runs(connection, [HOURLY], until - timedelta(seconds=1)) == []
        assert due_runs(connection, [HOURLY], until + timedelta(seconds=1)) == []
        (run,) = due_runs(connection, [HOURLY], until + timedelta(hours=1))
        assert run.slot is not None
        assert run.slot > until


def test_another_schedule_holds_until_it_is_given_back(engine: Engine) -> None:
    with engine.begin() as connection:
        now = ask_now(connection)
        reschedule(connection, HOURLY, "every 5m", None, reason="sale", by="anna")
        assert due_runs(connection, [HOURLY], now) == [], "it has no past"
        now = ask_now(connection)
        (run,) = due_runs(connection, [HOURLY], now + timedelta(minutes=5))
        assert run.slot == every("5m").next(now)
        assert scheduled(connection) == every("5m")
        reschedule(connection, HOURLY, None, None, reason="", by="anna")
        (run,) = due_runs(connection, [HOURLY], now + timedelta(minutes=61))
        assert scheduled(connection) == HOURLY.schedule


def scheduled(connection: Connection) -> Schedule | None:
    """By which HOURLY is due now."""
    return in_force(HOURLY, overrides(connection, [HOURLY]).get(HOURLY.name)).schedule


def test_the_first_slot_of_another_schedule_runs_whenever_somebody_looks_next(engine: Engine) -> None:
    """`reschedule` announces it; a cron line that looks five minutes later must find it."""
    with engine.begin() as connection:
        now = ask_now(connection)
        due_runs(connection, [HOURLY], now - timedelta(hours=3))
        reschedule(connection, HOURLY, "every 2m", None, reason="", by="anna")
        now = ask_now(connection)

        (run,) = due_runs(connection, [HOURLY], every("2m").next(now) + timedelta(seconds=3))

    assert run.slot == every("2m").next(now)


def test_a_slot_at_the_very_end_of_a_pause_runs(engine: Engine) -> None:
    with engine.begin() as connection:
        now = ask_now(connection)
        due_runs(connection, [HOURLY], now)
        end = every("1h").next(now + timedelta(hours=2))
        pause(connection, HOURLY, until=end, reason="", by="anna")
        change = overrides(connection)[HOURLY.name]

        assert next_slot(HOURLY, change, now) == end
        (run,) = due_runs(connection, [HOURLY], end + timedelta(seconds=20))

    assert run.slot == end


def test_a_job_that_the_settings_switch_off_stays_off_whatever_was_rescheduled(engine: Engine) -> None:
    off = replace(HOURLY, schedule=None, enabled=False)
    with engine.begin() as connection:
        reschedule(connection, HOURLY, "every 5m", None, reason="", by="anna")
        later = ask_now(connection) + timedelta(hours=2)
        change = overrides(connection)[HOURLY.name]

        assert due_runs(connection, [off], later) == []
        assert in_force(off, change).schedule is None
        assert "switch it off" in (override_error(off, change) or "")
        with pytest.raises(UsageError, match="switched off in the settings"):
            reschedule(connection, off, "every 5m", None, reason="", by="anna")


def test_a_leftover_that_fits_no_more_leaves_the_job_its_own_schedule_and_the_others_alone(engine: Engine) -> None:
    """It was a zone for a schedule that the product has taken away since."""
    by_hand, other = replace(HOURLY, schedule=None), replace(HOURLY, name="shop.other")
    with engine.begin() as connection:
        reschedule(connection, HOURLY, None, "Europe/Berlin", reason="", by="anna")
        change = overrides(connection)[HOURLY.name]
        due_runs(connection, [by_hand, other], ask_now(connection))
        due = due_runs(connection, [by_hand, other], ask_now(connection) + timedelta(hours=2))

    assert [run.job for run in due] == ["shop.other"]
    assert "sexton reschedule shop.hourly --reset" in (override_error(by_hand, change) or "")
    assert override_error(HOURLY, change) is None


def test_a_pause_without_a_sensible_end_is_refused(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(UsageError, match="leave it out"):
        pause(connection, HOURLY, until=datetime(9999, 12, 31, tzinfo=UTC), reason="", by="anna")


def test_every_change_is_on_record_with_who_and_what(engine: Engine) -> None:
    with engine.begin() as connection:
        before = version(connection)
        pause(connection, HOURLY, until=None, reason="moving house", by="anna")
        resume(connection, HOURLY, by="bert")
        reschedule(connection, HOURLY, "@daily", "Asia/Jerusalem", reason="", by="cleo")
        trail = own_tables(connection.dialect.name).schedules_audit
        rows = connection.execute(select(trail).order_by(trail.c.id)).all()

        assert version(connection) == before + 3
        assert overrides(connection)[HOURLY.name].changed_by == "cleo"
    assert [(row.action, row.changed_by, row.version) for row in rows] == [
        ("pause", "anna", 1),
        ("resume", "bert", 2),
        ("reschedule", "cleo", 3),
    ]
    assert rows[0].detail["reason"] == "moving house"
    assert rows[2].detail == {"schedule": "@daily", "timezone": "Asia/Jerusalem", "reason": None}


def test_changes_that_make_no_sense_are_refused_and_leave_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        with pytest.raises(UsageError, match="is not paused"):
            resume(connection, HOURLY, by="anna")
        with pytest.raises(UsageError, match="past"):
            pause(connection, HOURLY, until=at("12:00") - timedelta(days=3650), reason="", by="anna")
        with pytest.raises(ScheduleError):
            reschedule(connection, HOURLY, "61 * * * *", None, reason="", by="anna")
        with pytest.raises(ScheduleError):
            reschedule(connection, replace(HOURLY, schedule=None), None, "UTC", reason="", by="anna")
        assert overrides(connection) == {}
