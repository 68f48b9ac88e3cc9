"""Armed: what a person has confirmed about a policy, which tables that was about, and how many rows may pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, or_, select, text, update

from ..db.identifiers import quoted_table
from ..db.server_clock import ask_now
from ..db.statement_parts import statement_parts
from ..db.tables import SCHEMA, own_tables
from ..db.upsert import upsert
from ..jobs.job import Job
from ..policies.contract import Plan
from ..statements.preview import preview_statement
from .allowance import Allowance
from .plan_fingerprint import definition, definitions_before, is_confirmed

DECLARED = "policies."
"""How the job of a policy of the settings file begins; people call it by the rest."""

_MAY_ASK = text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
_SYSTEM = text("SELECT CAST(system_identifier AS text) FROM pg_control_system()")
_DATABASE = text("SELECT CAST(oid AS text) FROM pg_database WHERE datname = current_database()")
_TABLE = text(
    "SELECT n.nspname || '.' || c.relname AS name, CAST(c.oid AS bigint) AS oid"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name)"
)


def called(job: str) -> str:
    """What `sexton arm` calls a job."""
    return job.removeprefix(DECLARED)


def armed_name(job: str, plan: Plan) -> str:
    """Under which a policy is on record."""
    return called(job) if job == DECLARED + plan.step else f"{job}/{plan.step}"


def armed_row(connection: Connection, job: str, plan: Plan) -> Row[Any] | None:
    """What is on record about this policy."""
    armed = own_tables(connection.dialect.name).armed
    return connection.execute(select(armed).where(armed.c.policy == armed_name(job, plan))).first()


def armed_jobs(connection: Connection, jobs: Iterable[Job]) -> set[str]:
    """Names of the jobs that somebody has looked at, whatever was changed since."""
    armed = own_tables(connection.dialect.name).armed
    known = {name.partition("/")[0] for name in connection.execute(select(armed.c.policy)).scalars()}
    return {job.name for job in jobs if called(job.name) in known}


def unarmed(connection: Connection, job: str, plans: Iterable[Plan]) -> str | None:
    """Why runs of the job only count, for all of its policies; None: they take rows."""
    for plan in plans:
        if plan.guard is None or not plan.guard.arm:
            continue
        row = armed_row(connection, job, plan)
        if (why := _unconfirmed(connection, plan, row)) is not None:
            return f"{why}; look at it and confirm: sexton arm {called(job)}"
    return None


def _unconfirmed(connection: Connection, plan: Plan, row: Row[Any] | None) -> str | None:
    if row is None:
        return "it is not armed"
    if not is_confirmed(connection, plan, row.definition):
        return "it was changed since it was armed"
    return elsewhere(connection, plan, row.tables) or redirected(plan, row.folder)


def folder_of(plan: Plan) -> str | None:
    """Where a plan writes files, absolute and with every link resolved; None: it writes none."""
    return None if plan.archive is None else os.path.realpath(os.path.join(plan.archive.folder, plan.step))


def redirected(plan: Plan, armed: str | None) -> str | None:
    """That rows would be written elsewhere than was confirmed, by `into` or a link on the way; None: they are not.

    SEC-23. armed: the folder then; None: not known, see `adopt`.
    """
    now = folder_of(plan)
    if now is None or armed is None or now == armed:
        return None
    return f"its files would go to {now}, and {armed} was confirmed"


def adopt(connection: Connection, job: str, plans: Iterable[Plan]) -> None:
    """What an earlier version armed stays armed, and is put on record as this one does.

    The first folder that a run finds is the one, and so are the share and the policy that `before` names.
    """
    armed = own_tables(connection.dialect.name).armed
    for plan in plans:
        this = update(armed).where(armed.c.policy == armed_name(job, plan))
        connection.execute(this.where(armed.c.folder.is_(None)).values(folder=folder_of(plan)))
        before = armed.c.definition.in_(definitions_before(connection, plan))
        connection.execute(this.where(before).values(definition=definition(connection, plan)))


def armed_by_earlier(connection: Connection, job: str, plans: Iterable[Plan]) -> list[Plan]:
    """Of the plans, those that an earlier version armed, whose row lacks what `adopt` adds."""
    rows = ((plan, armed_row(connection, job, plan)) for plan in plans)
    return [plan for plan, row in rows if row is not None and _lacks(connection, plan, row)]


def _lacks(connection: Connection, plan: Plan, row: Row[Any]) -> bool:
    if plan.archive is not None and row.folder is None:
        return True
    return row.definition in definitions_before(connection, plan)


def allowance(connection: Connection, job: str, plan: Plan) -> Allowance | None:
    """What may pass of what was due when a person looked; None: nothing, or it was another rule, or another table."""
    row = armed_row(connection, job, plan)
    if row is None or not row.allowed or _unconfirmed(connection, plan, row) is not None:
        return None
    return Allowance(row.policy, plan.step, row.armed_at, int(row.allowed))


def arm_job(connection: Connection, job: str, plans: Iterable[Plan], due: Mapping[str, int], by: str) -> None:
    """Arm all policies of a job. due: rows by step, as they were looked at; see `arm`."""
    for plan in plans:
        name, what = armed_name(job, plan), definition(connection, plan)
        tables = tables_of(connection, plan)
        arm(connection, name, what, allowed=due[plan.step], by=by, tables=tables, folder=folder_of(plan))


def arm(
    connection: Connection,
    name: str,
    definition: str,
    *,
    allowed: int,
    by: str,
    tables: dict[str, Any] | None = None,
    folder: str | None = None,
) -> datetime:
    """Put on record that a person has looked. allowed: rows that runs may take whatever their limits.

    tables: `tables_of` the plan; None: which table it was about does not matter.  folder: `folder_of` it.
    """
    dialect = connection.dialect.name
    armed, now = own_tables(dialect).armed, ask_now(connection)
    values = {"definition": definition, "armed_at": now, "armed_by": by, "allowed": allowed, "tables": tables}
    values["folder"] = folder
    new = upsert(dialect, armed).values(policy=name, **values)
    connection.execute(new.on_conflict_do_update(index_elements=["policy"], set_=values))
    return now


def disarm(connection: Connection, job: str) -> bool:
    """Forget what was confirmed about a job; False when there was nothing."""
    armed = own_tables(connection.dialect.name).armed
    whose = or_(armed.c.policy == called(job), armed.c.policy.startswith(f"{job}/", autoescape=True))
    return bool(connection.execute(delete(armed).where(whose)).rowcount)


def tables_of(connection: Connection, plan: Plan) -> dict[str, Any]:
    """Which tables the names in a plan lead to here, for `arm`: those that it reads, too.

    On PostgreSQL by schema, name and oid, and where that oid holds: system and database. On SQLite a name in a file
    is one table, and what is on record lies in the same file.
    """
    if connection.dialect.name != "postgresql":
        return {}
    found = {table.fullname: _identity(connection, table) for table in _mentioned(plan)}
    return {"place": _place(connection), "tables": found}


def elsewhere(connection: Connection, plan: Plan, armed: dict[str, Any] | None) -> str | None:
    """Which table is another one than the one that was looked at; None: they are the same."""
    if not armed or connection.dialect.name != "postgresql":
        return None
    same_place = armed["place"] == _place(connection)
    for table in _mentioned(plan):
        then, now = armed["tables"].get(table.fullname), _identity(connection, table)
        if then is None or now is None:
            continue  # preflight tells who is missing
        if then[0] != now[0]:
            return f"{table.fullname} is {now[0]} here, and {then[0]} was looked at when it was armed"
        if same_place and then[1] != now[1]:  # what was restored elsewhere has numbers of its own
            return f"{now[0]} is another table than the one of that name that was looked at when it was armed"
    return None


def _place(connection: Connection) -> str:
    """Where oids hold: the system, unless the server keeps that to itself, and the database."""
    system = connection.execute(_SYSTEM).scalar() if connection.execute(_MAY_ASK).scalar() else ""
    return f"{system}/{connection.execute(_DATABASE).scalar()}"


def _identity(connection: Connection, table: Table) -> list[Any] | None:
    row = connection.execute(_TABLE, {"name": quoted_table(connection.dialect, table)}).first()
    return None if row is None else [row.name, row.oid]


def _mentioned(plan: Plan) -> list[Table]:
    """The product's tables that the plan reads or changes: its own, then the others by name."""
    parts = statement_parts(preview_statement("postgresql", plan))
    tables = {
        plan.table,
        *(change.table for change in plan.all_changes),
        *(part for part in parts if isinstance(part, Table)),
    }
    own = (table for table in tables if table.schema != SCHEMA)
    return sorted(own, key=lambda table: (table is not plan.table, table.fullname))
