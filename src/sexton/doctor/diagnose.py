"""The doctor's round: the database first, then each job, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only, require_file
from ..db.faults import describe
from ..db.server_clock import ask_now
from ..errors import DatabaseUnreachable, HeldElsewhere, SchemaOutdated, SextonError
from ..jobs.job import Job
from ..policies.contract import Plan
from ..runs.preflight import preflight
from ..runs.runner import planned
from .archive_folders import archive_folder
from .explain_plans import plan_of
from .finding import Case, Finding, Question, answers
from .privileges import own_rights, rights_for
from .sample_batch import measure_sample_batch
from .server import clock, pooler, schema, server
from .touched_tables import indexes_of, referencing_tables_of, triggers_of
from .vacuum import autovacuum_of, partitions_past_keeping
from .vacuum_holders import vacuum_holders
from .workload import count_due, load_of, unknown_zones, unreadable_times

StepQuestion = Callable[[Connection, Case], Iterable[Finding]]

STEP_QUESTIONS: dict[str, StepQuestion] = {
    "plan": plan_of,
    "index": indexes_of,
    "children": referencing_tables_of,
    "triggers": triggers_of,
    "time column": unreadable_times,
    "time zone": unknown_zones,
    "due": load_of,
    "autovacuum": autovacuum_of,
    "partitions": partitions_past_keeping,
}
"""What is asked about each step that can run, in this order."""


def diagnose(engine: Engine, jobs: Iterable[Job], *, size: int, sampling: bool = False) -> Iterator[Finding]:
    """All findings, one after the other. Changes nothing; sampling: but for a batch that is rolled back.

    size: rows of a batch.  DatabaseUnreachable.
    """
    if engine.dialect.name == "sqlite":
        require_file(engine.url.database or ":memory:")
    barred = False
    for finding in _of_database(engine):
        barred = barred or (finding.level, finding.about) == ("wrong", "rights")
        yield finding
    with read_only(engine) as connection:
        now = ask_now(connection)
    tour = _Tour(engine, size, now, sampling, barred)
    for job in jobs:
        for finding in tour.of_job(job):
            yield replace(finding, job=job.name)


def _of_database(engine: Engine) -> Iterator[Finding]:
    for about, question in (("server", server), ("clock", clock), ("pooler", pooler)):
        yield from answers(engine, about, question)
    denied = answers(engine, "rights", own_rights) if engine.dialect.name == "postgresql" else []
    yield from denied or answers(engine, "schema", schema)
    yield from answers(engine, "transactions", vacuum_holders)


@dataclass(frozen=True, slots=True)
class _Tour:
    """Goes from job to job. barred: this role lacks rights on Sexton's own tables, which was told."""

    engine: Engine
    size: int
    now: datetime
    sampling: bool
    barred: bool

    def of_job(self, job: Job) -> Iterator[Finding]:
        """What concerns the job as a whole, and its steps."""
        try:
            steps = planned(job, self.engine)
        except DatabaseUnreachable:
            raise
        except SextonError as error:
            yield Finding("wrong", "job", str(error))
            return
        for step in steps:
            if not isinstance(step, Plan):
                name = getattr(step, "__name__", "function")
                yield Finding("ok", "plan", "a Python function, which nobody can look into", step=name)
                continue
            case = Case(job.name, step, self.size, self.now, self.engine.dialect.name, sampling=self.sampling)
            for finding in self._of_step(case):
                yield replace(finding, step=step.step)

    def _of_step(self, case: Case) -> Iterator[Finding]:
        denied = answers(self.engine, "rights", _asked(rights_for, case))
        yield from denied
        hindered = _hindered(self.engine, case)
        if hindered is not None:
            if "permission denied" not in hindered.text or not (denied or self.barred):  # else it was told in full
                yield hindered
            # A rule may be what hinders it: the database says so in riddles.
            others = answers(self.engine, "triggers", _asked(triggers_of, case))
            yield from (finding for finding in others if finding.about == "rules")
            return
        yield from archive_folder(case)
        case = replace(case, due=count_due(self.engine, case))
        for about, question in STEP_QUESTIONS.items():
            yield from answers(self.engine, about, _asked(question, case))
        if case.sampling:
            yield measure_sample_batch(self.engine, case)


def _asked(question: StepQuestion, case: Case) -> Question:
    return lambda connection: question(connection, case)


def _hindered(engine: Engine, case: Case) -> Finding | None:
    """Why the step could not run at all. None: it can, or what hinders it concerns the whole database."""
    try:
        preflight(engine, case.job, [case.plan])
    except DatabaseUnreachable:
        raise
    except SchemaOutdated:
        return None
    except HeldElsewhere as held:
        return Finding("note", "job", str(held))
    except SextonError as error:
        prefix = f"{case.job}, step {case.plan.step}: "
        return Finding("wrong", "job", str(error).removeprefix(prefix))
    except DBAPIError as error:
        return Finding("wrong", "job", f"the database refuses its statements: {describe(error)}")
    return None
