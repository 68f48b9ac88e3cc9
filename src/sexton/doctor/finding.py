"""What a question is about, what it answers, and how it is asked without being felt by other sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only
from ..db.faults import Fault, classify, describe
from ..db.statement_timeout import limited_time
from ..errors import HeldElsewhere
from ..policies.contract import Plan
from ..statements.batch_strategy import Request
from ..statements.indexes import is_own

LEVELS = ("ok", "note", "warning", "wrong")
"""From what is well to what keeps a job from running; from `warning` on, somebody should act."""

QUESTION_SECONDS = 5.0
"""After which a statement of ours is given up."""

ROWS_KNOWN = "CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(c.oid) ELSE CAST(c.reltuples AS bigint) END"
"""SQL for how many rows PostgreSQL believes `pg_class c` has; it is below zero until the first ANALYZE."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. job, step: empty for what concerns the whole database.  sql: statements to copy, a line each.

    plan: how the database executes the step, as the database prints it.  many: the same about several subjects, with {}
    for their number; findings of one step that have it in common are told as one.  subject: what this one is about.
    """

    level: str
    about: str
    text: str
    sql: str = ""
    plan: str = ""
    job: str = ""
    step: str = ""
    many: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many rows are due now. known: "exact", "about" (the planner's estimate), or "least" (counted so far)."""

    rows: int
    known: str

    def __str__(self) -> str:
        rows = int(float(f"{self.rows:.3g}")) if self.known == "about" else self.rows
        return {"exact": "", "about": "about ", "least": "more than "}[self.known] + f"{rows:,}"


@dataclass(frozen=True, slots=True)
class Case:
    """One step of a job that is looked into. size: rows of a batch.  now: the run's time.  due: None: not known.

    sampling: whether a batch is measured.
    """

    job: str
    plan: Plan
    size: int
    now: datetime
    dialect: str
    due: DueCount | None = None
    sampling: bool = False

    @property
    def request(self) -> Request:
        """The first batch of a run that started now."""
        size = min(self.size, self.plan.batch or self.size)
        return Request(size, None, self.now, self.job, None)

    @property
    def own(self) -> bool:
        """Whether the rows are Sexton's own: few, and none of the user's business."""
        return is_own(self.dialect, self.plan.table)

    @property
    def on_postgresql(self) -> bool:
        """Whether the database is PostgreSQL; else it is SQLite."""
        return self.dialect == "postgresql"


Question = Callable[[Connection], Iterable[Finding]]


def answers(engine: Engine, about: str, question: Question) -> list[Finding]:
    """Ask in a transaction of its own; what cannot be answered is a note. DatabaseUnreachable."""
    try:
        with read_only(engine) as connection, limited_time(connection, QUESTION_SECONDS):
            return list(question(connection))
    except HeldElsewhere as held:
        return [Finding("note", about, f"not known: {held}")]
    except DBAPIError as error:
        slow = classify(error) is Fault.CANCELLED
        why = f"no answer within {QUESTION_SECONDS:g} s" if slow else describe(error)
        return [Finding("note", about, f"not known: {why}")]
