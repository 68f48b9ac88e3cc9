"""Runs that are to be started: in which order, and which of them may run beside each other. Pure."""

from __future__ import annotations

from collections.abc import Collection

from ...jobs.job import Job
from ...slots.claim import DueRun


def group_of(job: Job) -> str:
    """Jobs of one group never run at once: by default those of one pack, as they share rows (PF-141)."""
    return job.group or job.name.partition(".")[0]


class Waiting:
    """What is due and not begun, first come, first served; each look at what is due brings it in registry order.

    Were it always in registry order, jobs with short intervals would keep the last ones from ever running.
    """

    def __init__(self) -> None:
        self._runs: list[DueRun] = []

    def add(self, due: DueRun) -> None:
        """Take it in, after what waits already with the same priority; what people asked for comes before slots.

        Of runs that people asked for, one a job waits: so do they in the database, and others may name any number.
        """
        asked = due.queued is not None and any(
            run.job.name == due.job.name and run.queued is not None for run in self._runs
        )
        if due not in self._runs and not asked:
            self._runs.append(due)
            self._runs.sort(key=lambda run: (-run.job.priority, run.queued is None))

    def next(self, busy: Collection[Job], concurrency: int) -> DueRun | None:
        """Take out the run to start now, given the jobs under way; None when nothing may start."""
        if len(busy) >= concurrency:
            return None
        groups = {group_of(job) for job in busy}
        for run in self._runs:
            if group_of(run.job) not in groups:
                self._runs.remove(run)
                return run
        return None

    def names(self) -> set[str]:
        """Jobs that wait."""
        return {run.job.name for run in self._runs}

    def drop(self, name: str) -> None:
        """Forget the runs of this job: its first one could not begin, and a later slot must not pass an earlier one."""
        self._runs = [run for run in self._runs if run.job.name != name]

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()

    def __len__(self) -> int:
        return len(self._runs)
