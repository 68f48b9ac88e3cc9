"""How the database executes a step: EXPLAIN of the very statements that its next batch would run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, func, literal, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Executable

from ..db.identifiers import quoted, quoted_table
from ..jobs.duration import TICK
from ..statements.batch_strategy import parameters
from ..statements.indexes import missing_index
from ..statements.postgresql_batch import LOCKED_KEYS
from ..statements.postgresql_purge import SweepPurge, WindowPurge, window_end_parameter
from ..statements.rollup_windows import Window
from ..statements.selection import cursor_parameter, cursor_value, due_condition, limit
from ..statements.strategy_choice import Choice, choose
from .finding import ROWS_KNOWN, Case, Finding

SMALL_TABLE_ROWS = 10_000
"""Rows of a table that may as well be read from end to end."""

MAX_PLAN_LINE_CHARACTERS = 500
"""Characters of a plan's line; lists of keys have thousands."""


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement, with the parameters of that statement."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement, words: str) -> None:
        self.statement = statement
        self.words = words


@compiles(Explain)
def _compile(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"{element.words} {compiler.process(element.statement, **options)}"


def _explained(connection: Connection, statement: ClauseElement, words: str, values: dict[str, Any]) -> list[Any]:
    """The rows as the driver gives them: the library would take them for rows of the statement."""
    result = connection.execute(Explain(statement, words), values)
    assert result.cursor is not None
    return list(result.cursor.fetchall())


def plan_of(connection: Connection, case: Case) -> Iterable[Finding]:
    """One finding: which index serves the step, or that each batch reads the whole table; with the plan."""
    if connection.execute(select(literal(1)).select_from(case.plan.table).limit(1)).first() is None:
        yield Finding("ok", "plan", "the table is empty")
        return
    choice = choose(connection, case.plan, case.request)
    explain = _postgresql if case.on_postgresql else _sqlite
    yield from explain(connection, case, choice)


def _printed(choice: Choice, plans: Iterable[str]) -> str:
    lines = [line for plan in plans for line in [*plan.splitlines(), ""]]
    cut = [
        line if len(line) <= MAX_PLAN_LINE_CHARACTERS else line[: MAX_PLAN_LINE_CHARACTERS - 1] + "…" for line in lines
    ]
    return "\n".join([f"-- {choice.reason}", *cut]).rstrip()


def _postgresql(connection: Connection, case: Case, choice: Choice) -> Iterator[Finding]:
    plans, nodes = [], []
    more = _more(connection, case, choice)
    for statement in choice.statements():
        values = parameters(statement, case.request, **more)
        plans.append("\n".join(line for (line,) in _explained(connection, statement, "EXPLAIN", values)))
        ((found,),) = _explained(connection, statement, "EXPLAIN (VERBOSE, FORMAT JSON)", values)
        nodes += list(_nodes(found[0]["Plan"]))
    plan = _printed(choice, plans)
    read = {(node["Schema"], node["Relation Name"]) for node in nodes if node["Node Type"] == "Seq Scan"}
    own = _heaps(connection, case)
    whole = read & own.keys()
    rows = sum(own[name] for name in whole)
    if whole and not rows:  # statistics were lost: by a restore, an upgrade, a crash
        rows = _counted(connection, case)
    index = next((node["Index Name"] for node in nodes if "Index Name" in node), None)
    if isinstance(choice.executor, SweepPurge):
        yield Finding("ok", "plan", "swept once a run, block by block", plan=plan)
    elif whole and (rows > SMALL_TABLE_ROWS or len(own) == 1 or index is None):
        yield _whole_table(connection, case, rows, plan)
    else:
        yield Finding("ok", "plan", f"index {index} serves it" if index else "it reads few blocks", plan=plan)
    for schema, name in sorted(read - own.keys()):
        others = _rows(connection, ".".join(quoted(connection.dialect, part) for part in (schema, name)))
        if others > SMALL_TABLE_ROWS:
            words = f"each batch reads the whole of {schema}.{name} as well ({others:,} rows)"
            many = "each batch reads the whole of {} other tables as well"
            subject = f"{schema}.{name} ({others:,} rows)"
            yield Finding("warning", "plan", words, many=many, subject=subject)


def _whole_table(connection: Connection, case: Case, rows: int, plan: str) -> Finding:
    if rows <= SMALL_TABLE_ROWS:
        return Finding("ok", "plan", f"reads the whole table, which is small ({rows:,} rows)", plan=plan)
    known = f"{rows:,}" if rows != SMALL_TABLE_ROWS + 1 else f"more than {SMALL_TABLE_ROWS:,}"
    words = f"reads the whole table ({known} rows) in each batch"
    if missing_index(connection, case.plan) is not None:  # which is a warning itself
        return Finding("note", "plan", words, plan=plan)
    words += ", though an index has the time column; its statistics may be old, or most rows are due"
    sql = f"ANALYZE {quoted_table(connection.dialect, case.plan.table)}"
    return Finding("warning", "plan", words, sql, plan)


def _counted(connection: Connection, case: Case) -> int:
    """How many rows the table has; SMALL + 1 for all that are more."""
    some = select(literal(1)).select_from(case.plan.table).limit(SMALL_TABLE_ROWS + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _heaps(connection: Connection, case: Case) -> dict[tuple[str, str], int]:
    """Schema and name of the table, or of its partitions, with their rows as far as statistics know."""
    asked = text(
        f"SELECT n.nspname, c.relname, {ROWS_KNOWN} FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = CAST(:name AS regclass)"
        " OR c.oid IN (SELECT relid FROM pg_partition_tree(CAST(:name AS regclass)) WHERE isleaf)"
    )
    name = quoted_table(connection.dialect, case.plan.table)
    return {(row[0], row[1]): row[2] for row in connection.execute(asked, {"name": name})}


def _rows(connection: Connection, name: str) -> int:
    asked = text(f"SELECT {ROWS_KNOWN} FROM pg_class c WHERE c.oid = to_regclass(:name)")
    return connection.execute(asked, {"name": name}).scalar() or 0


def _more(connection: Connection, case: Case, choice: Choice) -> dict[str, Any]:
    """What the run would bind beside its time and size: where its first batch begins and ends, looked up unlocked."""
    plan, request = case.plan, case.request
    if plan.rollup is not None:
        windows = plan.rollup.windows
        end = windows.previous(request.as_of - plan.rollup.close_after)  # of the newest that is closed
        return Window(windows.previous(end - TICK), end).values()
    if isinstance(choice.executor, SweepPurge):
        return {"sexton_from": "(0,0)", "sexton_to": f"({SweepPurge.first},0)"}
    if plan.lock_first:
        picked = select(*plan.key).where(due_condition(plan, excluding=False)).order_by(*plan.order).limit(limit())
        keys = connection.execute(picked, parameters(picked, request)).all()
        return {LOCKED_KEYS: [tuple(key) if len(plan.key) > 1 else key[0] for key in keys]}
    if not isinstance(choice.executor, WindowPurge):
        return {}
    marks = select(*(cursor_value(column) for column in plan.order)).order_by(*plan.order).limit(1)
    dues = marks.where(due_condition(plan, excluding=False))
    values = parameters(dues, request)
    first = connection.execute(dues, values).first() or connection.execute(marks).one()
    last = connection.execute(dues.offset(case.size - 1), values).first() or first
    begins = {cursor_parameter(number): value for number, value in enumerate(first)}
    return begins | {window_end_parameter(number): value for number, value in enumerate(last)}


def _sqlite(connection: Connection, case: Case, choice: Choice) -> Iterator[Finding]:
    rows = [
        row
        for statement in choice.statements()
        for row in _explained(
            connection,
            statement,
            "EXPLAIN QUERY PLAN",
            parameters(statement, case.request, **_more(connection, case, choice)),
        )
    ]
    depth: dict[int, int] = {}
    for number, parent, _, _ in rows:
        depth[number] = depth.get(parent, -1) + 1
    plan = _printed(choice, ["\n".join("  " * depth[row[0]] + row[3] for row in rows)])
    name = re.escape(case.plan.table.name)
    served = [
        match.group(1)
        for row in rows
        if (match := re.match(rf"(?:SEARCH|SCAN) {name} USING (?:COVERING )?(?:INDEX )?(\S+)", row[3]))
    ]
    if not any(re.fullmatch(f"SCAN {name}", row[3]) for row in rows):
        known = [index for index in served if index != "INTEGER"]  # which is the key
        yield Finding("ok", "plan", f"index {known[0]} serves it" if known else "the key serves it", plan=plan)
        return
    counted = _counted(connection, case)
    if counted <= SMALL_TABLE_ROWS:
        yield Finding("ok", "plan", f"reads the whole table, which is small ({counted:,} rows)", plan=plan)
    else:
        level = "note" if missing_index(connection, case.plan) else "warning"
        words = f"reads the whole table (more than {SMALL_TABLE_ROWS:,} rows) in each batch"
        yield Finding(level, "plan", words, plan=plan)
