"""The step of a roll-up as PL/pgSQL: the statements that Python runs for each window, in a loop of their own."""

from __future__ import annotations

from functools import partial

from sqlalchemy import (
    Boolean,
    Connection,
    Text,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.types import JSON

from ...db.column_types import NaiveUtc
from ...db.outbox_table import own_outbox
from ...db.render import in_procedure, render
from ...db.statement_parts import statement_parts
from ...outbox.write import message_rows
from ...policies.contract import Plan
from ...policies.rollup_rule import RollupReport, RollupRule
from ...statements.rollup_windows import GROUPS, RollupStatements
from ...texts import one_line
from .rollup_lines import ReportLines
from .rollup_template import ROLLUP_LOOP, SILENT_WINDOW, TOLD_WINDOW, UNTIL_KEPT
from .sql_text import filled
from .step_template import RESTING
from .step_text import StepText

_CAREFUL: BindParameter[bool] = bindparam("sexton_careful", type_=Boolean())


def rollup_text(connection: Connection, plan: Plan, rule: RollupRule, index: int, session: str) -> StepText:
    """The step, number `index` from 0. session: what a transaction begins with. PolicyError where it tells of values
    whose form in a message only Python knows.
    """
    statements = RollupStatements(connection.dialect.name, rule)
    sql = partial(_sql, connection)
    changed = "w.found := NULL;"
    if rule.changed_at is not None:
        changed = f"{sql(statements.first_changed_row())}\nINTO w.found;"
    parts = {
        "oldest": sql(statements.oldest_row()),
        "first_kept": sql(statements.first_kept()),
        "kept_before": sql(statements.kept_before(sealed=False)),
        "first_row": sql(statements.first_row()),
        "clear": sql(statements.clear()),
        "differing": sql(statements.preview(_CAREFUL)),
        "changed": changed,
        "window": _window(connection, rule, statements),
        "until_kept": "" if rule.report is None else filled(UNTIL_KEPT, next_kept=sql(statements.next_kept())),
    }
    written = filled(
        ROLLUP_LOOP,
        number=str(index + 1),
        index=str(index),
        step=one_line(plan.step),
        session=session,
        resting=filled(RESTING, session=session),
        **parts,
    )
    return StepText((), written)


def _window(connection: Connection, rule: RollupRule, statements: RollupStatements) -> str:
    sql = partial(_sql, connection)
    if rule.report is None:
        return filled(SILENT_WINDOW, write=sql(statements.write(False, _CAREFUL)))
    lines = ReportLines(connection, rule)
    found = statements.differences(statements.fresh().cte("sexton_fresh"), _CAREFUL).cte("sexton_differences")
    told = statements.answer(found, True).subquery("sexton_lines")
    several = func.coalesce(func.jsonb_agg(lines.differing(told)), literal_column("'[]'::jsonb"))
    write = select(func.coalesce(func.max(told.c[GROUPS]), literal_column("0")), several)
    kept = statements.kept().subquery("sexton_lines")
    whole = func.coalesce(func.jsonb_agg(lines.kept(kept)), literal_column("'[]'::jsonb"))
    return filled(
        TOLD_WINDOW,
        write=sql(write.add_cte(*statements.changing(found))),
        kept=sql(select(func.coalesce(func.max(kept.c[GROUPS]), literal_column("0")), whole)),
        send=sql(_message(connection, rule.report)),
    )


def _message(connection: Connection, report: RollupReport) -> ClauseElement:
    """The message in its outbox."""
    outbox = report.outbox or own_outbox(connection.dialect.name)
    names, rows = message_rows(
        outbox,
        bindparam("sexton_key", type_=Text()),
        bindparam("sexton_event", type_=Text()),
        literal(report.to, Text()),
        bindparam("sexton_payload", type_=JSON()),
    )
    return insert(outbox.table).from_select(names, rows)


def _sql(connection: Connection, statement: ClauseElement) -> str:
    """With variables where Python binds values: of instants without a zone, UTC is meant."""
    naive = {
        part.key
        for part in statement_parts(statement)
        if isinstance(part, BindParameter) and isinstance(part.type, NaiveUtc)
    }

    def named(name: str) -> str:
        plain = in_procedure(name)
        return f"({plain} AT TIME ZONE 'UTC')" if name in naive and plain.removeprefix("v_") in _INSTANTS else plain

    return render(statement, connection.dialect, naming=named)


_INSTANTS = ("rows_from", "rows_to", "window_start", "window_end", "since")
"""Variables of this loop that hold instants; what is counted from the run's time knows its own form."""
