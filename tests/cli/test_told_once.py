"""REP-19: what a message is told once for is said before it is armed, and a message that is withheld is shown."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from .shell import Inside

ONLY = {
    "sqlite": "done_at IS NULL AND sent_at <= datetime('now', '+7 days')",
    "postgresql": "done_at IS NULL AND sent_at <= now() + interval '7 days'",
}
POLICIES = """
database = "{database}"
[policies.tidy]
transition = "letters"
only = "{only}"
set = {{done_at = {{now = true}}}}
event = "late"
max_share = 1.0
[policies.often]
warn = "letters"
only = "{only}"
once_per = ["round", "sent_at"]
[policies.timed]
warn = "letters"
by = "sent_at"
"""


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_19_explain_and_arm_say_what_the_key_holds(inside: Inside, database: str, engine: Engine) -> None:
    dialect = engine.dialect.name
    inside.write("sexton.toml", POLICIES.format(database=database, only=ONLY[dialect]))
    kind = "datetime" if dialect == "sqlite" else "timestamptz"
    renew = text("UPDATE letters SET done_at = NULL")
    with engine.begin() as connection:
        connection.execute(
            text(f"CREATE TABLE letters (id int PRIMARY KEY, sent_at {kind}, done_at {kind}, round int)")
        )
        connection.execute(text("INSERT INTO letters (id, sent_at) VALUES (1, '2026-01-01 00:00:00')"))

    for name, words in (
        ("tidy", "  tells late, once for each id and sent_at\n"),
        ("often", "  tells about it, once for each id, round and sent_at\n"),
        ("timed", "  tells about it, once for each id and sent_at\n"),
    ):
        assert words in inside.sexton("explain", f"policies.{name}").out
        assert words in inside.sexton("arm", name, "--yes").out
    assert "told before" not in inside.sexton("run", "policies.tidy").out
    with engine.begin() as connection:
        connection.execute(renew)
    assert '"told_before": 1' in inside.sexton("run", "policies.tidy", "--dry-run").out
    assert "1 told before" in inside.sexton("arm", "tidy", "--yes").out
    again = inside.sexton("run", "policies.tidy")

    assert (again.code, '"told_before": 1' in again.out) == (0, True)
