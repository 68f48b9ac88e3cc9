"""REP-17: a job that Sexton sees for the first time: due at its next slot, late for nothing; or at once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.support.past_runs import database_time

from .shell import Inside

JOBS = """from sexton import Job, cron

def sweep(run):
    print("swept")

nightly = Job("shop.nightly", schedule=cron("{minute} {hour} * * *"), work=sweep)
"""


@pytest.fixture
def shop(inside: Inside, database: str, engine: Engine) -> Inside:
    """A folder with one job, which was due an hour and a half ago, as nobody here knows."""
    slot = database_time(engine) - timedelta(minutes=90)
    inside.write("shop_jobs.py", JOBS.format(minute=slot.minute, hour=slot.hour))
    inside.environment |= {"SEXTON_DATABASE": database}
    configure(inside, "")
    return inside


def configure(shop: Inside, more: str) -> None:
    """Only this job has a schedule."""
    off = '[job."sexton.housekeeping"]\nenabled = false\n'
    shop.write("sexton.toml", f'jobs = ["shop_jobs.py"]\n{off}{more}')


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_17_a_new_job_waits_for_its_next_slot_and_is_late_for_nothing(shop: Inside, engine: Engine) -> None:
    """The crontab line of every five minutes, twice; then the monitor, and a person who looks."""
    assert [(done.code, done.out, done.err) for done in (shop.sexton("run", "--due") for _ in range(2))] == [
        (0, "", "")
    ] * 2
    health, jobs = shop.sexton("check", "--health"), json.loads(shop.sexton("jobs", "--live", "--json").out)

    assert (health.code, health.out) == (0, "ok       health: 2 jobs, none too late\n")
    nightly = next(job for job in jobs if job["name"] == "shop.nightly")
    now = database_time(engine)
    assert f"{now + timedelta(hours=22):%Y-%m-%dT%H}" <= nightly["next"] < f"{now + timedelta(hours=23):%Y-%m-%dT%H:%M}"
    assert shop.sexton("history", "--json").out == "[]\n"


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_17_catch_up_of_the_settings_runs_it_at_once(shop: Inside) -> None:
    configure(shop, '[job."shop.nightly"]\ncatch_up = true\n')

    assert '"succeeded"' in shop.sexton("run", "--due").out
    assert shop.sexton("run", "--due").out == ""


@pytest.mark.databases("sqlite", "postgres15")
def test_x9_before_anything_has_looked_the_monitor_says_so_and_calls_nothing_late(shop: Inside) -> None:
    before = shop.sexton("check", "--health")
    shop.sexton("run", "--due", "shop.nightly")
    shop.write(
        "shop_jobs.py", JOBS.format(minute=1, hour=1).replace("nightly", "weekly") + JOBS.format(minute=1, hour=1)
    )
    after = shop.sexton("check", "--health")

    assert (before.code, before.out.count("\n")) == (1, 1)
    assert before.out.startswith("wrong    health: nothing has looked yet whether a job is due; start `sexton worker`")
    assert (after.code, after.out.splitlines()) == (
        0,
        [
            "warning  shop.weekly: new: nothing has looked yet whether it is due",
            "ok       health: 3 jobs, none too late",
        ],
    )
