"""Rows whose change takes long: a run is under way for as long as a test needs, however fast the machine is."""

from __future__ import annotations

from sqlalchemy import Engine, text

NAP = 0.05
"""Seconds a row, at least; on SQLite as long as counting to half a million takes."""


def slow_rows(engine: Engine) -> None:
    """From now on each update of a session takes a while."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            counting = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
            connection.execute(text(f"CREATE VIEW numbers AS {counting}"))
            does = "SELECT count(*) FROM (SELECT i FROM numbers LIMIT 500000)"
            connection.execute(text(f"CREATE TRIGGER dawdle BEFORE UPDATE ON sessions BEGIN {does}; END"))
            return
        does = f"BEGIN PERFORM pg_sleep({NAP}); RETURN NEW; END"
        connection.execute(text(f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS '{does}'"))
        connection.execute(
            text("CREATE TRIGGER dawdle BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION dawdle()")
        )


def quick_rows(engine: Engine) -> None:
    """As before."""
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER dawdle" + " ON sessions" * (engine.dialect.name != "sqlite")))
