"""Rows that take long to change, in the database itself, so that batches do: for tests of pace and time limits."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event, text


def changing_takes(engine: Engine, seconds: float, *, deed: str = "UPDATE", when: str = "1 = 1") -> None:
    """Each UPDATE (or DELETE) of a session for which `when` holds takes this long, from now on, on this engine."""
    if engine.dialect.name == "postgresql":
        nap = f"BEGIN PERFORM pg_sleep({seconds}); RETURN COALESCE(new, old); END"
        _execute(
            engine,
            f"CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ {nap} $$",
            f"CREATE TRIGGER nap BEFORE {deed} ON sessions FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION nap()",
        )
        return

    def add_nap(connection: Any, _record: object) -> None:
        connection.create_function("nap", 1, time.sleep)

    event.listen(engine, "connect", add_nap)
    engine.dispose()  # connections made before know no nap
    _execute(engine, f"CREATE TRIGGER nap BEFORE {deed} ON sessions WHEN {when} BEGIN SELECT nap({seconds}); END")


def changing_is_endless(engine: Engine, *, when: str) -> None:
    """As above, for minutes, in a way that both databases can interrupt."""
    if engine.dialect.name == "postgresql":
        changing_takes(engine, 600, when=when)
        return
    _execute(
        engine,
        "CREATE VIEW numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        f"CREATE TRIGGER nap BEFORE UPDATE ON sessions WHEN {when} BEGIN"
        " SELECT count(*) FROM (SELECT i FROM numbers LIMIT 10000000000); END",
    )


def _execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
