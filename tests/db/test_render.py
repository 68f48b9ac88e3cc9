"""A statement as text that stands alone: named for people, valued, or with the variables of a procedure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, bindparam, func, select

from sexton import ago, ahead, now
from sexton.db.column_types import NaiveUtc, UtcDateTime
from sexton.db.render import in_procedure, named, render

things = Table("things", MetaData(), Column("id", Integer), Column("name", Text), Column("at", UtcDateTime))
NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "shown", "in_plpgsql"),
    [
        ("now", ":now", "v_now"),
        ("now_naive", ":now_naive", "(v_now AT TIME ZONE 'UTC')"),
        ("now_minus_30d", ":now_minus_30d", "(v_now - interval '2592000 seconds')"),
        ("now_plus_90m", ":now_plus_90m", "(v_now + interval '5400 seconds')"),
        ("now_minus_250ms", ":now_minus_250ms", "(v_now - interval '0.25 seconds')"),
        ("now_minus_1d_naive", ":now_minus_1d_naive", "((v_now - interval '86400 seconds') AT TIME ZONE 'UTC')"),
        ("sexton_batch", ":batch", "v_batch"),
        ("sexton_job", ":job", "v_job"),
    ],
)
def test_parameters_are_named_for_people_and_for_procedures(name: str, shown: str, in_plpgsql: str) -> None:
    assert named(name) == shown
    assert in_procedure(name) == in_plpgsql


def test_literals_stand_in_place_and_parameters_by_name(engine: Engine) -> None:
    asked = (
        select(things.c.id).where(things.c.name == "O'Hara", things.c.at < ago("30d")).limit(bindparam("sexton_batch"))
    )

    sql = render(asked, engine.dialect)

    assert "things.name = 'O''Hara'" in sql
    assert "things.at < :now_minus_30d" in sql
    assert ":batch" in sql


def test_with_values_it_can_be_executed_as_it_is(engine: Engine) -> None:
    things.create(engine)
    asked = select(func.count()).where(things.c.name == "O'Hara", things.c.at < now(), things.c.at < ahead("1d"))

    sql = render(asked, engine.dialect, values={"now": NOON, "now_plus_1d": NOON})

    with engine.connect() as connection:
        assert connection.exec_driver_sql(sql).scalar() == 0
    assert "2026-06-15 12:00:00" in sql


def test_a_naive_parameter_is_written_without_zone(engine: Engine) -> None:
    kind: Any = NaiveUtc()
    at = now(kind)

    sql = render(select(at), engine.dialect, values={"now_naive": NOON})

    assert "2026-06-15 12:00:00" in sql
    assert "+00" not in sql
