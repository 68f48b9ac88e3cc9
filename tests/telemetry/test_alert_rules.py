"""What counts as wrong with a job, and what does not; each rule with its boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sexton import Job, cron
from sexton.db.server_clock import ask_now
from sexton.run_state import OutcomeCode
from sexton.slots import schedule_overrides
from tests.support.past_runs import first_seen

from .past import HOURLY, Past, at

OPEN = {kind: [("open", kind)] for kind in ("failing", "failure_rate", "late", "duration", "effect")}


def test_a_job_that_never_ran_is_well(past: Past) -> None:
    assert past.events("15 12:05") == []


@pytest.mark.parametrize("state", ["failed", "timed_out", "abandoned"])
def test_bj26_the_third_failure_in_a_row_opens_an_incident(past: Past, state: str) -> None:
    """BJ-26.1, BJ-26.2, P12: a job whose process dies each time is a failing one."""
    past.ran("15 09:00")
    past.ran_hourly("15 10:00", 2, state)
    assert past.events("15 11:05") == []

    past.ran("15 12:00", state, error="boom")
    (event,) = past.assess("15 12:05")

    words = {"failed": "failed", "timed_out": "passed its timeout", "abandoned": "crashed"}
    assert event.text == f"shop.hourly {words[state]} 3 times in a row"


def test_bj26_the_threshold_is_a_setting(past: Past) -> None:
    """BJ-26.2"""
    past.ran("15 12:00", "failed")

    assert past.events("15 12:05", after_failures=2) == []
    assert past.events("15 12:05", after_failures=1) == OPEN["failing"]


def test_a_run_that_a_guard_stopped_opens_one_at_once_and_only_that(past: Past) -> None:
    flood = "stopped before its first row: more than 9 rows are due"
    past.ran("15 12:00", "failed", error=flood, code=OutcomeCode.STOPPED_BY_GUARD)
    assert past.events("15 12:05") == [("open", "stopped")]

    past.ran("15 13:00", "failed", error=flood, code=OutcomeCode.STOPPED_BY_GUARD)
    past.ran("15 14:00", "failed", error=flood, code=OutcomeCode.STOPPED_BY_GUARD)
    assert past.events("15 14:05") == []

    past.ran("15 15:00")
    (event,) = past.assess("15 15:05")
    assert event.text.startswith("shop.hourly takes rows again; it was wrong for ")


def test_failures_of_different_kinds_count_together(past: Past) -> None:
    for number, state in enumerate(["failed", "timed_out", "abandoned"]):
        past.ran(f"15 1{number}:00", state)

    (event,) = past.assess("15 12:05")
    assert event.text == "shop.hourly failed 3 times in a row"


def test_a_slot_that_is_cut_off_again_and_again_opens_one_when_the_rests_begin(past: Past) -> None:
    """A database that comes and goes: nothing of it is a failure of the job, and somebody has to look all the same."""
    for before in range(3):
        past.ran(f"15 12:0{before}", "cancelled", code=OutcomeCode.DATABASE_LOST, cut_off_before=before)
    assert past.events("15 12:05") == []

    past.ran("15 12:06", "cancelled", code=OutcomeCode.DATABASE_LOST, cut_off_before=3)
    (event,) = past.assess("15 12:07")
    assert (event.what, event.kind) == ("open", "interrupted")
    assert event.text == "shop.hourly was cut off 4 times by no fault of its own, and is tried again"

    past.ran("15 12:10")
    assert past.events("15 12:15") == [("close", "interrupted")]


def test_sums_that_differ_from_their_rows_open_one_for_a_day(past: Past) -> None:
    """The next run looks at another window, so that it says nothing about this one."""
    past.ran("15 12:00", note="sales: 2 groups differ from the rows of the window", code=OutcomeCode.DRIFTED)
    past.ran("15 13:00")
    (event,) = past.assess("15 13:05")
    assert (event.what, event.kind) == ("open", "drifted")
    assert event.text == "shop.hourly has sums of an old window that are not what its rows come to"
    assert past.messages()[0].message["facts"]["last error"].startswith("sales: 2 groups differ")

    past.ran("16 11:30")
    assert past.events("16 11:55") == []
    assert past.events("16 12:05") == [("close", "drifted")]


@pytest.mark.parametrize("state", ["cancelled", "skipped"])
def test_a_run_that_a_deploy_ended_says_nothing(past: Past, state: str) -> None:
    past.ran_hourly("15 09:00", 2, "failed")
    past.ran("15 11:00", state)
    assert past.events("15 11:05") == []

    past.ran("15 12:00", "failed")
    assert past.events("15 12:05") == OPEN["failing"]


@pytest.mark.parametrize("state", ["succeeded", "partial"])
def test_a_good_run_ends_the_count(past: Past, state: str) -> None:
    past.ran_hourly("15 09:00", 2, "failed")
    past.ran("15 11:00", state)
    past.ran("15 12:00", "failed")

    assert past.events("15 12:05") == []


def test_half_of_ten_runs_in_the_window_is_too_much(past: Past) -> None:
    """BJ-26.1, ORA-BP.5"""
    for hour in range(2, 11):
        past.ran(f"15 {hour:02}:00", "failed" if hour % 2 else "succeeded")
    assert past.events("15 10:05") == []  # nine runs say nothing

    past.ran("15 11:00", "failed")
    (event,) = past.assess("15 11:05")
    assert event.text == "shop.hourly failed in 5 of its 10 runs of the last 24h"


def test_failures_before_the_window_do_not_count(past: Past) -> None:
    for hour in range(2, 12):
        past.ran(f"14 {hour:02}:00", "failed" if hour % 2 else "succeeded")
    past.ran_hourly("15 04:00", 9)

    assert past.events("15 12:05") == []


def test_failures_in_a_row_are_told_once_and_not_as_a_share_too(past: Past) -> None:
    past.ran_hourly("15 01:00", 12, "failed")

    assert past.events("15 12:05") == OPEN["failing"]


def test_a_job_is_late_after_a_period_and_a_quarter_at_least_an_hour(past: Past) -> None:
    """The slot of 11:00 was not run. Allowed: an hour and 15 minutes."""
    past.ran("15 10:00")

    assert past.events("15 12:15") == []
    (event,) = past.assess("15 12:16")
    assert event.text == "shop.hourly is late: its slot of 2026-06-15 11:00 UTC was not run, nor any after it"


def test_how_late_is_late_is_a_setting(past: Past) -> None:
    past.ran("15 10:00")

    assert past.events("15 11:09", late_after="10m") == []
    assert past.events("15 11:11", late_after="10m") == OPEN["late"]


def test_a_job_that_nobody_ever_looked_at_is_no_alert(past: Past) -> None:
    """Of several crontab lines with a job each, one does not know about the others."""
    assert past.assess("15 12:05", jobs=[replace(HOURLY, schedule=cron("0 4 * * *"))]) == []


def test_a_job_that_was_seen_and_never_ran_is_late_an_hour_after_its_first_slot(past: Past) -> None:
    first_seen(past.engine, at("15 11:30"), HOURLY)

    assert past.assess("15 12:59") == []
    assert [event.kind for event in past.assess("15 13:01")] == ["late"]


def test_slots_that_were_given_up_hide_no_failures(past: Past) -> None:
    """Forty of them come between two runs of a job that overlaps itself."""
    for hour in (0, 4, 8):
        past.ran(f"15 {hour:02}:00", "timed_out")
        for minute in range(1, 41):
            past.ran(f"15 {hour:02}:{minute:02}", "skipped")

    assert past.events("15 08:50", late_after="9d") == OPEN["failing"]


@pytest.mark.parametrize("state", ["skipped", "cancelled"])
def test_a_job_whose_slots_are_all_given_up_is_late(state: str, past: Past) -> None:
    past.ran("15 10:00")
    past.ran_hourly("15 11:00", 24, state)

    assert past.events("16 10:30") == OPEN["late"]


def test_runs_by_hand_do_no_slots(past: Past) -> None:
    """Lateness stays open, however many there are."""
    past.ran("15 10:00")
    assert past.events("15 20:00") == OPEN["late"]
    for minute in range(50):
        past.ran(f"15 20:{minute:02}", by_hand=True)

    assert past.events("15 20:55") == []


def test_a_run_under_way_ends_no_streak(past: Past) -> None:
    past.ran_hourly("13 00:00", 50, "failed")
    assert past.events("15 02:05", after_failures=50) == OPEN["failing"]
    past.ran("15 02:10", "running")

    assert past.events("15 02:11", after_failures=50) == []


def test_a_paused_job_is_never_late_and_not_at_once_when_it_resumes(past: Past) -> None:
    with past.engine.begin() as connection:
        now = ask_now(connection)
        schedule_overrides.pause(connection, HOURLY, until=None, reason="season", by="ops")
    past.ran(now - timedelta(days=3))
    assert past.assess(now + timedelta(seconds=1)) == []

    with past.engine.begin() as connection:
        schedule_overrides.resume(connection, HOURLY, by="ops")
        now = ask_now(connection)
    assert past.assess(now + timedelta(minutes=70)) == []
    assert [event.kind for event in past.assess(now + timedelta(hours=3))] == ["late"]


def test_a_pause_closes_lateness_and_says_so(past: Past) -> None:
    with past.engine.begin() as connection:
        now = ask_now(connection)
    past.ran(now - timedelta(days=3))
    assert [event.what for event in past.assess(now)] == ["open"]

    with past.engine.begin() as connection:
        schedule_overrides.pause(connection, HOURLY, until=None, reason="season", by="ops")
    (event,) = past.assess(now + timedelta(minutes=1))
    assert event.what == "close"
    assert event.text.startswith("shop.hourly is paused, so no longer late")


def test_another_schedule_in_force_decides_what_is_late(past: Past) -> None:
    with past.engine.begin() as connection:
        schedule_overrides.reschedule(connection, HOURLY, "every 366d", None, reason="rare", by="ops")
    past.ran("15 10:00")

    assert past.events("20 10:00") == []


@pytest.mark.parametrize("job", [replace(HOURLY, schedule=None)], ids=["by hand"])
def test_a_job_without_schedule_is_never_late(past: Past, job: Job) -> None:
    past.ran("01 10:00")

    assert past.assess("28 10:00", jobs=[job]) == []


def test_a_run_is_slow_beyond_three_medians_and_thirty_seconds(past: Past) -> None:
    """ORA-DEP.5, ORA-FUT.5"""
    past.ran_hourly("14 12:00", 20, seconds=20)
    past.ran("15 10:00", seconds=59)
    assert past.events("15 10:05") == []

    past.ran("15 11:00", seconds=61)
    (event,) = past.assess("15 11:05")
    assert event.text == "shop.hourly took unusually long: 61 seconds; its habit is 20 seconds"


def test_a_quick_job_may_take_a_little_longer(past: Past) -> None:
    past.ran_hourly("14 12:00", 20, seconds=0.1)
    past.ran("15 10:00", seconds=29)

    assert past.events("15 10:05") == []


def test_sec_16_attack_a_clock_that_went_back_during_a_run_stops_no_alert(past: Past) -> None:
    """The database moved to a server whose clock is behind: the run ended before it began."""
    past.ran_hourly("14 20:00", 12, seconds=60.0)
    past.ran("15 11:00", seconds=-50.0)

    (event,) = past.assess("15 11:05")

    assert event.text == "shop.hourly took unusually short: 0 seconds; its habit is 1 minute"


def test_a_run_is_too_fast_below_a_tenth_of_the_median(past: Past) -> None:
    past.ran_hourly("14 12:00", 20, seconds=60)
    past.ran("15 10:00", seconds=7)
    assert past.events("15 10:05") == []

    past.ran("15 11:00", seconds=5)
    assert past.events("15 11:05") == OPEN["duration"]


def test_nine_runs_make_no_habit(past: Past) -> None:
    past.ran_hourly("15 00:00", 9, seconds=10)
    past.ran("15 10:00", seconds=500)

    assert past.events("15 10:15") == []


def test_a_run_in_progress_is_seen_before_it_ends(past: Past) -> None:
    """ORA-DEP.5"""
    past.ran_hourly("14 12:00", 20, seconds=20)
    past.ran("15 10:00", "running")

    assert past.events("15 10:01") == []
    (event,) = past.assess("15 10:02")
    assert event.text == "shop.hourly has been running for 2 minutes; its habit is 20 seconds"


def test_a_run_past_its_timeout_is_seen_without_any_habit(past: Past) -> None:
    """ORA-DEP.5: the timeout is 10 minutes."""
    past.ran("15 10:00", "running")

    assert past.events("15 10:11") == []
    assert past.events("15 10:12") == OPEN["duration"]


def effective_fortnight(past: Past) -> None:
    for day in range(1, 16):
        past.ran(f"{day:02} 10:00", changed=120)


def test_a_job_that_changes_nothing_for_days_is_silent(past: Past) -> None:
    """BJ-26.4: nothing fails, and nothing happens."""
    effective_fortnight(past)
    past.ran_hourly("15 10:30", 73, changed=0)

    assert past.events("18 09:59") == []
    (event,) = past.assess("18 11:00")
    assert event.text == "shop.hourly has changed and told nothing for 3 days, though it did on most days before"

    past.ran("18 11:30", changed=1)
    assert past.events("18 11:35") == [("close", "effect")]


def test_a_job_that_rarely_has_an_effect_is_not_silent(past: Past) -> None:
    for day in range(1, 16):
        past.ran(f"{day:02} 10:00", changed=1 if day % 3 == 0 else 0)
    past.ran_hourly("15 10:30", 72, changed=0)

    assert past.events("18 11:00") == []


def test_silence_can_be_switched_off(past: Past) -> None:
    effective_fortnight(past)
    past.ran_hourly("15 10:30", 73, changed=0)

    assert past.events("18 11:00", silent_days=0) == []


def test_rates_and_factors_of_zero_switch_their_rule_off(past: Past) -> None:
    past.ran_hourly("14 12:00", 20, seconds=20)
    past.ran("15 09:00", seconds=500)
    assert past.events("15 09:10", slow_factor=0.0, failure_rate=0.0) == []
