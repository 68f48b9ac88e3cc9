"""Rows that the database refuses: found with few statements, set aside, tried again later, forgotten when healed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from sexton import Job
from sexton.runs.outcome import Outcome
from sexton.slots.history import set_aside
from sexton.testing import preview_job, run_job
from tests.support.database_checks import assert_expired_once, states
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)


def aside(engine: Engine) -> list[dict[str, Any]]:
    """Rows that are set aside."""
    with engine.connect() as connection:
        return set_aside(connection)


def have_children(shop: Sessions, *ids: int) -> None:
    """These sessions cannot be deleted: accesses point at them."""
    with shop.engine.begin() as connection:
        connection.execute(insert(shop.accesses), [{"session_id": number} for number in ids])


def lose_children(shop: Sessions, number: int) -> None:
    """The reason why this session was refused is gone."""
    with shop.engine.begin() as connection:
        connection.execute(shop.accesses.delete().where(shop.accesses.c.session_id == number))


def purge(shop: Sessions, at: datetime = NOON) -> Outcome:
    """Run the purge."""
    return run_job(shop.engine, shop.purge(), at=at)


def refuse_to_expire(engine: Engine, *ids: int) -> None:
    """A trigger of the product refuses these sessions."""
    among = f"new.id IN ({', '.join(map(str, ids))})"
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            no = "BEGIN SELECT RAISE(ABORT, 'under review'); END"
            connection.execute(text(f"CREATE TRIGGER no BEFORE UPDATE ON sessions WHEN {among} {no}"))
            return
        no = "BEGIN RAISE EXCEPTION 'under review' USING ERRCODE = 'check_violation'; END"
        connection.execute(text(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ {no} $$"))
        connection.execute(
            text(f"CREATE TRIGGER no BEFORE UPDATE ON sessions FOR EACH ROW WHEN ({among}) EXECUTE FUNCTION no()")
        )


@pytest.mark.usefixtures("unhurried")
def test_q5_two_of_a_thousand_are_found_with_few_transactions_and_the_rest_is_done(engine: Engine) -> None:
    shop = make_sessions(engine)
    ids = shop.add(1000, age=HOUR)
    refuse_to_expire(engine, 13, 777)
    transactions: list[int] = []
    event.listen(engine, "begin", lambda _: transactions.append(1))

    run = run_job(engine, shop.expire(), at=NOON)

    assert (run.state, run.exit_code) == ("partial", 3)
    assert run.note == "2 rows refused and set aside"
    assert (run.total.changed, run.total.poison, run.total.told) == (998, 2, 1996)
    assert len(transactions) < 150
    assert_expired_once(shop, [number for number in ids if number not in (13, 777)])
    assert [(row["subject"], row["attempts"], row["next_at"]) for row in aside(engine)] == [
        ("13", 1, NOON + HOUR),
        ("777", 1, NOON + HOUR),
    ]
    assert all("under review" in row["error"] for row in aside(engine))
    assert shop.runs()[0].counts["change_sessions"]["poison"] == 2


@pytest.mark.parametrize("indexed", [True, False], ids=["with an index", "without"])
def test_q5_a_purge_leaves_rows_that_others_point_at(indexed: bool, engine: Engine) -> None:
    """Every way to delete: by key, by window, by sweeping blocks."""
    shop = make_sessions(engine, indexed=indexed)
    shop.add(300, age=HOUR)
    have_children(shop, 7, 150, 300)

    run = purge(shop)

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 297, 3)
    assert shop.ids() == [7, 150, 300]
    assert [row["subject"] for row in aside(engine)] == ["150", "300", "7"]
    assert all(row["step"] == "purge_sessions" and row["job"] == "shop.purge_sessions" for row in aside(engine))


def test_q5_when_every_row_is_refused_the_run_still_ends(engine: Engine) -> None:
    shop = make_sessions(engine)
    ids = shop.add(10, age=HOUR)
    have_children(shop, *ids)

    run = purge(shop)

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 0, 10)
    assert shop.ids() == ids


def test_q5_reasons_hold_no_values_of_the_row(engine: Engine) -> None:
    """X2: the constraint is named; what stood in the row is not."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR, start=123456789)
    have_children(shop, 123456789)

    purge(shop)

    error = aside(engine)[0]["error"]
    assert "123456789" not in error
    assert "FOREIGN KEY" in error.upper()
    assert "\n" not in error


def test_a_row_rests_one_six_and_twenty_four_hours_and_then_waits_for_a_person(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    have_children(shop, 1)
    minute = timedelta(minutes=1)
    seen = []
    at = NOON
    for rest in (timedelta(0), HOUR, 6 * HOUR, 24 * HOUR):
        assert rest == timedelta(0) or purge(shop, at + rest - minute).state == "succeeded"
        at += rest
        seen.append((purge(shop, at).state, aside(engine)[0]["attempts"], aside(engine)[0]["next_at"]))

    assert seen == [
        ("partial", 1, NOON + HOUR),
        ("partial", 2, NOON + 7 * HOUR),
        ("partial", 3, NOON + 31 * HOUR),
        ("partial", 4, None),
    ]
    assert purge(shop, at + timedelta(days=1000)).state == "succeeded"
    assert aside(engine)[0]["first_seen_at"] == NOON
    assert aside(engine)[0]["last_seen_at"] == NOON + 31 * HOUR


def test_a_healed_row_is_done_at_its_next_try_and_forgotten(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    have_children(shop, 1, 3)
    purge(shop)
    lose_children(shop, 1)

    too_early = purge(shop, NOON + timedelta(minutes=59))
    in_time = purge(shop, NOON + HOUR)

    assert (too_early.state, too_early.total.changed) == ("succeeded", 0)
    assert (in_time.state, in_time.total.changed, in_time.total.poison) == ("partial", 1, 1)
    assert [(row["subject"], row["attempts"]) for row in aside(engine)] == [("3", 2)]
    assert shop.ids() == [3]


def test_a_row_that_is_gone_is_forgotten(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    have_children(shop, 1)
    purge(shop)
    lose_children(shop, 1)
    with engine.begin() as connection:
        connection.execute(shop.table.delete())

    assert purge(shop, NOON + 2 * HOUR).state == "succeeded"
    assert aside(engine) == []


def test_the_preview_leaves_out_rows_that_rest(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    have_children(shop, 2)
    purge(shop)
    shop.add(2, age=HOUR, start=10)

    at = NOON + timedelta(minutes=1)

    assert preview_job(engine, shop.purge(), at=at).steps == purge(shop, at).steps
    assert shop.ids() == [2]


def test_a_row_set_aside_by_one_job_is_not_set_aside_for_another(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=HOUR)
    have_children(shop, 2)
    purge(shop)

    run = run_job(engine, shop.expire(), at=NOON)

    assert (run.state, run.total.changed) == ("succeeded", 1)
    assert_expired_once(shop, [2])


def test_a_row_set_aside_by_one_step_is_taken_by_the_next(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=HOUR)
    have_children(shop, 2)
    both = Job("shop.both", work=[shop.purge().work, shop.expire().work])

    run = run_job(engine, both, at=NOON)

    assert run.state == "partial"
    assert {step: (counts.changed, counts.poison) for step, counts in run.steps.items()} == {
        "purge_sessions": (1, 1),
        "change_sessions": (1, 0),
    }


def test_a_run_that_was_cut_off_forgets_nothing(engine: Engine) -> None:
    """What it had no time to look at is not healed."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    have_children(shop, 1)
    purge(shop)

    run_job(engine, shop.purge(), at=NOON + 2 * HOUR, limits=replace(UNHURRIED, row_limit=0))

    assert [row["subject"] for row in aside(engine)] == ["1"]
    assert states(shop) == ["partial", "succeeded"]
