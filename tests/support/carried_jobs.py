"""Jobs for engines: quick ones, slow ones, and ones that do not end, each of a group of its own."""

from __future__ import annotations

import time

from sexton import Job, Run, every

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
