"""Jobs for workers of Celery: they say where they run, and wait until somebody asks them to end."""

from __future__ import annotations

import os
import time

from sexton import Counts, Job, Run, cron


def where(run: Run) -> Counts:
    """Counts the process that it runs in, and the one above."""
    return Counts(picked=os.getpid(), changed=os.getppid())


def linger(run: Run) -> None:
    """Works until somebody asks it to end."""
    while True:
        run.check()
        time.sleep(0.02)


def two_seconds(run: Run) -> None:
    """Works for so long."""
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        run.check()
        time.sleep(0.02)


where_job = Job("celery.where", work=where, group="where")
linger_job = Job("celery.linger", work=linger, group="linger", timeout="10m")
second_job = Job("celery.second", work=linger, group="second", timeout="10m")
two_seconds_job = Job("celery.two_seconds", work=two_seconds, group="two_seconds")
rare_job = Job("celery.rare", work=where, group="rare", schedule=cron("0 0 1 1 *"))
