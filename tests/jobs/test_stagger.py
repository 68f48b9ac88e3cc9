"""BJ-28.1: offsets of even intervals, the same for ever for one job of one installation."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest

from sexton.jobs.schedule import Schedule, cron, every
from sexton.jobs.stagger import can_stagger, offset, staggered

HOUR = timedelta(hours=1)


def test_bj_28_1_an_offset_is_the_same_in_every_process_and_version() -> None:
    """Another value would move the slots of every installation that staggers."""
    ours = offset("shop", "shop.retry", HOUR)
    assert ours == timedelta(minutes=5)
    code = "from datetime import *; from sexton.jobs.stagger import offset; "
    code += "print(offset('shop', 'shop.retry', timedelta(hours=1)))"
    for seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == str(ours)


def test_bj_28_1_installations_and_jobs_are_told_apart() -> None:
    offsets = [offset(f"shop{number}", "shop.retry", HOUR) for number in range(600)]
    assert offset("a", "b", HOUR) != offset("b", "a", HOUR)
    assert set(offsets) == {timedelta(minutes=minute) for minute in range(60)}
    assert max(Counter(offsets).values()) < 30, "they crowd in one minute"


@pytest.mark.parametrize("text", ["5m", "15m", "1h", "24h", "7d"])
def test_an_interval_is_moved_by_less_than_an_hour_and_than_itself(text: str) -> None:
    plain = every(text)
    for number in range(50):
        moved = staggered(plain, "shop", f"shop.job{number}")
        assert plain.text in moved.text
        assert timedelta() <= getattr(moved, "offset") < min(plain.interval, HOUR)  # noqa: B009


@pytest.mark.parametrize(
    "schedule",
    [every("1m"), every("299s"), every("1h", offset="5m"), cron("0 * * * *"), cron("0 0 * * *", "Asia/Jerusalem")],
    ids=lambda schedule: schedule.text,
)
def test_what_says_when_it_is_due_stays(schedule: Schedule) -> None:
    assert not can_stagger(schedule)
    assert staggered(schedule, "shop", "shop.job") is schedule
