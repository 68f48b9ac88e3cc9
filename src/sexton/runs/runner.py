"""Run a job: claim, execute its steps in order, finish. Every way to start a job ends here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify, describe
from ..errors import (
    DONE,
    FAILED,
    HELD,
    PARTIAL,
    UNREACHABLE,
    DatabaseUnreachable,
    HeldElsewhere,
    LeaseLost,
    PolicyError,
    SextonError,
    Stopped,
    TimedOut,
    scrubbed,
)
from ..jobs.job import Job
from .claim import AlreadyDone, Claim, Wanted, claim, committed, finish
from .context import Limits, RunContext, Watcher, deadline_after, nobody
from .counts import Counts, total
from .functions import call
from .hard_limit import OVERDUE, process_ends_at
from .stop import Stop

if TYPE_CHECKING:
    from .samples import Sample

FINISHING = 6
"""How often closing a run is tried; the waits between grow to some seconds."""

EXIT_CODES = {
    "succeeded": DONE,
    "already done": DONE,
    "partial": PARTIAL,
    "failed": FAILED,
    "timed_out": FAILED,
    "cancelled": PARTIAL,
    "held": HELD,
    "unreachable": UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. state: of the run row, or "already done" / "held" when there was nothing to run.

    run_id: None when no run was made.  steps: counts by step.  error: one line, or None.  samples: of a dry run.
    """

    job: str
    state: str
    run_id: int | None = None
    as_of: datetime | None = None
    steps: dict[str, Counts] = field(default_factory=dict)
    error: str | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What a command that ran just this job ends with."""
        return EXIT_CODES[self.state]

    @property
    def total(self) -> Counts:
        """All steps together."""
        return total(self.steps)


def planned(job: Job) -> list[Any]:
    """A job's work as what is executed: the plan of each policy, and functions as they are, in order.

    PolicyError for work that is empty or neither, and for a policy that cannot be right.
    """
    try:
        work = job.load()
    except SextonError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {_first_line(error)}"
        raise PolicyError(f"{job.name}: its work cannot be loaded: {what}") from error
    steps = list(work) if isinstance(work, list | tuple) else [work]
    for step in steps:
        # By shape, not by class: a job that is a plain function needs none of the modules of policies.
        if not hasattr(step, "plan") and not callable(step):
            raise PolicyError(f"{job.name}: its work holds {step!r}, which is neither a policy nor a function")
    if not steps:
        raise PolicyError(f"{job.name}: its work is empty")
    return [step.plan() if hasattr(step, "plan") else step for step in steps]


def ready(engine: Engine, job: Job, *, writing: bool = True) -> list[Any]:
    """The plans of a job that can run here; see `preflight` for what is refused."""
    plans = planned(job)
    if not all(callable(plan) for plan in plans):
        from .preflight import preflight

        preflight(engine, job.name, plans, writing=writing)
    return plans


def run(
    engine: Engine,
    job: Job,
    *,
    slot: datetime | None = None,
    as_of: datetime | None = None,
    limits: Limits | None = None,
    stop: Stop | None = None,
    watch: Watcher = nobody,
    definition: str = "",
    missed: int = 0,
    queued: int | None = None,
    wall: str | None = None,
    hard: bool = False,
    watched: bool = False,
    started: Callable[[Claim], None] | None = None,
) -> Outcome:
    """Execute `job` once, for `slot` or by hand, and say how it ended.

    as_of: the run's time; the database's by default.  missed, queued, wall: see `Wanted`.
    hard: the process belongs to the run, and is ended when the run does not end.  watched: a worker looks after this
    process, and puts a run on record that did not even begin.  started: called once the run is ours.
    UsageError before anything starts: unknown columns, a schema not migrated. DatabaseUnreachable likewise.
    """
    limits = limits or Limits()
    wanted = Wanted(job.name, slot, as_of, definition, limits.lease, missed, queued, wall)
    deadline = deadline_after(job.time_limit)
    try:
        plans, claimed = _begun(engine, job, wanted, deadline if hard and not watched else None)
    except AlreadyDone as done:
        return Outcome(job.name, "already done", error=str(done))
    except HeldElsewhere as held:
        return Outcome(job.name, "held", error=str(held))
    if started is not None:
        started(claimed)
    context = RunContext(engine, claimed, limits, deadline, stop or Stop(), watch)
    with _ending(deadline if hard else None, lambda: finish(engine, claimed, "timed_out", None, OVERDUE)):
        state, error = _execute(context, plans)
    return _close(context, state, error)


def _begun(engine: Engine, job: Job, wanted: Wanted, deadline: float | None) -> tuple[list[Any], Claim]:
    """The work, loaded, and the right to do it. deadline: loading ends the process then; None: never."""
    late = SextonError(f"while its work was loaded: {OVERDUE}")
    with _ending(deadline, lambda: refused(engine, wanted, late, "timed_out")):
        try:
            plans = ready(engine, job)
        except HeldElsewhere:
            plans = planned(job)  # a table is locked: the run will wait for it, give up, and be on record
        return plans, claim(engine, wanted)


def _ending(deadline: float | None, record: Callable[[], object]) -> AbstractContextManager[None]:
    return nullcontext() if deadline is None else process_ends_at(deadline, record)


def refused(engine: Engine, wanted: Wanted, error: SextonError, state: str = "failed") -> Outcome:
    """Put a run on record that could not begin: its table is missing, its work cannot be loaded."""
    try:
        claimed = claim(engine, wanted)
        finish(engine, claimed, state, None, str(error))
    except AlreadyDone as done:
        return Outcome(wanted.job, "already done", error=str(done))
    except HeldElsewhere as held:
        return Outcome(wanted.job, "held", error=str(held))
    return Outcome(wanted.job, state, claimed.run_id, claimed.as_of, error=str(error))


def _execute(context: RunContext, plans: list[Any]) -> tuple[str, str | None]:
    """All steps; the state they end in, and the error if any. Only unforeseen errors pass."""
    try:
        for plan in plans:
            _step(context, plan)
    except Stopped as stopped:
        return "cancelled", str(stopped)
    except TimedOut as late:
        return "timed_out", str(late)
    except LeaseLost as lost:
        return "held", str(lost)
    except HeldElsewhere as blocked:
        return "cancelled", str(blocked)
    except DatabaseUnreachable as gone:
        return "unreachable", str(gone)
    except SextonError as error:
        return "failed", str(error)
    except DBAPIError as error:
        # The database ended a statement whose limit was what was left of the run.
        ended = context.left() <= 0 and classify(error) is Fault.CANCELLED
        return "timed_out" if ended else "failed", describe(error)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {_first_line(error)}"
    whole = total(context.steps)
    left = whole.skipped or whole.poison or whole.kept
    return ("partial", _leftovers(whole)) if left else ("succeeded", context.note)


def _step(context: RunContext, plan: Any) -> None:
    context.check()
    if callable(plan):
        call(context, getattr(plan, "__name__", "function"), plan)
        return
    # Imported here: a job that is a plain function needs none of the batch machinery.
    from .batches import Batches
    from .guarded import may_run
    from .left_over import take_left_over

    if plan.guard is not None and not may_run(context, plan):
        return
    if plan.archive is not None:
        from .archive.take import Archiver

        Archiver(context, plan, plan.archive).run()
        return

    batches = Batches(context, plan)
    batches.run()
    take_left_over(batches)
    batches.forget_healed()


def _close(context: RunContext, state: str, error: str | None) -> Outcome:
    claimed = context.claim
    if state not in ("held", "unreachable"):
        state, error = _finished(context, state, error)
    return Outcome(claimed.job, state, claimed.run_id, claimed.as_of, context.steps, error)


def _finished(context: RunContext, state: str, error: str | None) -> tuple[str, str | None]:
    """Close the run row, trying again when the connection breaks; whether a lost COMMIT counted is looked up."""
    for tries in range(FINISHING):
        try:
            finish(context.engine, context.claim, state, context.counts_json(), error)
        except LeaseLost as lost:
            # Closing gives the lease back: after a lost answer this may be our own doing.
            ours = tries > 0 and committed(context.engine, context.claim)[1] == state
            return (state, error) if ours else ("held", str(lost))
        except DBAPIError as gone:
            broken = gone
            time.sleep(0.05 * 2**tries)
        else:
            return state, error
    return "unreachable", describe(broken)


def _leftovers(whole: Counts) -> str:
    parts = []
    if whole.poison:
        parts.append(f"{whole.poison} row{'s' * (whole.poison != 1)} refused and set aside")
    if whole.skipped:
        rows = f"{whole.skipped} row{'s' * (whole.skipped != 1)}"
        parts.append(f"{rows} left at the end: locked by others, or due again after the change")
    if whole.kept:
        parts.append(f"{whole.kept} row{'s' * (whole.kept != 1)} found and not deleted")
    return "; ".join(parts)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return scrubbed(lines[0])[:300] if lines else "(no message)"
