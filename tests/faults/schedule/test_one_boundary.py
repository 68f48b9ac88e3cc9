"""One job's trouble is its own: whatever a look beforehand meets, or a function does, the others run (REP-1, REP-2)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text

from sexton.db.tables import own_tables
from tests.support import careless_jobs
from tests.support.children import command_line, command_line_to_the_last_word
from tests.support.past_runs import add_runs, run_row
from tests.support.worker import LONG, Yard, make_yard
from tests.support.workers import Start, Worker

POLICIES = "".join(f'\n[policies.{name}]\npurge = "{name}"\nby = "at"\nkeep = "30d"\n' for name in ("log", "sessions"))

SLOW = """
[policies.slow]
purge = "log"
by = "at"
keep = "30d"
only = "state = log_state()"
timeout = "3s"
"""

IDENTITY = "CREATE TABLE log (path text, at timestamptz); CREATE PUBLICATION cdc FOR ALL TABLES"
RULE = "CREATE TABLE log (id int PRIMARY KEY, at timestamptz); CREATE RULE r AS ON DELETE TO log DO INSTEAD SELECT 1"
VIEW = "CREATE VIEW log AS SELECT 'a' AS path, CURRENT_TIMESTAMP AS at"
NO_TIME = "CREATE TABLE log (id integer PRIMARY KEY, at boolean)"
ANYWHERE = {"a view": (VIEW, "view"), "no time": (NO_TIME, "no time"), "no table": ("SELECT 1", "no table")}
POSTGRESQL = {"no replica identity": (IDENTITY, "REPLICA IDENTITY"), "a rule": (RULE, "rule r")}
"""What is wrong with the table of the first of two policies, and a word that its error has to hold."""


def yard_of(engine: Engine, database: str, folder: Path, start: Start, table: str) -> Yard:
    """Two policies over `log`, as it is made here, and `sessions`, which is as it should be; and jobs of functions."""
    with engine.begin() as connection:
        for statement in (*table.split("; "), "CREATE TABLE sessions (id integer PRIMARY KEY, at timestamp)"):
            connection.execute(text(statement))
    yard = make_yard(engine, database, folder, start, jobs="tests.support.ending_jobs", lease=LONG)
    with (folder / "sexton.toml").open("a") as settings:
        settings.write(POLICIES)
    return yard


def due(yard: Yard, how: str = "--quiet") -> Worker:
    """`sexton run --due --quiet`, ended."""
    process = yard.start(command_line, "run", "--due", how, yard.config)
    process.wait()
    return process


def open_incidents(engine: Engine) -> dict[str, str]:
    """Kind by job."""
    table = own_tables(engine.dialect.name).incidents
    with engine.connect() as connection:
        return {row.job: row.kind for row in connection.execute(select(table).where(table.c.closed_at.is_(None)))}


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(("table", "word"), ANYWHERE.values(), ids=ANYWHERE)
def test_rep_1_what_a_look_beforehand_meets_is_that_jobs(
    engine: Engine, database: str, tmp_path: Path, start: Start, table: str, word: str
) -> None:
    assert_others_run(engine, yard_of(engine, database, tmp_path, start, table), word)


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(("table", "word"), POSTGRESQL.values(), ids=POSTGRESQL)
def test_rep_1_whatever_state_the_server_gives(
    engine: Engine, database: str, tmp_path: Path, start: Start, table: str, word: str
) -> None:
    assert_others_run(engine, yard_of(engine, database, tmp_path, start, table), word)


def assert_others_run(engine: Engine, yard: Yard, word: str) -> None:
    """The job is on record as failed, told by its name, an incident; the one behind it ran; `check` says both."""
    for name in ("policies.log", "policies.sessions"):
        yard.ask_for(name)

    process = due(yard)

    assert process.wait() == 2
    told = [json.loads(line) for line in process.output.splitlines()]
    assert [line["job"] for line in told] == ["policies.log"]
    runs = {run.job: run for run in yard.runs()}
    assert runs["policies.sessions"].state == "succeeded"
    assert runs["policies.log"].state == "failed"
    assert word in (runs["policies.log"].error or "")
    assert open_incidents(engine) == {"policies.log": "broken"}
    check = yard.start(command_line, "check", yard.config)
    assert check.wait() != 0
    assert any(line.startswith("wrong    policies.log:") and word in line for line in check.output.splitlines())
    assert "ok       policies.sessions: its statements work here" in check.output


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_2_a_job_that_hangs_is_told_and_the_jobs_behind_it_run(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    yard = yard_of(engine, database, tmp_path, start, "SELECT 1")
    for name in ("end.sleep", "end.well", "policies.sessions"):
        yard.ask_for(name)

    process = due(yard)

    assert process.wait() == 1
    (line,) = process.output.splitlines()
    told = json.loads(line)
    assert (told["job"], told["state"]) == ("end.sleep", "timed_out")
    assert {run.job: run.state for run in yard.runs()} == {
        "end.sleep": "timed_out",
        "end.well": "succeeded",
        "policies.sessions": "succeeded",
    }
    assert open_incidents(engine)["end.sleep"] == "broken"


@pytest.mark.databases("sqlite")
def test_rep_2_by_hand_a_line_is_said_before_the_process_ends(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    yard = yard_of(engine, database, tmp_path, start, "SELECT 1")

    process = start(command_line_to_the_last_word, "run", "end.sleep", "--quiet", yard.config)

    assert process.wait() == 1
    (line,) = process.output.splitlines()
    assert json.loads(line)["state"] == "timed_out"
    assert [run.state for run in yard.runs()] == ["timed_out"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("door", ["run --due", "worker"])
@pytest.mark.slow
def test_what_a_function_does_to_its_process_is_not_left_to_the_next_job(
    engine: Engine, database: str, tmp_path: Path, start: Start, door: str
) -> None:
    yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.careless_jobs", lease=LONG)
    for job in careless_jobs.jobs:
        yard.ask_for(job.name)

    try:
        if door == "worker":
            process = yard.leader("--concurrency", "1")
            yard.wait_until(lambda: all(run.finished_at for run in yard.runs()))
        else:
            process = due(yard, "--json")
            assert process.wait() == 1
    finally:
        careless_jobs.end_children(str(engine.url.database))

    runs = {run.job: run for run in yard.runs()}
    assert len(runs) == len(yard.runs())
    assert {name: run.error for name, run in runs.items()} == {
        "care.hang_up": "its process was ended by SIGKILL",
        "care.leave_a_child": "its process ended by itself with exit code 7",
        "care.fork_twice": None,
        "care.change": None,
        "care.look": None,
    }
    assert runs["care.fork_twice"].total.changed == 1
    yard.wait_until(lambda: process.output.count('"run ended"') == len(runs))  # also of the one that closed the output


@pytest.mark.databases("postgres15")
def test_a_statement_that_is_planned_for_ever_is_its_jobs_trouble(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    waits = "CREATE FUNCTION log_state() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT pg_sleep(600)::text'"
    yard = yard_of(engine, database, tmp_path, start, f"CREATE TABLE log (id int, at timestamptz, state text); {waits}")
    with (tmp_path / "sexton.toml").open("a") as settings:
        settings.write(SLOW)

    for name in ("policies.slow", "policies.sessions"):
        yard.ask_for(name)
    assert due(yard).wait() == 2

    runs = {run.job: run for run in yard.runs()}
    assert runs["policies.sessions"].state == "succeeded"
    told = runs["policies.slow"].error or ""
    assert re.search(r"had not planned its statement within [0-3] s", told), told  # what was left of its time
    assert open_incidents(engine) == {"policies.slow": "broken"}


HELD = {
    "a run of another job": "SELECT 1 FROM sexton.runs WHERE job = 'end.sleep' FOR UPDATE",
    "the schedule of another job": "UPDATE sexton.schedules SET reason = 'held' WHERE job = 'policies.log'",
    "an incident of another job": "UPDATE sexton.incidents SET text = 'held'",
}


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("statement", HELD.values(), ids=HELD)
def test_a_row_of_ours_that_somebody_holds_is_the_trouble_of_its_job(
    engine: Engine, database: str, tmp_path: Path, start: Start, statement: str
) -> None:
    yard = yard_of(engine, database, tmp_path, start, "CREATE TABLE log (id integer PRIMARY KEY, at timestamptz)")
    with (tmp_path / "sexton.toml").open("a") as settings:
        settings.write('\n[job."policies.log"]\nschedule = "every 2h"\n')
    yesterday = datetime.now(UTC) - timedelta(days=2)
    own = own_tables(engine.dialect.name)
    with engine.begin() as connection:
        connection.execute(insert(own.schedules).values(job="policies.log", expression="another", version=0))
        row = {"job": "gone", "kind": "late", "text": "late", "opened_at": yesterday, "told_at": yesterday}
        connection.execute(insert(own.incidents).values(row))
    add_runs(engine, run_row("end.sleep", "running", yesterday))
    yard.ask_for("policies.sessions")

    with engine.begin() as person:
        person.execute(text(statement))
        process = due(yard)

    assert process.wait() == 0
    assert yard.runs("policies.sessions")[0].state == "succeeded"
