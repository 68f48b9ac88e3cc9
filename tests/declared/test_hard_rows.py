"""Rows that break simpler programs: times no driver reads, nothing at all, ids at their end, holds set meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from sexton.slots.counts import Counts
from sexton.testing import preview_job, run_job
from tests.support.past_runs import set_aside_rows

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    "action",
    [{"purge": "logins"}, {"transition": "logins", "set": {"state": "old"}}, {"warn": "logins"}],
    ids=["purge", "transition", "warn"],
)
@pytest.mark.parametrize("batch", [1, None])
def test_q6_times_that_no_driver_reads_are_taken_or_left_like_others(
    batch: int | None, action: dict[str, Any], shop: Shop
) -> None:
    """Before Christ and minus infinity are past; infinity and the year 20000 are to come."""
    times = ("-infinity", "4000-01-01 BC", "0001-01-01", "20000-01-01", "infinity")
    shop.do("CREATE TABLE logins (id int PRIMARY KEY, at timestamptz, state text)")
    for number, at in enumerate(times, 1):
        shop.do(f"INSERT INTO logins VALUES ({number}, '{at}', 'new')")
    more = {"batch": batch} if batch else {}
    job = shop.armed(by="at", max_share=1.0, **action, **more)

    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)

    # Minus infinity has no text that a key could be made of, so nobody can be told about it once: it is set aside.
    untold = 1 if "warn" in action else 0
    assert (before.picked, outcome.total.picked, outcome.total.poison) == (3, 3 - untold, untold)
    assert run_job(shop.engine, job, at=NOON).total.picked == 0


def test_q14_an_empty_table_and_one_where_nothing_has_a_time(shop: Shop) -> None:
    shop.do("CREATE TABLE logins (id int PRIMARY KEY, ends bigint)")
    job = shop.armed(purge="logins", by="ends", unit="s", unless_referenced_by={"logins": "id"})

    assert run_job(shop.engine, job, at=NOON).total.picked == 0
    shop.do("INSERT INTO logins VALUES (1, NULL), (2, NULL)")
    assert run_job(shop.engine, job, at=NOON).total.picked == 0
    assert shop.ids("logins") == [1, 2]


def test_q14_a_reference_that_is_null_keeps_nothing_and_frees_nothing(shop: Shop) -> None:
    """`NOT IN (…, NULL)` is never true, so whoever writes it deletes nothing for ever."""
    shop.do(
        "CREATE TABLE logins (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE notes (id int PRIMARY KEY, login int)",
        f"INSERT INTO logins VALUES (1, {PAST}), (2, {PAST})",
        "INSERT INTO notes VALUES (1, NULL), (2, 2)",
    )
    written: dict[str, Any] = {"purge": "logins", "by": "ends", "unit": "s", "max_share": 1.0}

    run_job(shop.engine, shop.armed(**written, unless_referenced_by={"notes": "login"}), at=NOON)

    assert shop.ids("logins") == [2]


def test_q14_ids_at_the_ends_of_their_type(shop: Shop) -> None:
    last, first = 2**63 - 1, -(2**63)
    shop.do("CREATE TABLE logins (id bigint PRIMARY KEY, ends bigint)")
    for number in (first, -1, 0, last):
        shop.do(f"INSERT INTO logins VALUES ({number}, {PAST})")

    outcome = run_job(shop.engine, shop.armed(purge="logins", by="ends", unit="s", batch=1, max_share=1.0), at=NOON)

    assert outcome.total.changed == 4


HELD: dict[str, Any] = {"by": "ends", "unit": "s", "only": {"hold": False}, "batch": 2, "max_share": 1.0}


@pytest.fixture
def holds(shop: Shop) -> Shop:
    """Ten rows that are due."""
    shop.do("CREATE TABLE files (id int PRIMARY KEY, ends bigint, hold boolean NOT NULL, name text)")
    for number in range(10):
        shop.do(f"INSERT INTO files VALUES ({number}, {PAST - 100 + number}, false, 'x')")
    return shop


@pytest.mark.parametrize("action", [{"purge": "files"}, {"anonymise": "files", "clear": ["name"]}])
def test_q15_a_hold_that_is_set_during_the_run_holds(action: dict[str, Any], holds: Shop) -> None:
    def hold(_step: str, counts: Counts) -> None:
        if counts.changed >= 4:  # not the last two, which are the newest
            holds.do("UPDATE files SET hold = true WHERE id >= 8")

    outcome = run_job(holds.engine, holds.armed(**action, **HELD), at=NOON, watch=hold)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 8)
    assert holds.ids("files", "hold AND name IS NOT NULL") == [8, 9]


@pytest.mark.databases("postgres")
def test_q15_a_hold_that_is_not_yet_committed_holds(holds: Shop) -> None:
    job = holds.armed(purge="files", **HELD)
    with holds.engine.connect() as lawyer:
        lawyer.execute(text("UPDATE files SET hold = true WHERE id = 3"))
        outcome = run_job(holds.engine, job, at=NOON)
        lawyer.commit()

    assert (outcome.state, outcome.total.changed, outcome.total.skipped) == ("partial", 9, 1)
    assert run_job(holds.engine, job, at=NOON).total.picked == 0
    assert holds.ids("files") == [3]


@pytest.mark.parametrize("action", [{"purge": "files"}, {"transition": "files", "set": {"name": "y"}}])
def test_q5_two_rows_of_a_thousand_that_a_trigger_refuses(action: dict[str, Any], shop: Shop) -> None:
    """Set aside with the reason; the others go."""
    shop.do("CREATE TABLE files (id int PRIMARY KEY, ends bigint, name text)")
    when = "DELETE" if "purge" in action else "UPDATE"
    if shop.sqlite:
        shop.do(
            f"CREATE TRIGGER guard BEFORE {when} ON files WHEN OLD.id IN (123, 777)"
            " BEGIN SELECT RAISE(ABORT, 'frozen by accounting'); END"
        )
    else:
        shop.do(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF OLD.id IN (123, 777) THEN RAISE 'frozen by accounting' USING ERRCODE = '23514'; END IF;"
            f" RETURN {'OLD' if when == 'DELETE' else 'NEW'}; END $$",
            f"CREATE TRIGGER guard BEFORE {when} ON files FOR EACH ROW EXECUTE FUNCTION guard()",
        )
    numbers = ", ".join(f"({number}, {PAST - number}, 'x')" for number in range(1000))
    shop.do(f"INSERT INTO files VALUES {numbers}")

    outcome = run_job(shop.engine, shop.armed(by="ends", unit="s", max_share=1.0, **action), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 998, 2)
    assert sorted(row["subject"] for row in set_aside_rows(shop.engine)) == ["123", "777"]
    assert all("frozen by accounting" in row["error"] for row in set_aside_rows(shop.engine))
