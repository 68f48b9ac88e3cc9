"""Rows that take long to change, in the database itself, so that batches do: for tests of pace and time limits."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event, text

NAP = 0.05
"""Seconds a slow row takes, at least; on SQLite as long as counting to half a million does."""


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


def changing_is_endless(engine: Engine, *, when: str = "1 = 1") -> None:
    """Each UPDATE goes on for minutes, in a way that both databases can interrupt."""
    _in_any_process(engine, 600, 10_000_000_000, when)


def slow_rows(engine: Engine) -> None:
    """From now on each UPDATE of a session takes a while, so that a run is under way for as long as a test needs."""
    _in_any_process(engine, NAP, 500_000, "1 = 1")


def quick_rows(engine: Engine) -> None:
    """As before."""
    _execute(engine, "DROP TRIGGER nap" + " ON sessions" * (engine.dialect.name != "sqlite"))


def _in_any_process(engine: Engine, seconds: float, numbers: int, when: str) -> None:
    """Whoever changes a session has to sleep so long; on SQLite, to count so far, as no other process knows `nap`."""
    if engine.dialect.name == "postgresql":
        changing_takes(engine, seconds, when=when)
        return
    _execute(
        engine,
        "CREATE VIEW numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        f"CREATE TRIGGER nap BEFORE UPDATE ON sessions WHEN {when} BEGIN"
        f" SELECT count(*) FROM (SELECT i FROM numbers LIMIT {numbers}); END",
    )


def _execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
