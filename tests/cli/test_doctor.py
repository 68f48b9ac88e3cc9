"""`sexton doctor`: what it prints, for whom, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sexton.db.connect import open_database
from tests.support.findings import apply

from .shell import JOBS, Inside

POLICY = """
[policies.stale_sessions]
purge = "sessions"
by = "expires_at"
"""


@pytest.fixture
def shop(inside: Inside, database: str) -> Inside:
    """A folder with two jobs and a policy on one table, whose index is there."""
    inside.write("sexton.toml", f'database = "{database}"\njobs = ["jobs.py"]\n{POLICY}')
    inside.write("jobs.py", JOBS)
    kind = "timestamp" if database.startswith("sqlite") else "timestamptz"
    run(database, f"CREATE TABLE sessions (id bigint PRIMARY KEY, status text, expires_at {kind})")
    run(database, "CREATE INDEX sessions_ends ON sessions (expires_at, id)")
    run(database, "INSERT INTO sessions VALUES (1, 'open', '2020-01-01 00:00:00.000000')")
    return inside


def run(url: str, *lines: str) -> None:
    engine = open_database(url)
    apply(engine, *lines)
    engine.dispose()


def test_all_jobs_are_listed_with_a_verdict_for_each_step(shop: Inside) -> None:
    done = shop.sexton("doctor")

    assert (done.code, done.err) == (0, "")
    headings = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert headings[0] == "database"
    assert headings[1:5] == [
        "policies.stale_sessions",
        "shop.purge_sessions",
        "shop.expire_sessions",
        "sexton.housekeeping",
    ]
    assert done.out.count(" plan: ") >= 2
    assert "plan of" not in done.out
    assert headings[-1] == "nothing to say: all is well"
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("name", ["stale_sessions", "policies.stale_sessions", "shop.expire_sessions"])
def test_one_job_or_policy_is_shown_in_full_with_its_plan(shop: Inside, name: str) -> None:
    done = shop.sexton("doctor", name, "--sample")

    assert done.code == 0
    assert "\nplan of " in done.out
    assert "due: 1 row is due now" in done.out
    assert "sample: 1 row: " in done.out
    assert "housekeeping" not in done.out


def test_a_warning_ends_with_1_and_names_what_helps(shop: Inside, database: str) -> None:
    run(database, "DROP INDEX sessions_ends")

    done = shop.sexton("doctor", "stale_sessions")

    assert done.code == 1
    why = ", where every batch starts" if database.startswith("sqlite") else ", so that each run reads"
    assert f"  warning index: no index leads to expires_at{why}" in done.out
    assert "sessions_expires_at_id ON sessions (expires_at, id);\n" in done.out
    assert done.out.splitlines()[-1] == "1 warning"


def test_what_is_wrong_is_counted_and_the_other_jobs_are_shown(shop: Inside, database: str) -> None:
    run(database, "DROP INDEX sessions_ends", "ALTER TABLE sessions RENAME COLUMN status TO state")

    done = shop.sexton("doctor")

    assert done.code == 1
    assert done.out.splitlines()[-1] == "1 wrong, 1 warning"
    headings = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert headings[:3] == ["database", "shop.expire_sessions", "policies.stale_sessions"]  # the worst first
    assert "  warning again: the same as under policies.stale_sessions\n" in done.out
    everything = shop.sexton("doctor", "--all").out
    assert (everything.splitlines()[-1], " again: " in everything) == ("1 wrong, 2 warnings", False)


def test_json_is_a_list_of_findings(shop: Inside) -> None:
    found = json.loads(shop.sexton("doctor", "stale_sessions", "--json").out)

    assert all(finding.keys() == {"level", "about", "text", "sql", "plan", "job", "step"} for finding in found)
    assert found[0]["job"] == ""
    plan = next(finding for finding in found if finding["about"] == "plan")
    assert (plan["job"], plan["step"]) == ("policies.stale_sessions", "stale_sessions")
    assert plan["plan"]


def test_an_unknown_name_and_a_sample_of_nothing_are_usage(shop: Inside) -> None:
    assert shop.sexton("doctor", "stale_session").code == 2
    done = shop.sexton("doctor", "--sample")

    assert done.code == 2
    assert "sexton doctor NAME --sample" in done.line


def test_an_unreachable_database_is_69_and_a_missing_file_is_not_made(inside: Inside) -> None:
    inside.write("sexton.toml", "")
    refused = inside.sexton("doctor", "--database", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    missing = inside.sexton("doctor", "--database", "sqlite:///none.db")

    assert (refused.code, missing.code) == (69, 69)
    assert not (inside.folder / "none.db").exists()


def test_the_demonstration_is_well_and_unchanged(demo: Inside) -> None:
    (file,) = Path(demo.folder).glob("*.db")
    before = dump(file)

    done = demo.sexton("doctor")

    assert (done.code, done.err) == (0, "")
    assert " warning " not in done.out
    assert dump(file) == before


def dump(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines
