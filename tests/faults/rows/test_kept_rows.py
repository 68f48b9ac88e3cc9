"""REP-11: rows that are found, and that the database does not change without a word, are counted and told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text

from sexton import Job
from sexton.errors import PolicyError
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.testing import run_job
from tests.support.past_runs import set_aside_rows
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.databases("sqlite", "postgres15")


def keep(engine: Engine, event: str = "DELETE", *, when: str = "old.id > 0") -> None:
    """A trigger that says no without an error."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            no = "BEGIN SELECT RAISE(IGNORE); END"
            connection.execute(text(f"CREATE TRIGGER legal_hold BEFORE {event} ON sessions WHEN {when} {no}"))
            return
        connection.execute(
            text("CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
        )
        connection.execute(
            text(
                f"CREATE TRIGGER legal_hold BEFORE {event} ON sessions FOR EACH ROW WHEN ({when})"
                " EXECUTE FUNCTION hold()"
            )
        )


def undo(engine: Engine, timing: str) -> None:
    """A trigger that sets a session back to what it was."""
    back = "UPDATE sessions SET status = 'open' WHERE id = new.id"
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(
                text(f"CREATE TRIGGER back AFTER UPDATE ON sessions WHEN new.status <> 'open' BEGIN {back}; END")
            )
            return
        does = "new.status := 'open'; RETURN new" if timing == "BEFORE" else f"{back}; RETURN NULL"
        connection.execute(text(f"CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$"))
        connection.execute(
            text(
                f"CREATE TRIGGER back {timing} UPDATE ON sessions FOR EACH ROW WHEN (new.status <> 'open')"
                " EXECUTE FUNCTION back()"
            )
        )


WAYS = {"purge": ("purge", True), "sweep": ("purge", False), "expire": ("expire", True)}
every_way = pytest.mark.parametrize(("job", "indexed"), WAYS.values(), ids=WAYS)


def made(engine: Engine, job: str, indexed: bool = True, *, rows: int) -> tuple[Sessions, Job]:
    shop = make_sessions(engine, indexed=indexed)
    shop.add(rows, age=HOUR)
    return shop, getattr(shop, job)()


def ran(shop: Sessions, job: Job, **limits: int) -> Outcome:
    return run_job(shop.engine, job, at=NOON, limits=Limits(lock_wait=0.05, **limits))  # type: ignore[arg-type]


@every_way
def test_rep_11_rows_that_a_trigger_keeps_are_counted_and_from_the_second_time_the_run_fails(
    job: str, indexed: bool, engine: Engine
) -> None:
    shop, work = made(engine, job, indexed, rows=2000)
    event, done = ("UPDATE", "changed") if job == "expire" else ("DELETE", "deleted")
    keep(engine, event)
    words = f"2,000 rows of sessions found and not {done}; see the trigger legal_hold"

    first, second = ran(shop, work), ran(shop, work)

    assert (first.state, first.exit_code, first.note) == ("partial", 3, words)
    assert (first.total.picked, first.total.changed, first.total.kept) == (2000, 0, 2000)
    assert (second.state, second.exit_code, second.error) == ("failed", 1, f"{words}, not for the first time")
    assert second.total.kept == 2000
    assert [counts["kept"] for counts in shop.runs()[0].counts.values()] == [2000]
    assert set_aside_rows(engine) == []


@every_way
def test_rep_11_rows_behind_kept_ones_go_and_each_is_counted_once(job: str, indexed: bool, engine: Engine) -> None:
    """The oldest 150 are kept: a first batch, and more, without one row that goes."""
    shop, work = made(engine, job, indexed, rows=400)
    keep(engine, "UPDATE" if job == "expire" else "DELETE", when="old.id <= 150 OR old.id = 300")

    run = ran(shop, work, rows=50)

    assert (run.state, run.total.picked, run.total.changed, run.total.kept) == ("partial", 400, 249, 151)
    assert shop.ids(status="open") == [*range(1, 151), 300]


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"])
def test_rep_11_rows_that_a_trigger_sets_back_are_due_again_and_counted(timing: str, engine: Engine) -> None:
    shop, work = made(engine, "expire", rows=120)
    undo(engine, timing)

    first, second = ran(shop, work, rows=50), ran(shop, work, rows=50)

    assert first.note == "120 rows of sessions found and not changed; see the trigger back"
    assert (first.state, second.state) == ("partial", "failed")
    assert (first.total.picked, first.total.kept, first.total.told) == (120, 120, 240)
    assert second.total.told == 0


def test_rep_11_once_they_go_the_run_is_well_again(engine: Engine) -> None:
    shop, work = made(engine, "purge", rows=20)
    keep(engine, when="old.id = 7")
    assert [ran(shop, work).state, ran(shop, work).state] == ["partial", "failed"]

    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER legal_hold" + " ON sessions" * (engine.dialect.name != "sqlite")))

    assert (ran(shop, work).state, shop.ids()) == ("succeeded", [])


def test_rep_11_a_limit_is_not_filled_up_by_kept_rows(engine: Engine) -> None:
    shop, work = made(engine, "purge", rows=60)
    keep(engine, when="old.id <= 30")

    run = ran(shop, work, rows=10, row_limit=20)

    assert (run.total.changed, run.total.kept) == (20, 30)


@pytest.mark.databases("postgres15")
@every_way
def test_rep_11_locked_rows_and_poison_are_not_kept_ones(job: str, indexed: bool, engine: Engine) -> None:
    shop, work = made(engine, job, indexed, rows=60)
    keep(engine, "UPDATE" if job == "expire" else "DELETE", when="old.id = 7")
    with engine.begin() as connection:
        no = "BEGIN RAISE EXCEPTION 'no'; END"
        connection.execute(text(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ {no} $$"))
        connection.execute(
            text(
                "CREATE TRIGGER no BEFORE DELETE OR UPDATE ON sessions FOR EACH ROW WHEN (old.id = 20)"
                " EXECUTE FUNCTION no()"
            )
        )

    with engine.connect() as rival:
        rival.execute(select(shop.table).where(shop.table.c.id == 33).with_for_update()).all()
        run = ran(shop, work, rows=10)

    assert (run.state, run.total.changed) == ("partial", 57)
    assert (run.total.kept, run.total.skipped, run.total.poison) == (1, 1, 1)
    assert shop.ids(status="open") == [7, 20, 33]


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    "rule",
    ["DELETE TO sessions DO INSTEAD NOTHING", "DELETE TO sessions WHERE old.id = 7 DO INSTEAD NOTHING",
     "DELETE TO sessions DO ALSO NOTIFY sessions"],
    ids=["nothing", "nothing for one", "something more"],
)  # fmt: skip
def test_rep_11_a_rule_is_named_before_anything_runs(rule: str, engine: Engine) -> None:
    shop, work = made(engine, "purge", rows=3)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE RULE no_delete AS ON {rule}"))

    with pytest.raises(PolicyError, match="the rule no_delete takes the place of each DELETE on sessions"):
        ran(shop, work)


@pytest.mark.databases("postgres15")
def test_rep_11_a_neighbour_who_deletes_a_row_first_keeps_none(engine: Engine) -> None:
    shop, work = made(engine, "purge", rows=30)
    keep(engine, when="old.id = 0")

    with engine.connect() as rival:
        rival.execute(shop.table.delete().where(shop.table.c.id.in_([5, 6])))

        def commit(_step: str, _counts: object) -> None:
            rival.commit()

        run = run_job(engine, work, at=NOON, limits=Limits(rows=10, lock_wait=5.0), watch=commit)

    assert (run.state, run.total.changed, run.total.kept, shop.ids()) == ("succeeded", 28, 0, [])
