"""Durations: what is read, what is refused, and that the text form loses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.errors import ScheduleError
from sexton.jobs.duration import MAX_DURATION, UNITS, duration_in_words, format_duration, parse_duration
from sexton.jobs.schedule import every, parse_schedule
from sexton.jobs.span import Span, parse_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("250ms", 0.25),
        ("90s", 90),
        ("59m", 59 * 60),
        ("60m", 3600),
        ("61m", 61 * 60),
        ("23h", 23 * 3600),
        ("24h", 86400),
        ("25h", 25 * 3600),
        ("47h", 47 * 3600),
        ("49h", 49 * 3600),
        ("30d", 30 * 86400),
        ("32d", 32 * 86400),
        ("2w", 14 * 86400),
        ("1h30m", 5400),
        ("1w2d3h4m5s6ms", 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5.006),
        ("36500d", 36500 * 86400),
        ("007s", 7),
        ("30 days", 30 * 86400),
        ("1 day", 86400),
        ("2 weeks", 14 * 86400),
        ("36 hours", 36 * 3600),
        ("90 minutes", 5400),
        ("250 milliseconds", 0.25),
        ("1 week 2 days", 9 * 86400),
        ("1week2days", 9 * 86400),
        ("1h 30 minutes", 5400),
        ("30 d", 30 * 86400),
    ],
)
def test_every_unit_is_counted_in_seconds(text: str, seconds: float) -> None:
    """Both sides of an hour, a day, two days and a month: a unit taken for another shows there. REP-33: words, too."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "empty"),
        ("30", "unit is missing"),
        ("0", "unit is missing"),
        ("-1d", "negative"),
        ("nan", "not a duration"),
        ("inf", "not a duration"),
        ("1.5h", "not a duration"),
        ("1e3s", "unknown unit 'e'"),
        ("30  d", "not a duration"),
        ("30 days ", "not a duration"),
        ("1 week and 2 days", "not a duration"),
        ("30 dayz", 'did you mean "30 days"?'),
        ("1 wek", 'did you mean "1 week"?'),
        ("30 Days", "write 'days', in lower case"),
        ("1 month", "months and years are not durations, write days"),
        ("2 Years", "months and years are not durations, write days"),
        ("2 days 1 week", "largest first"),
        ("1 day 2d", "each unit once"),
        (" 30d", "not a duration"),
        ("30d\n", "not a duration"),
        ("\u0663d", "not a duration"),
        ("d", "not a duration"),
        ("1M", "months and years are not durations, write days"),
        ("1month", "months and years are not durations, write days"),
        ("1y", "months and years are not durations, write days"),
        ("5D", "write 'd', in lower case"),
        ("5min", "unknown unit 'min'; did you mean \"5 minutes\"? known: w, d, h, m, s, ms, and weeks"),
        ("30m1h", "largest first"),
        ("1h2h", "each unit once"),
        ("1h30m5m", "each unit once"),
        ("36501d", "more than 36500 days"),
        ("36500d1ms", "more than 36500 days"),
        ("100000000000d", "more than 36500 days"),
        ("9" * 5000 + "d", "more than 36500 days"),
    ],
)
def test_c3_what_is_no_duration_is_refused_with_the_setting_and_the_reason(text: str, hint: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_duration(text, where="keep")

    assert str(refusal.value).startswith("keep: ")
    assert hint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [timedelta(seconds=-1), MAX_DURATION + timedelta(seconds=1), timedelta(microseconds=1), 30, None, 1.5],
)
def test_c3_values_that_are_no_text_are_checked_as_strictly(value: object) -> None:
    with pytest.raises(ScheduleError, match=r"^keep: "):
        parse_duration(value, where="keep")  # type: ignore[arg-type]


def test_a_timedelta_within_bounds_is_taken_as_it_is() -> None:
    assert parse_duration(timedelta(hours=36)) == timedelta(hours=36)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0s", "0s"),
        ("0d", "0s"),
        ("30d", "30d"),
        ("36h", "36h"),
        ("90s", "90s"),
        ("1h30m", "90m"),
        ("24h", "1d"),
        ("7d", "1w"),
        ("1000ms", "1s"),
        ("1s1ms", "1001ms"),
    ],
)
def test_the_text_form_uses_the_largest_unit_that_divides_exactly(text: str, canonical: str) -> None:
    assert format_duration(parse_duration(text)) == canonical


@given(st.integers(0, MAX_DURATION // UNITS["ms"]))
def test_the_text_form_reads_back_exactly(milliseconds: int) -> None:
    delta = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(delta)) == delta


@given(st.lists(st.integers(0, 5000), min_size=6, max_size=6))
def test_parts_add_up_in_any_combination(counts: list[int]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in zip(counts, UNITS, strict=True))
    total = sum((count * size for count, size in zip(counts, UNITS.values(), strict=True)), timedelta())

    if total <= MAX_DURATION:
        assert parse_duration(text) == total
    else:
        with pytest.raises(ScheduleError, match="more than 36500 days"):
            parse_duration(text)


def test_words_know_one_and_many() -> None:
    assert duration_in_words(timedelta(days=1)) == "1 day"
    assert duration_in_words(timedelta(minutes=90)) == "90 minutes"
    assert duration_in_words(timedelta()) == "0 seconds"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30 days", Span(length=timedelta(days=30))),
        ("1 week 2 days", Span(length=timedelta(days=9))),
        ("1 month", Span(1)),
        ("2 years", Span(24)),
    ],
)
def test_rep_33_what_is_kept_is_said_in_days_as_well_as_in_months(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["1 month 2 days", "1 year 6 months"])
def test_rep_33_months_stand_alone(text: str) -> None:
    with pytest.raises(ScheduleError, match=r'^keep: .* months and years stand alone, write "1 month"'):
        parse_span(text)


def test_rep_33_words_stand_in_an_interval_too() -> None:
    schedule = parse_schedule("every 1 day offset 90 minutes")

    assert schedule == every("1d", offset="90m")
    assert parse_schedule(schedule.text) == schedule
