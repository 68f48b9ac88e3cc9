"""Dry run: what the real run would count, from the same predicates and relations, in one read-only snapshot.

Nothing is locked, written or numbered. A preview knows the rows that the policy itself refuses, and those that a
foreign key keeps; not those that a trigger or a constraint will refuse, nor who will hold a lock: those are `poison`,
`kept` and `skipped` in the real run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, exists, func, literal_column, not_, select

from ..db.tables import own_tables
from ..policies.contract import Plan
from ..run_counts import Counts
from .batch_strategy import Request, parameters
from .poison import rows_set_aside
from .postgresql_batch import counted_changes, rows_by_table
from .selection import facts, select_due, told_before
from .unlisted_references import (
    MIN_REFUSED_FOR_CONDITION,
    count_referenced,
    references_text,
    unlisted_references,
    without_referenced_before_run,
)


def preview(connection: Connection, plan: Plan, request: Request) -> Counts:
    """Counts of one step, as its real run would report them."""
    excluding = rows_set_aside(connection, request.job, request.as_of).now
    found = unlisted_references(connection, plan)
    referred, _ = count_referenced(connection, plan, found, replace(request, excluding=excluding), before=True)
    plan = without_referenced_before_run(plan, found) if referred else plan
    statement = preview_statement(connection.dialect.name, plan, excluding=excluding)
    row = connection.execute(statement, parameters(statement, request)).mappings().one()
    counts = Counts()
    also = rows_by_table((change.name, row[f"also_{number}"]) for number, change in counted_changes(plan))
    refused = row.get("kept", 0)
    free = row["picked"] - refused
    picked = free if plan.archive is None else row["picked"]
    counts.add(picked, free if plan.main is not None else 0, row["told"], also, row.get("told_before", 0))
    counts.poison = refused + (referred if referred < MIN_REFUSED_FOR_CONDITION else 0)
    counts.referred = referred if referred >= MIN_REFUSED_FOR_CONDITION else 0
    return counts


def references_in_words(connection: Connection, plan: Plan, request: Request) -> str:
    """Which tables that the policy does not list keep due rows, how many, and what to write; "" for none."""
    excluding = rows_set_aside(connection, request.job, request.as_of).now
    found = unlisted_references(connection, plan)
    return references_text(
        plan, count_referenced(connection, plan, found, replace(request, excluding=excluding), before=True)[1]
    )


def preview_statement(dialect: str, plan: Plan, *, excluding: bool = False) -> Any:
    """One SELECT that counts what is due, what hangs on it, and what has not been told yet."""
    rows = relations(plan, excluding)
    picked = rows["picked"]
    outcome = [select(func.count()).select_from(picked).scalar_subquery().label("picked")]
    if plan.restricted is not None:
        stay = select(func.count()).select_from(picked).where(plan.restricted(picked))
        outcome.append(stay.scalar_subquery().label("kept"))
        rows["picked"] = select(picked).where(not_(plan.restricted(picked))).cte("sexton_free")
    for number, change in counted_changes(plan):
        touched = change.touched(rows).subquery()
        outcome.append(select(func.count()).select_from(touched).scalar_subquery().label(f"also_{number}"))
    if not plan.messages:
        return select(*outcome, literal_column("0").label("told"))
    relation = facts(plan, rows).cte("sexton_facts")
    effects = own_tables(dialect).effects
    known = exists(select(1).where(effects.c.key == relation.c.key))
    untold = select(func.count(relation.c.key.distinct())).where(not_(known))
    return select(*outcome, untold.scalar_subquery().label("told"), told_before(relation, known))


def relations(plan: Plan, excluding: bool) -> dict[str, Any]:
    """The picked rows, and what hangs on them, by name."""
    rows: dict[str, Any] = {"picked": select_due(plan, excluding=excluding).cte("sexton_picked")}
    for found in plan.found:
        rows[found.name] = found.select(rows).cte(f"sexton_{found.name}")
    return rows


def writing_statements(plan: Plan) -> list[Any]:
    """What a plan updates and inserts, each alone: not to be executed, but to see whether the columns are there."""
    rows = relations(plan, excluding=False)
    return [change.statement(rows) for change in plan.all_changes if change.operation != "delete"]
