"""Run a job: claim, execute its steps in order, finish. Every way to start a job ends here."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any, NamedTuple

from sqlalchemy import Engine

from ..errors import (
    HeldElsewhere,
    PolicyError,
    SchemaOutdated,
    SextonError,
    TimedOut,
)
from ..jobs.job import Job
from ..jobs.rollup_scope import RollupScope
from ..run_counts import Counts, total
from ..run_state import RunState
from ..slots.claim import AlreadyDone, Claim, claim, finish
from ..slots.due_run import DueRun
from ..slots.ending import Ending
from .closing import closed
from .context import Failure, Limits, RunContext, Watcher, deadline_after, no_watcher
from .failure import error_message, failed
from .hard_limit import OVERDUE, process_ends_at
from .outcome import Outcome, ended_by
from .readiness_cache import is_ready, was_ready_lately
from .stop_signals import Stop
from .unstartable import not_ours, record_unstartable

LastWord = Callable[[Outcome], None]
"""Told of a run that does not end, just before the process is ended."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is executed, beside what is to be run. Nothing of it changes what the run does to rows.

    limits: by default those of the settings' defaults.  definition: fingerprint of the settings; "": not known.
    stop: asks the run to end after its batch.  watch: told after each batch.  started: called once the run is ours.
    rollup: which windows its roll-ups compute; None: those of every run.
    last_word: the process belongs to the run, and is ended after this word when the run does not end; None: it is
    not.  watched: a worker looks after this process, and puts a run on record that did not even begin.
    """

    limits: Limits | None = None
    definition: str = ""
    stop: Stop | None = None
    watch: Watcher = no_watcher
    started: Callable[[Claim], None] | None = None
    last_word: LastWord | None = None
    rollup: RollupScope | None = None
    watched: bool = False


class _Start(NamedTuple):
    """A run that is about to begin. deadline: monotonic time at which it is over."""

    database: Engine
    due: DueRun
    options: RunOptions
    limits: Limits
    deadline: float

    def claim(self) -> Claim:
        """Take the right to execute it."""
        return claim(self.database, self.due, lease_seconds=self.limits.lease, definition=self.options.definition)

    def unstartable(self, error: BaseException, ending: Ending | None = None) -> Outcome:
        """Put on record that it could not begin."""
        seconds, definition = self.limits.lease, self.options.definition
        return record_unstartable(
            self.database, self.due, error, lease_seconds=seconds, definition=definition, ending=ending
        )


def planned(job: Job, database: Engine | None = None) -> list[Any]:
    """A job's work as what is executed: the plan of each policy, and functions as they are, in order.

    database: whose tables a policy of the settings file is matched with; see `Job.load`.
    PolicyError for work that is empty or neither, and for a policy that cannot be right.
    """
    try:
        work = job.load(database)
    except SextonError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        raise PolicyError(f"{job.name}: its work cannot be loaded: {error_message(error)}") from error
    steps = list(work) if isinstance(work, list | tuple) else [work]
    for step in steps:
        # By shape, not by class: a job that is a plain function needs none of the modules of policies.
        if not hasattr(step, "plan") and not callable(step):
            raise PolicyError(f"{job.name}: its work holds {step!r}, which is neither a policy nor a function")
    if not steps:
        raise PolicyError(f"{job.name}: its work is empty")
    plans: list[Any] = [replace(step.plan(), guard=job.guard) if hasattr(step, "plan") else step for step in steps]
    for plan in plans:
        if not callable(plan) and plan.call is not None:
            plan.call.require_time(plan.step, job.name, job.time_limit)
    return plans


def ready(engine: Engine, job: Job, *, writing: bool = True, seconds: float = inf) -> list[Any]:
    """The plans of a job that can run here; see `preflight` for what is refused. seconds: for each question."""
    plans = planned(job, engine)
    if not all(callable(plan) for plan in plans):
        from .preflight import preflight

        preflight(engine, job.name, plans, writing=writing, seconds=seconds)
    return plans


def run(database: Engine, job: Job, due: DueRun, options: RunOptions | None = None) -> Outcome:
    """Execute `job` once, as `due` says, and say how it ended; whatever the job does, and on record.

    due: of this job.  options: by default those of a run that nobody watches and nobody can stop.
    Raises what is nobody's job and stands in the way of all: DatabaseUnreachable, SchemaOutdated, clocks that differ.
    """
    options = options or RunOptions()
    starting = _Start(database, due, options, options.limits or Limits(), deadline_after(job.time_limit))
    begun = _begun(starting, job)
    if isinstance(begun, Outcome):
        return begun
    plans, claimed = begun
    if options.started is not None:
        options.started(claimed)
    stop = options.stop or Stop()
    context = RunContext(database, claimed, starting.limits, starting.deadline, stop, options.watch)
    context.rollup = options.rollup or context.rollup
    with _ending(starting.deadline, options.last_word, partial(_overdue, context)):
        ending = _execute(context, plans)
    return _close(context, ending)


def _begun(starting: _Start, job: Job) -> tuple[list[Any], Claim] | Outcome:
    """The work and the right to do it; or how the run ended that could not begin, or was not ours."""
    try:
        plans = _loaded(starting, job)
    except SchemaOutdated:
        raise
    except BaseException as error:
        return starting.unstartable(error)
    try:
        return plans, starting.claim()
    except (AlreadyDone, HeldElsewhere) as none:
        return not_ours(job.name, none)


def _loaded(starting: _Start, job: Job) -> list[Any]:
    """The work, loaded. Where the process belongs to the run, loading that goes on past the deadline ends it then."""
    last_word = None if starting.options.watched else starting.options.last_word
    late = TimedOut(f"while its work was loaded: {OVERDUE.error}")
    overdue = Outcome(job.name, OVERDUE.state, error=str(late), code=OVERDUE.code, failure=Failure(late), refused=True)
    with _ending(starting.deadline, last_word, lambda: (overdue, partial(starting.unstartable, late, OVERDUE))):
        try:
            if was_ready_lately(starting.database, job):
                return planned(job, starting.database)
            plans = ready(starting.database, job, seconds=max(starting.deadline - time.monotonic(), 0.001))
            is_ready(starting.database, job)
            return plans
        except HeldElsewhere:
            return planned(
                job, starting.database
            )  # a table is locked: the run will wait for it, give up, and be on record


def _ending(
    deadline: float, last_word: LastWord | None, end: Callable[[], tuple[Outcome, Callable[[], object]]]
) -> AbstractContextManager[None]:
    """end: how a run that goes on past the deadline ends, and what puts that on record."""
    if last_word is None:
        return nullcontext()

    def record() -> None:
        outcome, on_record = end()
        last_word(outcome)
        on_record()

    return process_ends_at(deadline, record)


def _overdue(context: RunContext) -> tuple[Outcome, Callable[[], object]]:
    claimed = context.claim
    outcome = _outcome(context, OVERDUE)
    return outcome, partial(finish, context.engine, claimed, OVERDUE, None)


def _execute(context: RunContext, plans: list[Any]) -> Ending:
    """All steps, and how they end. Nothing that a job raises passes."""
    try:
        _steps(context, plans)
    except BaseException as error:
        stopped = context.stop.reason if context.stop.asked else ""
        ending = ended_by(error, overdue=context.left() <= 0, stopped=stopped)
        if ending.error:
            return ending
        return replace(
            ending, error=failed(context, error) if ending.state == RunState.FAILED else error_message(error)
        )
    return _ended(context)


def _ended(context: RunContext) -> Ending:
    """How a run ends whose steps all went through."""
    if context.failures:
        return Ending(RunState.FAILED, "; ".join(context.failures), "; ".join(context.notes) or None)
    left = _leftovers(total(context.steps), context.left_behind)
    note = "; ".join(filter(None, (left, *context.notes))) or None
    return Ending(RunState.PARTIAL if left else RunState.SUCCEEDED, None, note, context.code)


def _steps(context: RunContext, plans: list[Any]) -> None:
    """One after the other; where the job has to be armed and is not, its policies are counted and nothing is done."""
    if any(not callable(plan) and plan.guard is not None and plan.guard.arm for plan in plans):
        from .admission import only_counted

        if only_counted(context, plans):
            return
    for plan in plans:
        _step(context, plan)


def _step(context: RunContext, plan: Any) -> None:
    context.check()
    if callable(plan):
        from .python_functions import call, step_name

        call(context, step_name(plan, context.steps), plan)
        return
    # Imported here: a job that is a plain function needs none of the batch machinery.
    from .admission import may_run
    from .batches import Batches
    from .kept_rows import conclude
    from .left_over import take_left_over

    may_run(context, plan)
    if plan.archive is not None:
        from .archive.archiver import Archiver

        Archiver(context, plan, plan.archive).run()
        return
    if plan.call is not None:
        from .calls.caller import Caller

        Caller(context, plan).run()
        return
    if plan.rollup is not None:
        from .rollup.executor import RollupRun

        RollupRun(context, plan, plan.rollup).run()
        return

    batches = Batches(context, plan)
    batches.run()
    take_left_over(batches)
    batches.forget_healed()
    conclude(batches)


def _close(context: RunContext, ending: Ending) -> Outcome:
    return _outcome(context, closed(context, ending))


def _outcome(context: RunContext, ending: Ending) -> Outcome:
    claimed, said = context.claim, (ending.error, ending.note, ending.code)
    run = (claimed.job, ending.state, claimed.run_id, claimed.as_of, context.steps)
    return Outcome(*run, *said, failure=context.failure)


def _leftovers(whole: Counts, behind: list[str]) -> str:
    parts = [*behind]
    if whole.poison:
        parts.append(f"{whole.poison} row{'s' * (whole.poison != 1)} refused and set aside")
    if whole.skipped:
        rows = f"{whole.skipped} row{'s' * (whole.skipped != 1)}"
        parts.append(f"{rows} left at the end: locked by others, or due again after the change")
    return "; ".join(parts)
