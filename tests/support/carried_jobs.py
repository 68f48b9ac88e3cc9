"""Jobs for engines: quick ones, slow ones, and ones that do not end, each of a group of its own.

`SCHEDULED` are switched off by the settings of the suite; a test switches on what it needs.
"""

from __future__ import annotations

import time

from sqlalchemy import text

from sexton import Job, OnDemand, Run, cron, every
from sexton.jobs.backoff import parse_backoff

from .worker_jobs import crash, doze, quick, spin


def linger(run: Run) -> None:
    """Works until somebody asks it to end."""
    while True:
        run.check()
        time.sleep(0.02)


def until_told(run: Run) -> None:
    """Works until somebody writes a note, or asks it to end."""
    while True:
        run.check()
        with run.transaction() as connection:
            if connection.execute(text("SELECT count(*) FROM noted")).scalar_one():
                return
        time.sleep(0.02)


def brood(run: Run) -> None:
    """Lets the database sleep in a transaction of the run."""
    with run.transaction() as connection:
        connection.execute(text("SELECT pg_sleep(600)"))


def broken(run: Run) -> None:
    """Fails."""
    raise RuntimeError("the receiver is down")


def job(name: str, work: object, **options: object) -> Job:
    """One of a group of its own, so that none waits for another."""
    return Job(f"carried.{name}", work=work, group=name, **options)  # type: ignore[arg-type]


asked = job("quick", quick)
ticking = job("ticking", quick, schedule=every("1s"))
lingering = job("linger", linger, timeout="10m")
spinning = job("spin", spin, timeout="1s")
dozing = job("doze", doze, timeout="1s")
crashing = job("crash", crash)
brooding = job("brood", brood, timeout="1s")
waiting = job("until_told", until_told, timeout="10m")
slow_tick = job("slow_tick", until_told, timeout="10m", schedule=every("1s"))
SCHEDULED = ("ticking", "slow_tick", "yearly", "monthly", "failing")
first_of_two = Job("pair.first", work=until_told, timeout="10m")
second_of_two = Job("pair.second", work=quick)
yearly = job("yearly", quick, schedule=cron("0 0 1 1 *"), catch_up=True)
failing = job("failing", broken, schedule=cron("0 0 1 1 *"), catch_up=True, retry=parse_backoff(["10h"]))
monthly = job("monthly", quick, schedule=every("30d"), catch_up=True)


def note(run: Run, number: int) -> None:
    """Writes down that it was called."""
    with run.transaction() as connection:
        connection.execute(text("INSERT INTO noted VALUES (:number)"), {"number": number})


def note_when_told(run: Run, number: int) -> None:
    """Works until somebody writes a note, or it is cancelled."""
    until_told(run)
    note(run, number)


slow_note = job("slow_note", note_when_told, on_demand=OnDemand(attempts=2), timeout="10m")
noting = job("note", note, on_demand=OnDemand(attempts=2))

for _number in range(20):
    globals()[f"many_{_number}"] = job(f"many_{_number}", quick, priority=_number % 3 - 1)
