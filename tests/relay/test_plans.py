"""What PostgreSQL believes of the outbox and the deliveries once it has statistics: that most of what waits is due.

Where it takes what waits for a few rows, it sorts all of it for each batch, and a backlog of 300,000 never ends.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton.relay.routes import Route

from .mailroom import open_room

pytestmark = pytest.mark.databases("postgres")

MESSAGES = """
INSERT INTO sexton.outbox_events (key, event_type, recipient, payload, created_at, published_at)
SELECT 'code:' || n, 'code', 'r', '{}', now(), CASE WHEN n <= 1000 THEN now() END FROM generate_series(1, 3000) n
"""
DELIVERIES = """
INSERT INTO sexton.deliveries (outbox, message, message_key, event_type, route, channel, destination, recipient,
    priority, created_at, state, closed_at)
SELECT '', n::text, 'code:' || n, 'code', 'lines', 'log', 'log', 'r', 0, now(),
    CASE WHEN n <= 1000 THEN 'done' ELSE 'waiting' END, CASE WHEN n <= 1000 THEN now() END
FROM generate_series(1, 2000) n
"""


WAITING = 1000
"""Messages without a delivery, and deliveries that are due."""


def test_w8_what_waits_is_not_taken_for_a_few_rows(engine: Engine) -> None:
    room = open_room(engine, Route("lines", ("code",), "log"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (MESSAGES, DELIVERIES, "VACUUM ANALYZE sexton.outbox_events, sexton.deliveries"):
            connection.execute(text(statement))
    asked: dict[str, tuple[str, Any]] = {}

    def keep(_connection: object, _cursor: object, sql: str, values: Any, *_more: object) -> None:
        if "SKIP LOCKED" in sql and sql.startswith("SELECT"):
            asked.setdefault("outbox_events" if "OF outbox_events" in sql else "deliveries", (sql, values))

    event.listen(engine, "before_cursor_execute", keep)
    room.run(calls=True)

    with engine.connect() as connection:
        for table, (sql, values) in asked.items():
            (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar_one()
            expected = expected_rows(plan["Plan"], table)
            assert expected is not None, plan
            assert expected >= WAITING / 4, (table, plan)
    assert asked.keys() == {"outbox_events", "deliveries"}


def expected_rows(node: dict[str, Any], table: str) -> int | None:
    """Of the scan of this table that is not part of a sub-plan."""
    if node.get("Relation Name") == table:
        return int(node["Plan Rows"])
    below = [one for one in node.get("Plans", ()) if one.get("Parent Relationship") != "SubPlan"]
    return next((found for one in below if (found := expected_rows(one, table)) is not None), None)
