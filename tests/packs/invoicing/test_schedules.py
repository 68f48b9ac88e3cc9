"""When the jobs run in Israel, over both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from sexton import Job
from sexton.packs.invoicing import pack
from sexton.packs.invoicing.options import InvoicingOptions

ISRAEL = ZoneInfo("Asia/Jerusalem")
SPRING, AUTUMN = datetime(2026, 3, 27, tzinfo=ISRAEL), datetime(2026, 10, 25, tzinfo=ISRAEL)


def job(name: str) -> Job:
    """With the default options."""
    return next(one for one in pack.jobs(InvoicingOptions(), "postgresql") if one.name == f"invoicing.{name}")


def slots(name: str, day: datetime) -> list[datetime]:
    """Of one day in Israel, in its time."""
    start, end = day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)
    schedule = job(name).schedule
    assert schedule is not None
    tick = timedelta(microseconds=1)
    return [slot.astimezone(ISRAEL) for slot in schedule.between(start - tick, end - tick) if start <= slot < end]


TIMES = {"flag_overdue": "06:00", "clean_drafts": "03:00", "clean_sessions": "04:00"}


@pytest.mark.parametrize(("name", "time"), TIMES.items())
def test_t1_5_nightly_jobs_run_once_a_day_at_their_time_in_israel(name: str, time: str) -> None:
    """T1.5, T2.1, T3.1, T4.1: each day of 2026, both clock changes included."""
    year = [datetime(2026, 1, 1, tzinfo=ISRAEL) + timedelta(days=day) for day in range(365)]

    found = {day.date(): [f"{slot:%H:%M}" for slot in slots(name, day)] for day in year}

    assert set(map(tuple, found.values())) == {(time,)}


@pytest.mark.parametrize(("day", "times"), [(SPRING, 92), (AUTUMN, 100), (datetime(2026, 6, 15, tzinfo=ISRAEL), 96)])
def test_t1_5_tokens_are_looked_at_every_fifteen_minutes_also_when_clocks_change(day: datetime, times: int) -> None:
    """T1.5, T5.1: 27 March has 23 hours, 25 October has 25."""
    found = [slot.astimezone(UTC) for slot in slots("refresh_tokens", day)]

    assert len(found) == times
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_t1_5_another_zone_is_an_option() -> None:
    """T1.5"""
    jobs = pack.jobs(InvoicingOptions(timezone="Europe/Berlin"), "postgresql")

    assert {one.schedule.zone for one in jobs if one.schedule is not None} == {"Europe/Berlin"}


def test_t5_2_the_lead_is_longer_than_the_period() -> None:
    """T5.2: by default, and no option makes it shorter."""
    with pytest.raises(ValueError, match='token_lead "15m" must be longer than 15m'):
        InvoicingOptions(token_lead="15m").check()
    InvoicingOptions().check()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ids": "guid"}, "'guid' is no kind of ids"),
        ({"digest": "weekly"}, "'weekly' is no rule"),
        ({"draft_status": "sent"}, "is among overdue_statuses"),
        ({"overdue_statuses": ()}, "name at least one state"),
    ],
)
def test_options_that_cannot_be_right_are_refused_in_one_line(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InvoicingOptions(**wrong).check()  # type: ignore[arg-type]
