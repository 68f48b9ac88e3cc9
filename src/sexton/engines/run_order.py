"""Due runs that are not begun: in which order they start, which may run beside each other, what must not pass what."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ..jobs.job import Job
from ..jobs.registry import Registry
from ..slots.due_run import DueRun


def group_of(job: Job) -> str:
    """Jobs of one group never run at once: by default those of one pack, as they share rows (PF-141)."""
    return job.group or job.name.partition(".")[0]


class DueQueue:
    """What is due and not begun, first come, first served; each look at what is due brings it in registry order.

    Were it always in registry order, jobs with short intervals would keep the last ones from ever running.
    registry: of the jobs that are added.  clock: monotonic seconds.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._runs: list[DueRun] = []
        self._held_back: dict[str, float] = {}

    def add(self, due: DueRun) -> None:
        """Take it in, after what waits already with the same priority; what people asked for comes before slots.

        Of runs that people asked for, one a job waits: so do they in the database, and others may name any number.
        None of a job that is held back: it is found again by the look at the end of that.
        """
        asked = due.queued is not None and any(run.job == due.job and run.queued is not None for run in self._runs)
        if due not in self._runs and not asked and due.job not in self._held_back:
            self._runs.append(due)
            self._runs.sort(key=lambda run: (-self._registry.get(run.job).priority, run.queued is None))

    def next(self, busy: Collection[str], concurrency: int) -> DueRun | None:
        """Take out the run to start now, given the names of jobs under way; None when nothing may start."""
        if len(busy) >= concurrency:
            return None
        groups = {self._group(name) for name in busy}
        for run in self._runs:
            if self._group(run.job) not in groups:
                self._runs.remove(run)
                return run
        return None

    def _group(self, name: str) -> str:
        return group_of(self._registry.get(name))

    def names(self) -> set[str]:
        """Jobs that wait."""
        return {run.job for run in self._runs}

    def hold_back(self, name: str, seconds: float) -> None:
        """Forget the runs of this job, and take none in for so long: an earlier one is not settled, and none passes it.

        A new look at the job afterwards brings the earlier one first.
        """
        self._runs = [run for run in self._runs if run.job != name]
        self._held_back[name] = self._clock() + seconds

    def released(self) -> set[str]:
        """Jobs that are held back no longer since the last call: to be looked at anew."""
        over = {name for name, until in self._held_back.items() if until <= self._clock()}
        for name in over:
            del self._held_back[name]
        return over

    def releases_at(self) -> float | None:
        """When the next job is held back no longer, by the clock; None when none is."""
        return min(self._held_back.values(), default=None)

    def clear(self) -> None:
        """Forget everything, also what is held back."""
        self._runs.clear()
        self._held_back.clear()

    def __len__(self) -> int:
        return len(self._runs)
