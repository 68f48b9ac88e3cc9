"""Exactly at the cutoff, a microsecond before, a microsecond after: what each boundary and kind takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine

from sexton import Job, Purge, Transition
from sexton.testing import preview_job, run_job
from tests.support.sessions import NOON, make_sessions

TICK = timedelta(microseconds=1)
AROUND = (-TICK, timedelta(0), TICK)
"""Rows 1, 2 and 3: older than the cutoff, exactly there, younger."""


@pytest.mark.parametrize(
    ("policy", "naive"), [(Purge, False), (Transition, True)], ids=["purge with zone", "change naive"]
)
@pytest.mark.parametrize(
    ("boundary", "kind", "keep", "taken"),
    [
        ("<", "birth", "30d", [1]),
        ("<=", "birth", "30d", [1, 2]),
        ("<", "deadline", "0s", [1]),
        ("<=", "deadline", "0s", [1, 2]),
        ("<", "deadline", "36h", [1]),
        ("<=", "deadline", "250ms", [1, 2]),
    ],
)
def test_the_cutoff_is_exact_to_the_microsecond(
    engine: Engine, policy: Any, naive: bool, boundary: str, kind: str, keep: str, taken: list[int]
) -> None:
    lengths = {"30d": timedelta(days=30), "36h": timedelta(hours=36), "250ms": timedelta(milliseconds=250)}
    cutoff = NOON - lengths.get(keep, timedelta(0))
    shop = make_sessions(engine, [Column("seen", DateTime)])
    for number, offset in enumerate(AROUND, 1):
        at = cutoff + offset
        shop.one(number, at, seen=at.replace(tzinfo=None))
    columns = shop.table.c
    more = {"change": {"status": "old"}, "only": columns.status == "open"} if policy is Transition else {}
    by = columns.seen if naive else columns.expires_at
    work = policy(shop.table, by=by, keep=keep, kind=kind, boundary=boundary, **more)
    job = Job("shop.cut", work=work)

    expected = preview_job(engine, job, at=NOON)
    run = run_job(engine, job, at=NOON)

    assert run.total.picked == expected.total.picked == len(taken)
    assert shop.ids(status="open") == [number for number in (1, 2, 3) if number not in taken]


def test_the_window_of_a_warning_is_open_at_one_end_and_closed_at_the_other(engine: Engine) -> None:
    shop = make_sessions(engine)
    for number, offset in enumerate(AROUND, 1):
        shop.one(number, NOON + offset)
        shop.one(10 + number, NOON + timedelta(days=1) + offset)

    run_job(engine, shop.warn(), at=NOON)

    assert sorted(key.split(":")[1] for key in shop.messages()) == ["11", "12", "3"]


def test_a_deadline_that_moves_earns_a_new_warning_and_a_kept_one_none(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(1, NOON + timedelta(hours=2))
    first, again = run_job(engine, shop.warn(), at=NOON), run_job(engine, shop.warn(), at=NOON + timedelta(hours=1))
    with engine.begin() as connection:
        connection.execute(shop.table.update().values(expires_at=NOON + timedelta(hours=3)))

    moved = run_job(engine, shop.warn(), at=NOON + timedelta(hours=1))

    assert [run.total.told for run in (first, again, moved)] == [1, 0, 1]
