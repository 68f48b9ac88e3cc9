"""Due runs that are not begun: their order, which may run beside each other, and what must not pass what.

A later slot of a job never passes one that is still to be tried; which ends leave a slot so is said by `after`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from ..jobs.job import Job
from ..jobs.registry import Registry
from ..run_state import NoRun
from ..runs.outcome import Outcome
from ..slots.due_run import DueRun

UNSETTLED_SECONDS = 1.0
"""Seconds until a job is looked at again whose run left its slot to be tried again."""

UNKNOWN_SECONDS = 30.0
"""Seconds until a job is looked at again that the process which was to run it does not know."""


@dataclass(frozen=True, slots=True)
class Next:
    """What follows from how a run ended.

    settled: later slots of the job may run; else they are held back until a new look at what is due.
    look_again: seconds until that look at the job; 0: at once, its next slot may be due.
    in_the_way: what kept it from beginning keeps all jobs from it, the database, the schema, the clock.
    """

    settled: bool
    look_again: float
    in_the_way: bool = False


def after(outcome: Outcome) -> Next:
    """What an engine does next."""
    if outcome.settled:
        return Next(settled=True, look_again=0.0)
    if outcome.state is NoRun.UNKNOWN_JOB:
        return Next(settled=False, look_again=UNKNOWN_SECONDS)
    in_the_way = outcome.state is NoRun.UNREACHABLE and outcome.run_id is None
    return Next(settled=False, look_again=UNSETTLED_SECONDS, in_the_way=in_the_way)


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
            self._runs.sort(
                key=lambda run: (-self._registry.get(run.job).priority, run.queued is None or run.slot is not None)
            )

    def next(self, busy: Collection[str], concurrency: float) -> DueRun | None:
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

    def ended(self, name: str, outcome: Outcome, *, closing: bool = False) -> Next:
        """What follows from how a run of this job ended, kept to here: unless it is settled the job is held back.

        closing: its end is not on record yet, so it is not settled whatever it was.
        """
        then = after(outcome)
        if closing or not then.settled:
            then = replace(then, settled=False, look_again=max(then.look_again, UNSETTLED_SECONDS))
            self._hold_back(name, then.look_again)
        return then

    def _hold_back(self, name: str, seconds: float) -> None:
        """Forget the job's runs, and take none in for so long; a new look afterwards brings the earlier one first."""
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
