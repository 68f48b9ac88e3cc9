"""A thousand jobs that are due at midnight; ten of them, registered last, matter more than the others."""

from __future__ import annotations

from sexton import Job, cron

from .worker_jobs import quick

MIDNIGHT = cron("0 0 * * *")
jobs = [
    Job(f"crowd.number_{number}", schedule=MIDNIGHT, work=quick, group=f"g{number % 2}", catch_up=True)
    for number in range(990)
]
globals().update({f"crowd_{number}": job for number, job in enumerate(jobs)})
urgent = [
    Job(f"urgent.number_{number}", schedule=MIDNIGHT, work=quick, priority=10, group=f"u{number}", catch_up=True)
    for number in range(10)
]
globals().update({f"urgent_{number}": job for number, job in enumerate(urgent)})
