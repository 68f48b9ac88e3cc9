"""The parts of a statement: the same as SQLAlchemy finds, each once."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from sqlalchemy import BindParameter, Table, bindparam, column, func, literal, select
from sqlalchemy.sql import visitors

from sexton.db.statement_parts import statement_parts
from sexton.statements.postgresql_batch import batch_statement
from tests.sql.texts import plans


def test_what_each_batch_of_the_marketplace_is_made_of_is_found() -> None:
    for _name, plan in plans("postgresql"):
        whole = batch_statement(plan, excluding=True)

        found = Counter(map(id, statement_parts(whole)))

        assert set(found.values()) == {1}
        assert named(statement_parts(whole)) == named(visitors.iterate(whole)) != set()


def test_shared_parts_do_not_multiply() -> None:
    """Twenty CTEs, each of which reads the one before three times: 3**20 ways, and all parts in no time."""
    rows: Any = select(literal(1).label("a"), bindparam("most").label("b")).cte("step_0")
    for step in range(1, 20):
        rows = select((rows.c.a + rows.c.b).label("a"), func.max(rows.c.b).label("b")).group_by(rows.c.a)
        rows = rows.cte(f"step_{step}")
    whole: Any = select(column("a")).select_from(rows)

    assert "most" in named(islice(statement_parts(whole), 10_000))
    assert sum(1 for _ in statement_parts(whole)) < 10_000


def named(parts: Any) -> set[str]:
    """Parameters and tables among them."""
    parts = list(parts)
    parameters = {str(part.key) for part in parts if isinstance(part, BindParameter)}
    return parameters | {part.fullname for part in parts if isinstance(part, Table)}
