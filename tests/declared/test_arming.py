"""Shadow, then armed: nothing is taken before a person has looked, and a flood stops before its first row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton import Job
from sexton.config.policy import definition_of
from sexton.runs.armed import arm, disarm
from sexton.runs.runner import Outcome
from sexton.testing import run_job
from tests.support.past_runs import newest_run

from .shop import Shop, settings_of

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SESSIONS: dict[str, Any] = {"purge": "sessions", "by": "ends", "unit": "s"}


@pytest.fixture
def sessions(shop: Shop) -> Shop:
    """A hundred rows, ten of them due."""
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    add(shop, 1, 10, "past")
    add(shop, 11, 100, "ahead")
    return shop


def add(shop: Shop, first: int, last: int, when: str) -> None:
    """Rows that are due, or are not."""
    end = int(NOON.timestamp()) + (-3600 if when == "past" else 3600)
    for number in range(first, last + 1):
        shop.do("INSERT INTO sessions VALUES (:id, :ends)", id=number, ends=end)


def confirm(shop: Shop, allowed: int, **written: Any) -> Job:
    """What `sexton arm` does; the job."""
    with shop.engine.begin() as connection:
        arm(connection, "tidy", definition_of(settings_of(written)), allowed=allowed, by="a test")
    return shop.job(**written)


def ran(shop: Shop, job: Job) -> Outcome:
    return run_job(shop.engine, job, at=NOON)


def test_a_new_policy_only_counts_and_says_so_in_history(sessions: Shop) -> None:
    outcome = ran(sessions, sessions.job(**SESSIONS))

    assert (outcome.state, outcome.total.picked, outcome.total.changed) == ("succeeded", 10, 0)
    assert len(sessions.ids("sessions")) == 100
    assert newest_run(sessions.engine).error == (
        "only counted, as it is not armed; look at it and confirm: sexton arm tidy"
    )


def test_an_armed_one_takes_rows(sessions: Shop) -> None:
    outcome = ran(sessions, confirm(sessions, 0, **SESSIONS))

    assert (outcome.state, outcome.total.changed, outcome.error) == ("succeeded", 10, None)


def test_a_changed_policy_only_counts_again_and_another_schedule_is_no_change(sessions: Shop) -> None:
    confirm(sessions, 0, **SESSIONS)

    assert ran(sessions, sessions.job(**SESSIONS, boundary="<=")).total.changed == 0
    assert "was changed since it was armed" in (newest_run(sessions.engine).error or "")
    assert ran(sessions, sessions.job(**SESSIONS, schedule="@hourly", timeout="1m")).total.changed == 10


def test_a_disarmed_one_only_counts(sessions: Shop) -> None:
    job = confirm(sessions, 0, **SESSIONS)
    with sessions.engine.begin() as connection:
        assert disarm(connection, "tidy")
        assert not disarm(connection, "tidy")

    assert ran(sessions, job).total.changed == 0


@pytest.mark.parametrize(("share", "state", "left"), [(0.1, "succeeded", 90), (0.09, "failed", 100)])
def test_more_than_the_share_of_the_table_stops_before_the_first_row(
    share: float, state: str, left: int, sessions: Shop
) -> None:
    outcome = ran(sessions, confirm(sessions, 0, **SESSIONS, max_share=share))

    assert (outcome.state, len(sessions.ids("sessions"))) == (state, left)
    if state == "failed":
        assert outcome.error == (
            "stopped before its first row: more than 9 rows are due, max_share = 0.09 of 100; nothing was touched. "
            "Look at it and confirm: sexton arm tidy"
        )


def test_what_was_due_when_a_person_looked_may_be_taken_once(sessions: Shop) -> None:
    add(sessions, 101, 300, "past")
    job = confirm(sessions, 210, **SESSIONS)

    assert ran(sessions, job).total.changed == 210
    add(sessions, 401, 500, "past")
    assert ran(sessions, job).state == "failed"
    assert len(sessions.ids("sessions")) == 190


def test_warnings_are_a_flood_as_well(sessions: Shop) -> None:
    """What was due when a person looked may be told once, and no more."""
    written: dict[str, Any] = {"warn": "sessions", "by": "ends", "unit": "s", "max_share": 0.05}

    assert ran(sessions, confirm(sessions, 0, **written)).state == "failed"
    job = confirm(sessions, 10, **written)
    assert ran(sessions, job).total.told == 10
    add(sessions, 101, 120, "past")
    assert ran(sessions, job).state == "failed"


def test_more_than_ten_times_the_habit_stops(sessions: Shop) -> None:
    add(sessions, 1001, 3000, "ahead")
    job = confirm(sessions, 0, **SESSIONS)
    for _ in range(5):
        assert ran(sessions, job).total.changed == 10
        add(sessions, 1, 10, "past")

    add(sessions, 301, 400, "past")
    outcome = ran(sessions, job)

    assert outcome.state == "failed"
    assert "more than 100 rows are due, 10 times the usual 10" in (outcome.error or "")
