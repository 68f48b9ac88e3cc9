"""Twenty jobs that are due every second, for storms: one of them wants every slot, the others the latest."""

from __future__ import annotations

from sexton import Job, Misfire, every

from .worker_jobs import quick

jobs = [Job(f"tick.number_{number}", schedule=every("1s"), work=quick, group=f"g{number % 4}") for number in range(19)]
globals().update({f"tick_{number}": job for number, job in enumerate(jobs)})
eager = Job("tick.every_slot", schedule=every("1s"), work=quick, misfire=Misfire("all", limit=1000))
