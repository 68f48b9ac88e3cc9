"""What a run would do, in one read-only snapshot: counts, the oldest rows, messages, what would stop it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine

from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..db.statement_timeout import answered_in_time
from ..errors import JobFailed
from ..jobs.duration import parse_duration
from ..jobs.job import Job
from ..jobs.rollup_scope import EVERY_RUN, RollupScope
from ..policies.contract import Plan
from ..run_counts import Counts
from ..run_state import RunState
from ..statements.batch_strategy import Request
from ..statements.preview import preview, references_in_words
from ..statements.samples import Sample, oldest_due
from .admission import foreseen
from .failure import error_message
from .outcome import Outcome
from .preflight import obstacle
from .python_functions import Run, checked, step_name
from .runner import ready


def counting(connection: Connection, job: Job) -> AbstractContextManager[None]:
    """Inside it what a run would do is counted, for as long as a run may take. TimedOut with what to do then."""
    advice = f"`sexton doctor {job.name}` says what index it lacks; a longer timeout of the job is one for this as well"
    what = f"{job.name}: counting what is due"
    return answered_in_time(connection, parse_duration(job.timeout).total_seconds(), what, advice)


def _of_policy(connection: Connection, plan: Plan, request: Request, rollup: RollupScope) -> tuple[Counts, Sample, str]:
    """Counts, samples, and what there is to say: which tables keep rows, who would be called, what drifted."""
    if plan.rollup is not None:
        from .rollup.preview import preview_rollup

        return preview_rollup(connection, plan, plan.rollup, request, rollup)
    said = references_in_words(connection, plan, request)
    counts, sample = preview(connection, plan, request), oldest_due(connection, plan, request)
    if plan.call is not None:
        from .calls.foreseen_calls import foreseen_calls

        calls = foreseen_calls(connection, plan, request)
        counts.picked, said = calls.number, calls.words(plan.step)
    return counts, sample, said


def dry_run(engine: Engine, job: Job, *, as_of: datetime | None = None, rollup: RollupScope = EVERY_RUN) -> Outcome:
    """What `run` would count now, or at `as_of`, with samples; reads one snapshot and changes nothing.

    rollup: which windows its roll-ups would compute.
    note, code: why a run would not do that as things stand: the guard would not let it, the database refuses
    it, or other tables keep rows.  TimedOut: counting took longer than a run may take.
    """
    plans = ready(engine, job, writing=False)
    counts: dict[str, Counts] = {}
    samples: dict[str, Sample] = {}
    notes = [obstacle(engine, job.name, plans)]
    with read_only(engine) as connection, counting(connection, job):
        require_schema(connection)
        at = as_of or ask_now(connection)
        own, request = [plan for plan in plans if not callable(plan)], Request(0, None, at, job.name, None)
        for plan in own:
            counts[plan.step], samples[plan.step], note = _of_policy(connection, plan, request, rollup)
            notes.append(note)
        why, code = foreseen(connection, own, request)
        notes.append(why or "")
    for plan in plans:
        if callable(plan):
            name = step_name(plan, counts)
            try:
                returned = plan(Run(engine, job.name, at, None, None))
            except (SystemExit, GeneratorExit) as left:  # else the command would end by it, and as if all were well
                raise JobFailed(f"{name}: {error_message(left)}") from left
            counts[name] = Counts() if returned is None else checked(name, returned)
    said = "; ".join(filter(None, notes)) or None
    return Outcome(job.name, RunState.SUCCEEDED, None, at, counts, note=said, code=code, samples=samples)
