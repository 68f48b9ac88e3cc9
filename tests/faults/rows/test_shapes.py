"""Q14: tables and rows of odd shapes: nothing due, no due date, a key of several columns, no key at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, ColumnElement, Engine, Integer, MetaData, Table, Text, Uuid, insert, select

from sexton import Job, Message, PolicyError, Purge, Transition, UtcDateTime, WarnOnce, now, text_key
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.testing import preview_job, run_job
from tests.faults.database.nothing import assert_nothing_started
from tests.support.sessions import NOON, make_sessions

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_q14_an_empty_table_is_done_at_once(engine: Engine, kind: str) -> None:
    run = run_job(engine, getattr(make_sessions(engine), kind)(), at=NOON)

    assert (run.state, run.exit_code, run.total) == ("succeeded", 0, Counts())


@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_q14_a_row_without_a_due_date_is_never_due(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.one(1, None)
    shop.one(2, None)

    run = run_job(engine, getattr(shop, kind)(), at=NOON)

    assert run.total == Counts()
    assert shop.ids(status="open") == [1, 2]


def test_q14_rows_without_a_due_date_stay_although_their_like_go(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(1, None)
    shop.add(5, age=HOUR, start=2)

    assert run_job(engine, shop.purge(), at=NOON, limits=Limits(rows=1)).total.changed == 5
    assert shop.ids() == [1]


@pytest.mark.parametrize("rows", [1, 2, 500])
@pytest.mark.parametrize("kind", ["purge", "change", "change locked", "warn"])
def test_q14_a_key_of_several_columns_names_a_row(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str, rows: int
) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)
    seats = make_seats(engine)
    due = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b,2", 3)]
    sit(engine, seats, [*((hall, seat, NOON - HOUR) for hall, seat in due), ("a", 3, NOON + HOUR), ("c", 1, None)])
    job = Job("hall.seats", work=policy(seats, kind))

    expected = preview_job(engine, job, at=NOON)
    run = run_job(engine, job, at=NOON, limits=Limits(rows=rows))

    assert run.state == "succeeded"
    assert run.steps == expected.steps
    assert run.total.picked == 5
    assert run_job(engine, job, at=NOON).total == Counts()
    still_free = seats.c.status == "free"
    left = [("a", 3), ("c", 1)]
    assert halls(engine, seats, still_free) == (sorted(due + left) if kind == "warn" else left)


def test_q14_uuids_and_texts_are_keys_like_any_other(engine: Engine) -> None:
    notes = Table(
        "notes",
        MetaData(),
        Column("id", Uuid, primary_key=True),
        Column("owner", Text, primary_key=True),
        Column("expires_at", UtcDateTime),
    )
    notes.create(engine)
    with engine.begin() as connection:
        rows = [{"id": UUID(int=n), "owner": "o'Hara, 'x'; --", "expires_at": NOON - HOUR} for n in range(5)]
        connection.execute(insert(notes), rows)
    work = Purge(notes, by=notes.c.expires_at, keep="0s", kind="deadline")

    run = run_job(engine, Job("shop.notes", work=work), at=NOON, limits=Limits(rows=2))

    assert run.total == Counts(picked=5, changed=5)


@pytest.mark.parametrize("kind", ["purge", "change", "warn"])
def test_q14_a_table_without_a_key_is_refused_in_one_line(engine: Engine, kind: str) -> None:
    keyless = Table("events", MetaData(), Column("at", UtcDateTime), Column("hall", Text), Column("status", Text))
    keyless.create(engine)

    with pytest.raises(PolicyError, match="table events has no primary key") as refused:
        run_job(engine, Job("hall.events", work=policy(keyless, kind, by="at")), at=NOON)

    assert "\n" not in str(refused.value)
    assert_nothing_started(engine)


def test_q14_the_largest_ids_are_no_problem(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(2**63 - 1, NOON - HOUR)
    shop.one(-(2**63), NOON - HOUR)

    assert run_job(engine, shop.expire(), at=NOON, limits=Limits(rows=1)).total.changed == 2
    assert set(shop.effects()) == {
        f"session_expired:{number}:{who}" for number in (2**63 - 1, -(2**63)) for who in ("owner", "admin")
    }


def test_q14_rows_of_one_and_the_same_instant_are_all_taken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)
    shop = make_sessions(engine)
    for number in range(1, 12):
        shop.one(number, NOON - HOUR)

    assert run_job(engine, shop.expire(), at=NOON, limits=Limits(rows=3)).total.changed == 11
    assert run_job(engine, shop.purge(), at=NOON, limits=Limits(rows=3)).total.changed == 11


def make_seats(engine: Engine) -> Table:
    """Seats with a key of two columns."""
    seats = Table(
        "seats",
        MetaData(),
        Column("hall", Text, primary_key=True),
        Column("seat", Integer, primary_key=True, autoincrement=False),
        Column("status", Text, nullable=False),
        Column("held_until", UtcDateTime),
    )
    seats.create(engine)
    return seats


def sit(engine: Engine, seats: Table, rows: list[tuple[str, int, datetime | None]]) -> None:
    with engine.begin() as connection:
        values = [{"hall": hall, "seat": seat, "status": "free", "held_until": until} for hall, seat, until in rows]
        connection.execute(insert(seats), values)


def halls(engine: Engine, seats: Table, condition: ColumnElement[bool]) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        asked = select(seats.c.hall, seats.c.seat).where(condition).order_by(seats.c.hall, seats.c.seat)
        return sorted(tuple(row) for row in connection.execute(asked))


def policy(table: Table, kind: str, by: str = "held_until") -> Any:
    """A policy of each kind on rows whose time is up."""
    column = table.c[by]
    if kind == "purge":
        return Purge(table, by=column, keep="0s", kind="deadline")
    if kind.startswith("change"):
        lock = kind == "change locked"
        free = table.c.status == "free"
        return Transition(table, {"status": "gone"}, only=free, by=column, kind="deadline", lock_first=lock)
    tell = Message("seat_free", key=text_key("seat_free", *table.primary_key.columns, column))
    return WarnOnce(table, by=column, when=column <= now(), tell=tell)
