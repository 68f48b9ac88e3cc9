"""Many that wait: what a leader does each second looks at those whose turn it is, and compares none with each other."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from sexton import Wish
from sexton.requests.serial_keys import free_next, free_next_of
from sexton.requests.upkeep import process_gone
from tests.support.post_office import PostOffice

from .claims import claimed
from .test_claiming import Statements, nodes, plan_of

pytestmark = pytest.mark.databases("postgres18")

WAITING = 20_000

NAMES = "job, args, args_version, priority, attempt, attempts, created_at, engine, state, run_at, serial_key"

BLOCKED = "'post.write', '{}', 1, 0, 1, 5, clock_timestamp(), 'worker', 'blocked', NULL, 's'"
DELAYED = "'post.write', '{}', 1, 0, 1, 5, clock_timestamp(), 'worker', 'delayed', clock_timestamp() + '1 day', NULL"


def fill(office: PostOffice, values: str) -> None:
    """So many rows, and the server knows it."""
    rows = f"INSERT INTO sexton.requests ({NAMES}) SELECT {values} FROM generate_series(1, {WAITING})"
    with office.engine.connect() as connection:
        server = connection.execution_options(isolation_level="AUTOCOMMIT")
        server.execute(text(rows))
        server.execute(text("ANALYZE sexton.requests"))


def looked_at(node: dict[str, Any]) -> int:
    """Rows that one part of a plan saw."""
    seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return int(seen * node["Actual Loops"])


@pytest.mark.parametrize("one", [True, False], ids=["its key is known", "all keys"])
def test_the_first_of_a_long_line_is_freed_by_few_looks(office: PostOffice, one: bool) -> None:
    """Each with each would be 200 million, and nothing is kept in order meanwhile."""
    fill(office, BLOCKED)
    statements = Statements(office.engine)

    with office.engine.connect() as connection:
        free_next_of(connection, {("post.write", "s")}) if one else free_next(connection)
        connection.rollback()
        plan = plan_of(connection, statements.sent[-1], run=True)
        connection.rollback()
    assert max(map(looked_at, nodes(plan))) <= 2 * WAITING

    with office.engine.begin() as connection:
        free_next_of(connection, {("post.write", "s")}) if one else free_next(connection)
        assert not free_next(connection)
    assert [str(row.state) for row in office.rows()] == ["ready", *["blocked"] * (WAITING - 1)]


def test_what_waits_for_days_is_not_read_each_second_nor_when_a_process_ends(office: PostOffice) -> None:
    fill(office, DELAYED)
    number = office.app.enqueue("post.write")
    claimed(office, "busy/1.0")
    due = office.app.enqueue("post.write", wish=Wish(delay="1h"))
    office.past(due, "run_at")
    statements = Statements(office.engine)
    with office.engine.connect() as connection:
        process_gone(connection, "busy/1", "worker", number, None)
        connection.rollback()

        for sql, values in [*statements.sent]:
            if "requests" in sql and not sql.startswith("INSERT"):
                plan = plan_of(connection, (sql, values), run=True)
                assert max(map(looked_at, nodes(plan))) < WAITING / 100, sql
                connection.rollback()
