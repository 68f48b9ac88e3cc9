"""Cron fields: what is accepted, what is refused, and that the message names the wrong field."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, takewhile

import pytest
from cronsim import CronSim

from sexton.errors import ScheduleError
from sexton.jobs.cron_fields import read_fields


def days_of(expression: str, start: str, end: str) -> list[str]:
    slots = read_fields(expression).matching(datetime.fromisoformat(start), datetime.fromisoformat(end))
    return [slot.date().isoformat() for slot in slots]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("61 * * * *", "minute '61': must be 0 to 59"),
        ("-5 * * * *", "minute '-5': must be 0 to 59"),
        ("*/0 * * * *", "minute '*/0': the step must be 1 to 59"),
        ("*/61 * * * *", "minute '*/61': the step must be 1 to 59"),
        ("*/60 * * * *", "minute '*/60': the step must be 1 to 59"),
        ("*/ * * * *", "minute '*/': the step must be 1 to 59"),
        ("5-1 * * * *", "minute '5-1': the range runs backwards"),
        ("1-2-3 * * * *", "minute '1-2-3': must be 0 to 59"),
        ("5, * * * *", "minute '': must be 0 to 59"),
        ("R * * * *", "minute 'R': must be 0 to 59"),
        ("H * * * *", "minute 'H': must be 0 to 59"),
        ("1.5 * * * *", "minute '1.5': must be 0 to 59"),
        ("100 * * * *", "minute '100': must be 0 to 59"),
        ("9" * 5000 + " * * * *", "minute '9999999999999999999999999999999999999'...: is too long"),
        ("*/" + "9" * 5000 + " * * * *", "is too long"),
        ("0 24 * * *", "hour '24': must be 0 to 23"),
        ("0 */24 * * *", "hour '*/24': the step must be 1 to 23"),
        ("0 0 0 * *", "day of month '0': must be 1 to 31"),
        ("0 0 32 * *", "day of month '32': must be 1 to 31"),
        ("0 0 15W * *", "day of month '15W': must be 1 to 31"),
        ("0 0 L/2 * *", "day of month 'L/2': must be 1 to 31"),
        ("0 0 ? * *", "day of month '?': must be 1 to 31"),
        ("0 0 * 0 *", "month '0': must be 1 to 12 or JAN to DEC"),
        ("0 0 * 13 *", "month '13': must be 1 to 12 or JAN to DEC"),
        ("0 0 * MON *", "month 'MON': must be 1 to 12 or JAN to DEC"),
        ("0 0 * * 8", "day of week '8': must be 0 to 7 or SUN to SAT"),
        ("0 0 * * L", "day of week 'L': must be 0 to 7 or SUN to SAT"),
        ("0 0 * * MON#6", "day of week 'MON#6': must be 0 to 7 or SUN to SAT"),
        ("0 0 * * FRI-MON", "day of week 'FRI-MON': the range runs backwards"),
        ("0 0 30 2 *", "day of month '30' never comes in month '2'"),
        ("0 0 31 4,6,9,11 *", "day of month '31' never comes in month '4,6,9,11'"),
        ("0 0 * 2 MON#5", "no day matches it within 5 years"),
        ("0 0 29 2 */7", "no day matches it within 5 years"),
        ("0 0 1 1 */7", "no day matches it within 5 years"),
        ("\u0665 * * * *", "'\u0665' is not allowed"),
        ("0 0 * * *\n", r"'\n' is not allowed"),
        ("0 0 *\n* *", r"'\n' is not allowed"),
        ("0 0 *\u00a0* *", r"'\xa0' is not allowed"),
        ("0 0 * * * *", "has 6 fields, needs 5: minute, hour, day of month, month, day of week"),
        ("0 0 0 * * * 2026", "has 7 fields, needs 5"),
        ("0 0 * *", "has 4 fields, needs 5"),
        ("", "has 0 fields, needs 5"),
    ],
)
def test_c1_a_bad_expression_is_refused_and_the_field_is_named(expression: str, reason: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        read_fields(expression)

    message = str(refusal.value)
    assert message.startswith("cron ")
    assert reason in message
    assert "\n" not in message
    assert len(message) < 200


@pytest.mark.parametrize(
    "expression",
    [
        "10 4 * * *",
        "*/5 * * * *",
        "0\t9-17/2  * * MON-FRI",
        "0 0 * jan,Jul sun",
        "5,10-20/5,59 0 * * *",
        "5/15 * * * *",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 1,L * *",
        "0 0 * * 5L",
        "0 0 * * MON#1,3#3",
        "0 0 * * 7",
        "0 0 29 2 *",
        "0 0 31 1-3 *",
        "0 0 * * MON#5",
        "0 0 29 2 1",
    ],
)
def test_c1_a_good_expression_is_taken_and_gives_the_days_and_times_of_cronsim(expression: str) -> None:
    start, end = datetime.fromisoformat("2023-12-31 23:59:59"), datetime.fromisoformat("2028-03-01")

    ours = list(islice(read_fields(expression).matching(start, end), 300))

    theirs = takewhile(lambda slot: slot < end, CronSim(expression, start))
    assert ours == list(islice(theirs, 300))
    assert ours


def test_a_leap_day_alone_is_often_enough() -> None:
    days = days_of("0 0 29 2 *", "2026-01-01", "2033-01-01")

    assert days == ["2028-02-29", "2032-02-29"]


def test_weekday_zero_and_seven_are_sunday() -> None:
    for weekday in ("0", "7", "SUN", "sun"):
        assert days_of(f"0 0 * * {weekday}", "2026-06-01", "2026-06-10") == ["2026-06-07"]


def test_day_of_month_and_day_of_week_are_joined_by_or() -> None:
    """Friday 12 June comes before Saturday 13 June 2026; engines that ask for both wait until November."""
    days = days_of("0 0 13 * 5", "2026-06-06", "2026-06-20")

    assert days == ["2026-06-12", "2026-06-13", "2026-06-19"]


def test_a_day_that_begins_with_a_star_is_joined_by_and() -> None:
    """The usual way to write "the first Monday": Debian's cron reads it so."""
    assert days_of("0 0 1-7 * */7", "2026-06-01", "2026-07-31") == ["2026-06-07", "2026-07-05"]


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        ("30 2 * * *", True),
        ("0,30 1-5 * * *", True),
        ("5/15 2 * * *", True),
        ("*/30 2 * * *", False),
        ("0 * * * *", False),
        ("0 */2 * * *", False),
    ],
)
def test_only_a_leading_star_makes_elapsed_time_count(expression: str, fixed: bool) -> None:
    assert read_fields(expression).fixed is fixed


def test_matching_takes_its_start_and_leaves_out_its_end() -> None:
    start, end = datetime.fromisoformat("2026-01-01 23:00"), datetime.fromisoformat("2026-01-02 00:30")

    slots = read_fields("0,30 * * * *").matching(start, end)

    assert [slot.strftime("%d %H:%M") for slot in slots] == ["01 23:00", "01 23:30", "02 00:00"]
