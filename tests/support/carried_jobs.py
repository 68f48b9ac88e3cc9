"""Jobs for engines: quick ones, slow ones, and ones that do not end, each of a group of its own."""

from __future__ import annotations

import time

from sqlalchemy import text

from sexton import Job, OnDemand, Run, every

from .worker_jobs import crash, doze, quick, spin


def linger(run: Run) -> None:
    """Works until somebody asks it to end."""
    while True:
        run.check()
        time.sleep(0.02)


def job(name: str, work: object, **options: object) -> Job:
    """One of a group of its own, so that none waits for another."""
    return Job(f"carried.{name}", work=work, group=name, **options)  # type: ignore[arg-type]


asked = job("quick", quick)
ticking = job("ticking", quick, schedule=every("1s"))
lingering = job("linger", linger, timeout="10m")
spinning = job("spin", spin, timeout="1s")
dozing = job("doze", doze, timeout="1s")
crashing = job("crash", crash)


def note(run: Run, number: int) -> None:
    """Writes down that it was called."""
    with run.transaction() as connection:
        connection.execute(text("INSERT INTO noted VALUES (:number)"), {"number": number})


noting = job("note", note, on_demand=OnDemand(attempts=2))
