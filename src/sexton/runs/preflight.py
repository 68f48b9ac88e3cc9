"""Before a run is claimed: would its statements work here? Tables, columns, privileges, asked of the database.

On PostgreSQL each statement is EXPLAINed, which checks names, types and privileges and reads no row; on SQLite it is
prepared. What is wrong is told in one line with the job's name, and nothing is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, text
from sqlalchemy import inspect as look_into
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.elements import ClauseElement

from ..db.column_types import is_time
from ..db.connect import read_only
from ..db.faults import Fault, classify, describe
from ..db.identifiers import quoted_table
from ..db.migrate import require_schema
from ..db.render import for_driver, render
from ..db.search_path import schema_of, search_path
from ..db.statement_parts import statement_parts
from ..db.statement_timeout import limited_time
from ..db.time_parameters import parse_instant_name
from ..errors import HeldElsewhere, PolicyError
from ..policies.contract import Change, Plan
from ..policies.rollup_rule import RollupRule
from ..statements.postgresql_batch import LOCKED_KEYS, batch_statement, lock_statement
from ..statements.preview import preview_statement, writing_statements
from ..statements.vetoing_triggers import rewrite_rules
from .failure import error_message
from .outcome import PASSING

PLANNING = 30.0
"""Seconds in which the database has to plan a statement: it may call functions for that, and those may take long."""


def preflight(
    engine: Engine, job: str, plans: Iterable[Any], *, writing: bool = True, seconds: float = PLANNING
) -> None:
    """PolicyError, SchemaOutdated or DatabaseUnreachable when the job could not run; HeldElsewhere: cannot be said,
    as a table is locked.  writing: False for a dry run, which needs no right but to read.  seconds: that one question
    may take, at most `PLANNING`."""
    own = [plan for plan in plans if isinstance(plan, Plan)]
    seconds = min(seconds, PLANNING)
    with read_only(engine) as connection, limited_time(connection, seconds):
        step = "Sexton's own tables"
        try:
            require_schema(connection)
            for plan in own:
                step = f"step {plan.step}"
                _prepare(connection, plan, writing)
        except PolicyError as error:
            raise PolicyError(f"{job}, {step}: {error}") from error
        except DBAPIError as error:
            if classify(error) in PASSING:
                raise
            said = f"{_plainly(describe(error))}{_advice(error)}"
            if classify(error) is Fault.CANCELLED:
                said = f"the database had not planned its statement within {seconds:.0f} s: a function in it?"
            raise PolicyError(f"{job}, {step}: {said}") from error
        except SQLAlchemyError as error:  # the statement cannot even be written for this database
            raise PolicyError(f"{job}, {step}: {error_message(error)}") from error


def obstacle(engine: Engine, job: str, plans: Iterable[Any]) -> str:
    """What would keep a run of these plans from beginning, though they can be read; "" for nothing.

    Rights are left out: who tries a policy out need not be the role that runs it.
    """
    try:
        preflight(engine, job, plans)
    except PolicyError as error:
        cause = error.__cause__
        denied = isinstance(cause, DBAPIError) and classify(cause) is Fault.DENIED
        return "" if denied else str(error).removeprefix(f"{job}, ")
    except HeldElsewhere:
        pass  # the run will wait for it
    return ""


def _prepare(connection: Connection, plan: Plan, writing: bool) -> None:
    dialect = connection.dialect
    _require_table(connection, plan.table)
    if plan.rollup is not None:
        _prepare_rollup(connection, plan, plan.rollup, writing)
        return
    asked = preview_statement(dialect.name, plan, excluding=True)
    if dialect.name != "postgresql":
        require_time_column(connection, plan)
        for statement in [asked, *writing_statements(plan)]:
            _explain(connection, render(statement, dialect, naming=lambda _name: "NULL"))
        return
    if plan.archive is not None:
        from ..statements.archive_rows import select_due_rows

        reading = select_due_rows(dialect, plan, excluding=True, onward=False)
        _explain(connection, render(reading, dialect, naming=_null))
    whole = batch_statement(plan, excluding=True)
    for table in sorted(_tables(plan, whole), key=lambda table: table.fullname):
        _refuse_hidden_rows(connection, table)
        _refuse_types(connection, table, whole)
    for change in plan.all_changes:
        _refuse_rules(connection, change)
    if not writing:
        _explain(connection, render(asked, dialect, naming=_null))
        return
    if plan.lock_first:
        lock = lock_statement(plan, onward=False, excluding=True, waiting=False)
        _explain(connection, render(lock, dialect, naming=_null))
    _explain(connection, render(whole, dialect, naming=lambda name: _null(name, len(plan.key))))


def _prepare_rollup(connection: Connection, plan: Plan, rule: RollupRule, writing: bool) -> None:
    from ..statements.rollup_windows import RollupStatements

    dialect = connection.dialect
    _require_table(connection, rule.into)
    statements = RollupStatements(dialect.name, rule)
    asked = [statements.preview(True), statements.kept()]
    if dialect.name == "postgresql":
        for table in (plan.table, rule.into):
            _refuse_hidden_rows(connection, table)
            _refuse_types(connection, table, statements.write(False, False))
        asked += [statements.write(True, True)] if writing else []
    else:
        require_time_column(connection, plan)
    for statement in asked:
        _explain(connection, render(statement, dialect, naming=_null))


def _tables(plan: Plan, whole: ClauseElement) -> set[Table]:
    """Every table that the batch reads or writes."""
    changed = {change.table for change in plan.all_changes}
    return {part for part in statement_parts(whole) if isinstance(part, Table)} | changed | {plan.table}


def _null(name: str, width: int = 1) -> str:
    """A parameter's place: typed where the database could not tell the type from its surroundings.

    width: columns of the key that locked rows are named by."""
    if (meaning := parse_instant_name(name)) is not None:
        return f"CAST(NULL AS {meaning[1].sql})"
    if name == LOCKED_KEYS:
        return "'{}'" if width == 1 else f"(({', '.join(['NULL'] * width)}))"
    return "NULL"


def _explain(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(for_driver("EXPLAIN " + sql, connection.dialect))


def _require_table(connection: Connection, table: Table) -> None:
    """PolicyError unless it is a table here: not missing, and no view, whose rows nobody can lock or name."""
    if connection.dialect.name == "postgresql":
        name = quoted_table(connection.dialect, table)
        asked = text("SELECT relkind IN ('v', 'm', 'f') FROM pg_class WHERE oid = to_regclass(:name)")
        is_view = connection.execute(asked, {"name": name}).scalar()
    else:
        master = text("SELECT type = 'view' FROM sqlite_master WHERE name = :name COLLATE NOCASE")
        is_view = connection.execute(master, {"name": table.name}).scalar()
    if is_view is None:
        why = search_path(connection.dialect).because(table.schema)
        raise PolicyError(f"there is no table {table.fullname} in this database{why}")
    if is_view:
        raise PolicyError(f"{table.fullname} is a view here; name the table below it")


def _refuse_hidden_rows(connection: Connection, table: Table) -> None:
    """A role under row level security would see no due rows, or no payment that keeps an order alive."""
    name = quoted_table(connection.dialect, table)
    asked = text("SELECT row_security_active(to_regclass(:name))")
    if connection.execute(asked, {"name": name}).scalar():
        raise PolicyError(
            f"row level security hides rows of {table.fullname} from this role; use its owner or a role with BYPASSRLS"
        )


_TYPES = text(
    "WITH RECURSIVE kinds(number, name, oid) AS (SELECT a.attnum, a.attname, a.atttypid FROM pg_attribute a"
    "  WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION SELECT k.number, k.name, x.oid FROM kinds k JOIN pg_type y ON y.oid = k.oid"
    "  CROSS JOIN LATERAL (VALUES (y.typelem), (y.typbasetype)) x(oid) WHERE x.oid <> 0)"
    " SELECT k.name AS column, n.nspname AS schema, t.typname AS type FROM kinds k JOIN pg_type t ON t.oid = k.oid"
    " JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'b' AND t.typcategory <> 'A'"
    " AND n.nspname = ANY(CAST(:left_out AS name[])) ORDER BY k.number"
)
"""Columns whose type, or what it is made of, has operators in these schemas: a domain over a domain over citext, for
instance. Enums, composites and arrays use built-in ones."""


def _refuse_types(connection: Connection, table: Table, whole: ClauseElement) -> None:
    """Without its own operators a citext is compared as plain text: other rows would be due (SEC-1)."""
    left_out = search_path(connection.dialect).left_out
    if not left_out:
        return
    named = {part.name for part in statement_parts(whole) if isinstance(part, Column) and part.table is table}
    values = {"name": quoted_table(connection.dialect, table), "left_out": list(left_out)}
    for found in connection.execute(_TYPES, values):
        if found.column in named:
            raise PolicyError(
                f"{table.fullname}.{found.column} is of type {found.schema}.{found.type}, whose operators are not "
                f"found: schema {found.schema} is not searched, as {left_out[found.schema]}"
            )


def _refuse_rules(connection: Connection, change: Change) -> None:
    """With DO INSTEAD NOTHING, nothing would ever happen; the server takes no rule at all where we change rows."""
    if found := rewrite_rules(connection, change.table, change.operation):
        does = f"{change.operation.upper()} on {change.table.fullname}"
        raise PolicyError(
            f"the rule {', '.join(found)} takes the place of each {does}; drop it, or let a trigger do that"
        )


def require_time_column(connection: Connection, plan: Plan) -> None:
    """The column's type here, not the one the policy was written with. PolicyError when it is no time."""
    by = plan.by
    if by is None or by in plan.key or not is_time(by.type):
        return
    columns = look_into(connection).get_columns(plan.table.name, schema=schema_of(connection.dialect, plan.table))
    found = next((column["type"] for column in columns if column["name"] == by.name), None)
    if found is None:
        return  # the statements name it
    textual = connection.dialect.name == "sqlite" and ("CHAR" in str(found).upper() or str(found).upper() == "TEXT")
    if not is_time(found) and not textual:
        raise PolicyError(f"{plan.table.fullname}.{by.name} is {found} here, which is no time")


def _advice(error: DBAPIError) -> str:
    """The way out, where there is one: the server's own hint, as nothing but our statements was asked for."""
    if classify(error) is Fault.DENIED:
        return "; sexton doctor prints the GRANT"
    hint = getattr(getattr(error.orig, "diag", None), "message_hint", None)
    return f"; {' '.join(hint.split())}" if hint else ""


def _plainly(description: str) -> str:
    """Without the state's number in front: people need the words."""
    return re.sub(r"^[0-9A-Z]{5}( \S+)?: ", "", description)
