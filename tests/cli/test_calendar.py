"""`sexton calendar`: the load of the coming days in 80 columns, the busiest minute, warnings (BJ-28.1)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from sexton.cli._load_chart import picture

from .shell import Inside
from .test_start import on_a_terminal

NOW = "2027-03-26T09:30Z"
JOBS = """
from sexton import Job, cron, every

gap = Job("shop.gap", schedule=cron("30 2 * * *", tz="Europe/Berlin"), work=print)
often = Job("shop.often", schedule=every("5m"), work=print)
"""


@pytest.fixture
def shop(inside: Inside) -> Inside:
    inside.write("sexton.toml", 'packs = ["marketplace"]\njobs = ["own.py"]\n')
    inside.write("own.py", JOBS)
    return inside


def test_bj_28_1_the_load_of_a_week_fits_80_columns(shop: Inside) -> None:
    done = shop.sexton("calendar", "--days", "7", "--now", NOW)

    assert done.code == 0
    assert [line for line in done.out.splitlines() if len(line) > 80 and not line.startswith("warning")] == []
    rows = re.findall(r"^(\w{3} \d\d \w{3})   (.{47})  (\d+) runs$", done.out, re.MULTILINE)
    assert [day for day, _, _ in rows][:2] == ["Fri 26 Mar", "Sat 27 Mar"]
    assert len(rows) == 8, "half of the first and half of the eighth day"
    slots = json.loads(shop.sexton("calendar", "--days", "7", "--now", NOW, "--json").out)
    assert sum(int(runs) for _, _, runs in rows) == len(slots)
    friday, saturday = rows[0][1].split(), rows[1][1].split()
    assert friday[:9] == ["·"] * 9
    assert friday[9] < friday[10], "half an hour, an hour"
    assert saturday[4] == "█", "the hour with the marketplace in it"


def test_the_busiest_minute_is_named(shop: Inside) -> None:
    done = shop.sexton("calendar", "--now", NOW)
    assert "busiest minute: Sat 27 Mar 01:30 UTC, 2 runs" in done.out


def test_bj_28_1_warnings_name_the_date_and_what_will_happen(shop: Inside) -> None:
    done = shop.sexton("calendar", "--now", NOW)
    assert (
        "warning shop.gap: 02:30 Europe/Berlin does not exist on 2027-03-28; it runs once, at the end of the gap, 03:00"
    ) in done.out.splitlines()
    checked = shop.sexton("check", "--offline")
    assert re.search(r"^warning +shop\.gap: 02:30 Europe/Berlin (comes twice|does not exist) on ", checked.out, re.M)
    assert checked.code == 0


def test_warnings_are_wrapped_on_a_terminal(shop: Inside) -> None:
    _, shown = on_a_terminal(shop, ("calendar", "--now", NOW))
    assert "warning shop.gap" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_the_json_is_the_list_alone(shop: Inside) -> None:
    entries = json.loads(shop.sexton("calendar", "--now", NOW, "--json").out)
    assert {"slot", "job"} == set().union(*entries)


def test_a_picture_of_one_run() -> None:
    start = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    lines = list(picture([(start + timedelta(hours=1), "a.a")], start, 1))
    assert lines[-1] == "busiest minute: Sun 22 Nov 10:30 UTC, 1 run"
    assert sum(line.count("█") for line in lines[2:]) == 1
    assert len(lines) == 5
    assert list(picture([], start, 1)) == []
