"""Time zones: only names of the IANA list, and the cuts at which a zone changes its offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.clock import parse_instant
from sexton.errors import ScheduleError
from sexton.jobs.clock_changes import pieces
from sexton.jobs.zones import check_zone, load_zone, zone_names

YEAR_2000, YEAR_2040 = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2040-01-01")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Asia", "Asia/"),
        ("Asia/", "Asia/"),
        ("utc\n", "UTC"),
        ("UTC ", "UTC"),
        ("utc", "UTC"),
        ("../etc/passwd", "Europe/Berlin"),
        ("/usr/share/zoneinfo/UTC", "UTC"),
        ("Europe/Berlin\x00", "Europe/Berlin"),
        ("", "Europe/Berlin"),
        ("Mars/Olympus_Mons", "Europe/Berlin"),
        ("+02:00", "Europe/Berlin"),
        (None, "Europe/Berlin"),
        (["UTC"], "UTC"),
    ],
)
def test_c2_a_zone_that_is_not_in_the_list_is_refused_with_a_right_one(name: object, nearest: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        check_zone(name)  # type: ignore[arg-type]

    message = str(refusal.value)
    assert "not in the IANA list" in message
    assert nearest in message
    assert "\n" not in message
    assert "\x00" not in message


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Asia/Jerusalem", "America/Argentina/Ushuaia", "EST5EDT"])
def test_c2_a_zone_of_the_list_is_taken_and_can_be_loaded(name: str) -> None:
    assert check_zone(name) == name
    assert load_zone(name).utcoffset(datetime.fromisoformat("2026-01-01")) is not None


def test_the_list_holds_every_zone_that_can_be_loaded_by_name() -> None:
    names = zone_names()

    assert len(names) > 500
    assert "Asia" not in names
    assert all(ZoneInfo(name).key == name for name in sorted(names)[::25])


@pytest.mark.parametrize(
    ("zone", "start", "at", "jump"),
    [
        ("Asia/Jerusalem", "2026-03-26", "2026-03-27T00:00", 60),
        ("Asia/Jerusalem", "2026-10-24", "2026-10-24T23:00", -60),
        ("Australia/Lord_Howe", "2026-10-03", "2026-10-03T15:30", 30),
        ("Antarctica/Troll", "2026-03-28", "2026-03-29T01:00", 120),
        ("Pacific/Apia", "2011-12-29", "2011-12-30T10:00", 24 * 60),
        ("Africa/Casablanca", "2026-02-14", "2026-02-15T02:00", -60),
    ],
)
def test_a_clock_change_is_found_to_the_second(zone: str, start: str, at: str, jump: int) -> None:
    first = parse_instant(start) + timedelta(microseconds=7)

    cuts = [piece for piece in pieces(ZoneInfo(zone), first, first + timedelta(days=9)) if piece.jump]

    assert [(cut.start, cut.jump) for cut in cuts] == [(parse_instant(at), timedelta(minutes=jump))]


def test_a_change_exactly_at_the_start_is_seen() -> None:
    change = parse_instant("2026-03-27T00:00")

    first = next(pieces(ZoneInfo("Asia/Jerusalem"), change, change + timedelta(hours=1)))

    assert first.jump == timedelta(hours=1)


@given(
    st.sampled_from(sorted(zone_names())),
    st.datetimes(YEAR_2000, YEAR_2040),
    st.timedeltas(timedelta(), timedelta(days=40)),
)
def test_pieces_join_without_hole_and_keep_their_offset(zone: str, start: datetime, length: timedelta) -> None:
    rules, first = ZoneInfo(zone), start.replace(tzinfo=UTC)
    end = first + length

    cuts = list(pieces(rules, first, end))

    assert [cut.start for cut in cuts] + [end] == [first] + [cut.end for cut in cuts]
    for cut in cuts:
        for instant in (
            cut.start,
            cut.start + (cut.end - cut.start) / 2,
            cut.end - timedelta(microseconds=1),
        ):
            assert instant.astimezone(rules).utcoffset() == cut.offset
