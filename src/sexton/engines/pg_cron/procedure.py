"""A job as a procedure of PostgreSQL: the very statements that Python runs, with a COMMIT after each batch.

    CALL sexton."job_marketplace.expire_orders"();             what is due now; nothing, and no row, when nothing is
    CALL sexton."job_marketplace.expire_orders"('2026-12-01 02:00+00');        by hand, as of then

What decides (claim, fence, pace, poison, guard, end) are functions of our migrations, by the rules and on the tables of
the Python path; so both may run the same job, and one slot is run once. See docs/explanation/inside-postgres.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ...db.identifiers import quoted_table, text_literal
from ...errors import PolicyError
from ...guard.arming import tables_of
from ...jobs.job import Job
from ...policies.contract import Plan
from ...runs.context import Limits
from ...version import __version__
from .not_compilable import NotCompilable
from .rollup_template import ROLLUP_VARIABLES
from .rollup_text import rollup_text
from .run_settings import run_settings, session_path
from .sql_text import dollar_quoted, filled
from .step_template import DECLARED_VARIABLES
from .step_text import StepText, step_text

MAX_NAME_BYTES = 63
"""Bytes of a name of PostgreSQL; longer ones are cut without a word."""

PROCEDURE_PREFIX = "job_"

_HASHED = 16

_IN_STATEMENTS = (
    r"^v_(now|run|job|batch|most|excluding|around|onward|bounded|(after|upto|among)[0-9]+_[0-9]+"
    r"|rows_from|rows_to|window_start|window_end|since|careful)$"
)
"""Variables that stand where Python binds values; `#variable_conflict` lets columns come first, for all other names."""

_COLUMNS = text(
    'SELECT c.relname AS "table", a.attname AS "column" FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid'
    " WHERE a.attrelid = ANY (CAST(:numbers AS oid[])) AND a.attname ~ :names ORDER BY 1, 2 LIMIT 1"
)

_NUMBER = text("SELECT CAST(CAST(to_regclass(:name) AS oid) AS bigint)")

_BODY = """
#variable_conflict use_column
-- Made by Sexton from the job's policies: change it there, and install it again. Functions _v1 are of schema sexton.
DECLARE
    v sexton.procedure_run_v1;  -- the run: what it may, what it has done, how the next batch goes
    v_settings CONSTANT jsonb := {settings};
    v_job CONSTANT text := {job};
    v_run bigint;
    v_now timestamptz;  -- the frozen time of the run
    v_batch integer;
    v_most bigint;
    {variables}
BEGIN
    LOOP
        {session};
        v := sexton.begin_run_v1(v_job, v_settings, asked);
        COMMIT;
        EXIT WHEN v.run_id IS NULL;  -- nothing is due, or others have it
        v_run := v.run_id;
        v_now := v.as_of;
        {session};
        {steps}
        v := sexton.end_run_v1(v);
        COMMIT;
        PERFORM sexton.raise_failure_v1(v);
        EXIT WHEN asked IS NOT NULL OR NOT sexton.is_settled_v1(v);
    END LOOP;
END
"""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A job's procedure. name: unqualified, at most 63 bytes.  body: its text.  definition: fingerprint of the body.

    create: SQL that makes or replaces it, takes it from PUBLIC, and says in its comment what it was made from.
    """

    job: str
    name: str
    body: str

    @property
    def definition(self) -> str:
        """What tells an installed procedure from the one of the job as it is defined now."""
        return hashlib.sha256(self.body.encode()).hexdigest()[:16]

    @property
    def qualified(self) -> str:
        """As it is called."""
        return f'sexton."{self.name}"'

    @property
    def comment(self) -> str:
        """On the installed procedure: package and definition."""
        return f"sexton {__version__} {self.definition}: {self.job}"

    @property
    def create(self) -> str:
        """Idempotent; to be run as the role that the job runs as."""
        return (
            f"CREATE OR REPLACE PROCEDURE {self.qualified}(asked timestamptz DEFAULT NULL)\n"
            f"LANGUAGE plpgsql AS {dollar_quoted(self.body)};\n"
            f"REVOKE ALL ON PROCEDURE {self.qualified}(timestamptz) FROM PUBLIC;\n"
            f"COMMENT ON PROCEDURE {self.qualified}(timestamptz) IS {text_literal(self.comment)};\n"
        )

    @property
    def drop(self) -> str:
        """Idempotent. The rows of its runs stay."""
        return f"DROP PROCEDURE IF EXISTS {self.qualified}(timestamptz);\n"

    @property
    def call(self) -> str:
        """The command of a scheduler: a lone statement, or no COMMIT would be allowed inside."""
        return f"CALL {self.qualified}()"


def procedure_name(job: str) -> str:
    """Of the job's procedure; a long one ends in a hash, so that no two jobs share one."""
    name = f"{PROCEDURE_PREFIX}{job}"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    tail = hashlib.sha256(job.encode()).hexdigest()[:_HASHED]
    return f"{name.encode()[: MAX_NAME_BYTES - _HASHED - 1].decode(errors='ignore')}~{tail}"


def procedure_of(
    connection: Connection, job: Job, plans: Sequence[Any], limits: Limits, *, settings_definition: str = ""
) -> Procedure:
    """The job as a procedure for the database at hand; asks it for the types of columns, and reads no row.

    plans: of `runs.runner.planned`.  settings_definition: fingerprint of the settings, kept with every run.
    NotCompilable for a job that does more than change rows.
    """
    refuse(job, plans)
    _refuse_columns(connection, job, plans)
    settings = run_settings(connection, job, plans, limits, settings_definition)
    session = _session(session_path(connection))
    steps = [_step(connection, job, plan, number, session) for number, plan in enumerate(plans)]
    rolled_up = any(plan.rollup is not None for plan in plans)
    body = filled(
        _BODY,
        settings=dollar_quoted(settings.replace("\n", "\n    "), "settings"),
        job=text_literal(job.name),
        variables="\n".join((*DECLARED_VARIABLES, *(ROLLUP_VARIABLES if rolled_up else ()), *_declared(steps))),
        session=session,
        steps="\n".join(step.text for step in steps),
    )
    return Procedure(job.name, procedure_name(job.name), body)


def refuse(job: Job, plans: Sequence[Any]) -> None:
    """NotCompilable for work that needs Python, the outside, or files, and for slots that only a worker sees pass."""
    if job.overlap == "skip":
        raise NotCompilable(
            f'{job.name}: overlap = "skip" gives up slots that come while it runs, which pg_cron makes up; '
            "give it to a worker"
        )
    for plan in plans:
        if not isinstance(plan, Plan):
            name = getattr(plan, "__name__", "a function")
            raise NotCompilable(
                f"{job.name}: {name} is a Python function, which PostgreSQL cannot run; give it to a worker"
            )
        why = _obstacle(plan)
        if why:
            raise NotCompilable(f"{job.name}, step {plan.step}: {why}; give it to a worker")


def _refuse_columns(connection: Connection, job: Job, plans: Sequence[Plan]) -> None:
    """NotCompilable where a column is named like a variable that stands in statements: it would be taken for it."""
    for plan in plans:
        numbers = [found[1] for found in tables_of(connection, plan)["tables"].values() if found is not None]
        if plan.rollup is not None:
            name = quoted_table(connection.dialect, plan.rollup.into)
            numbers.append(connection.execute(_NUMBER, {"name": name}).scalar_one())
        found = connection.execute(_COLUMNS, {"numbers": numbers, "names": _IN_STATEMENTS}).first()
        if found is not None:
            raise NotCompilable(
                f"{job.name}, step {plan.step}: column {found.column} of {found.table} has the name of a variable of "
                "procedures; give it to a worker"
            )


def _step(connection: Connection, job: Job, plan: Plan, number: int, session: str) -> StepText:
    if plan.rollup is None:
        return step_text(connection, plan, number, session)
    try:
        return rollup_text(connection, plan, plan.rollup, number, session)
    except PolicyError as error:
        raise NotCompilable(f"{job.name}, step {plan.step}: {error}; give it to a worker") from error


def _obstacle(plan: Plan) -> str:
    if plan.call is not None:
        return "it calls outside, which no transaction of a database may wait for"
    if plan.archive is not None:
        return "it writes files, which only a process outside the database keeps safely"
    return ""


def _declared(steps: Sequence[Any]) -> list[str]:
    return [line for step in steps for line in step.variables]


def _session(path: str) -> str:
    """What each transaction begins with: nothing that was set survives a COMMIT."""
    return f"PERFORM sexton.begin_transaction_v1({text_literal(path)})"
