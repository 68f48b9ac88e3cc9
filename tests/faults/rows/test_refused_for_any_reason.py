"""REP-3: whatever a trigger raises about one row, under whatever state, is that row's; the others go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import Job
from sexton.app import App
from sexton.config import Settings
from sexton.declared.policy_fingerprint import definition_of
from sexton.declared.policy_tables import read_policy
from sexton.guard.arming import arm
from sexton.runs.context import Limits
from sexton.testing import run_job
from tests.support.pace import RunClock
from tests.support.past_runs import set_aside_rows
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)
QUICK = Limits(lock_wait=0.05)

STATES = ["HL001", "XX000", "P0001", "0A000", "2F004", "38000", "39000", "42501", "42P01", "55000", "53400", "22000"]
"""Raised by the code of the trigger."""

OURS = ["40001", "40P01", "57014", "55P03", "08006", "57P01", "53100", "25006"]
"""The same, under states that mean something else when the server itself has them."""

WAYS = {"purge": ("purge", True), "sweep": ("purge", False), "expire": ("expire", True)}
every_way = pytest.mark.parametrize(("job", "indexed"), WAYS.values(), ids=WAYS)


def made(engine: Engine, job: str, *, rows: int = 60, indexed: bool = True) -> tuple[Sessions, Job]:
    """Sessions that are over, and the job."""
    shop = make_sessions(engine, indexed=indexed)
    shop.add(rows, age=HOUR)
    return shop, getattr(shop, job)()


def on_change(engine: Engine, does: str, *, when: str = "old.id = 3", timing: str = "BEFORE") -> None:
    """A trigger on sessions. does: statements of PL/pgSQL, or of SQLite."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for event in ("DELETE", "UPDATE"):
                connection.execute(
                    text(f"CREATE TRIGGER no_{event} {timing} {event} ON sessions WHEN {when} BEGIN {does}; END")
                )
            return
        kind = "CONSTRAINT TRIGGER" if timing == "AFTER" else "TRIGGER"
        late = "DEFERRABLE INITIALLY DEFERRED" if timing == "AFTER" else ""
        connection.execute(
            text(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN {does}; RETURN coalesce(new, old); END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE {kind} no {timing} DELETE OR UPDATE ON sessions {late}"
                f" FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION no()"
            )
        )


def raises(state: str) -> str:
    return f"RAISE EXCEPTION 'no' USING ERRCODE = '{state}'"


def assert_only_this_row_is_aside(shop: Sessions, run: Any, *, rows: int = 60, row: int = 3) -> None:
    assert (run.state, run.total.changed, run.total.poison) == ("partial", rows - 1, 1), run.error
    assert shop.ids(status="open") == [row]
    assert [one["subject"] for one in set_aside_rows(shop.engine)] == [str(row)]


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("state", STATES + OURS)
def test_rep_3_any_state_is_the_rows(state: str, engine: Engine) -> None:
    shop, job = made(engine, "purge")
    on_change(engine, raises(state))

    run = run_job(engine, job, at=NOON, limits=QUICK)

    assert_only_this_row_is_aside(shop, run)
    assert state in set_aside_rows(engine)[0]["error"]


@pytest.mark.databases("postgres15")
@every_way
@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"])
def test_rep_3_in_every_way_and_at_the_commit_too(timing: str, job: str, indexed: bool, engine: Engine) -> None:
    shop, work = made(engine, job, indexed=indexed)
    on_change(engine, raises("HL001"), timing=timing)

    assert_only_this_row_is_aside(shop, run_job(engine, work, at=NOON, limits=QUICK))


FAULTY = {
    "a table that is gone": "PERFORM 1 FROM audit",
    "a function that is none": "PERFORM audit(old.id)",
    "a column that is none": "PERFORM old.nobody",
    "no right": "SET LOCAL ROLE nobody_else; PERFORM 1 FROM secrets",
    "what functions may not": "COMMIT",
    "a division": "PERFORM 1 / (old.id - old.id)",
    "a transaction elsewhere": "PERFORM pg_read_file('/nowhere/at/all')",
}


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("does", FAULTY.values(), ids=FAULTY)
def test_rep_3_what_goes_wrong_inside_a_trigger_is_the_rows(does: str, engine: Engine) -> None:
    shop, work = made(engine, "purge")
    if "ROLE" in does:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE secrets (id int)"))
            connection.execute(text("DROP ROLE IF EXISTS nobody_else"))
            connection.execute(text("CREATE ROLE nobody_else"))
    on_change(engine, does)

    assert_only_this_row_is_aside(shop, run_job(engine, work, at=NOON, limits=QUICK))


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("job", ["purge", "expire"])
@pytest.mark.parametrize("does", ["ABORT", "FAIL", "ROLLBACK"])
@pytest.mark.parametrize("words", ["no", "database is locked", "no such table: x"])
def test_rep_3_sqlite_however_a_trigger_raises(words: str, does: str, job: str, engine: Engine) -> None:
    shop, work = made(engine, job)
    on_change(engine, f"SELECT RAISE({does}, '{words}')")

    assert_only_this_row_is_aside(shop, run_job(engine, work, at=NOON))
    assert set_aside_rows(engine)[0]["error"] == words


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "does", ["SELECT json('{')", "SELECT abs(-9223372036854775808)", "SELECT '1' LIKE '2' ESCAPE ''"]
)
def test_rep_3_sqlite_errors_of_functions_are_the_rows(does: str, engine: Engine) -> None:
    shop, work = made(engine, "purge")
    on_change(engine, does)

    assert_only_this_row_is_aside(shop, run_job(engine, work, at=NOON))


@pytest.mark.parametrize("job", ["purge", "expire"])
def test_rep_3_when_every_row_is_refused_the_step_fails_and_leaves_one_line(job: str, engine: Engine) -> None:
    """After as many as were tried in a row, and as many from anywhere: not one by one through the table."""
    shop, work = made(engine, job, rows=400)
    no = "SELECT RAISE(ABORT, 'no row goes')" if engine.dialect.name == "sqlite" else raises("HL001")
    on_change(engine, no, when="old.id > 0")

    run = run_job(engine, work, at=NOON, limits=QUICK)

    assert (run.state, run.total.changed, run.total.poison) == ("failed", 0, 1)
    assert "every row of sessions that was tried is refused, 64 of them" in str(run.error)
    assert len(set_aside_rows(engine)) == 1
    assert len(shop.ids(status="open")) == 400


def test_rep_3_rows_far_behind_many_refused_ones_are_reached(engine: Engine) -> None:
    """The first 60 of 400 are refused: those found among all the others show that it is not every row."""
    shop, work = made(engine, "purge", rows=400)
    no = "SELECT RAISE(ABORT, 'no row goes')" if engine.dialect.name == "sqlite" else raises("HL001")
    on_change(engine, no, when="old.id <= 60")

    run = run_job(engine, work, at=NOON, limits=QUICK)

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 340, 60)
    assert shop.ids() == list(range(1, 61))


@pytest.mark.databases("postgres15")
def test_rep_3_our_own_timeout_is_no_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends it, and not the trigger: the row is not to blame, the run is over."""
    _, work = made(engine, "purge", rows=5)
    on_change(engine, "PERFORM pg_sleep(600)")

    clock = RunClock(monkeypatch)

    run = run_job(
        engine,
        replace(work, timeout="1h"),
        at=NOON,
        limits=Limits(rows=1, statement=PATIENCE),
        started=lambda _claim: clock.forward(3600 - 2),  # once it is under way, two seconds are left
    )

    assert (run.state, run.error) == ("timed_out", "its timeout passed")
    assert set_aside_rows(engine) == []


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("rows", [0, 3])
def test_rep_3_a_statement_that_is_refused_whatever_its_rows_ends_the_run(rows: int, engine: Engine) -> None:
    shop = make_sessions(engine)
    if rows:
        shop.add(rows, age=HOUR)
    with engine.begin() as connection:
        no = f"BEGIN {raises('HL001')}; END"
        connection.execute(text(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ {no} $$"))
        connection.execute(text("CREATE TRIGGER no BEFORE DELETE ON sessions EXECUTE FUNCTION no()"))

    run = run_job(engine, shop.purge(), at=NOON)

    assert (run.state, run.error) == ("failed", "refused, and no row is to blame: HL001: no")


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("state", ["HL001", "55P03"])
def test_rep_3_archived_rows_too(state: str, engine: Engine, database: str, tmp_path: Path) -> None:
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    no = "SELECT RAISE(ABORT, 'no')" if engine.dialect.name == "sqlite" else raises(state)
    on_change(engine, no)
    written: dict[str, Any] = {
        "archive": "sessions",
        "by": "expires_at",
        "keep": "0s",
        "max_share": 1.0,
        "kind": "deadline",
    }
    settings = Settings(database=database, policies={"tidy": written})
    with engine.begin() as connection:
        definition = definition_of(read_policy(written, ("policies", "tidy")))
        arm(connection, "tidy", definition, allowed=10**9, by="a test")
    job = App(settings, folder=tmp_path).registry.get("policies.tidy")

    assert_only_this_row_is_aside(shop, run_job(engine, job, at=NOON), rows=20)
