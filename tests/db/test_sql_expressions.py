"""SQL that each dialect writes in its own way, and that must give the same everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import ceil
from random import Random
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from sexton import PolicyError, as_text, days_left, iso_text, json_payload, only_if, text_key, told
from sexton.clock import iso
from sexton.db.column_types import NaiveUtc, UtcDateTime
from sexton.db.faults import Fault, classify, describe
from sexton.db.ledger import subject_text
from sexton.db.tables import own_tables
from sexton.db.time_parameters import instant_values

NOW = datetime(2026, 6, 15, 12, 0, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)


def instants() -> list[datetime]:
    """Many instants around NOW: at it, whole days from it, a microsecond and a second beside those, and at random."""
    random = Random(7)
    steps = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(milliseconds=750)]
    near = [NOW + days * DAY + sign * step for days in range(-3, 17) for step in steps for sign in (1, -1)]
    return near + [NOW + timedelta(microseconds=random.randint(-(10**12), 10**13)) for _ in range(50)]


@pytest.fixture
def moments(engine: Engine) -> Table:
    """All of them, in a column of each kind."""
    table = Table(
        "moments",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("zoned", UtcDateTime),
        Column("naive", NaiveUtc),
    )
    table.create(engine)
    with engine.begin() as connection:
        rows = [{"id": number, "zoned": at, "naive": at} for number, at in enumerate(instants())]
        connection.execute(insert(table), rows)
    return table


def ask(engine: Engine, table: Table, *columns: ColumnElement[Any]) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL timezone = 'Pacific/Auckland'"))
        asked = select(*columns).order_by(table.c.id)
        names = ["now", "now_naive"]
        return [tuple(row) for row in connection.execute(asked, instant_values(names, NOW))]


def test_iso_text_is_the_same_text_from_every_database_and_column(engine: Engine, moments: Table) -> None:
    found = ask(engine, moments, iso_text(moments.c.zoned), as_text(moments.c.zoned), as_text(moments.c.naive))

    assert found == [(iso(at), iso(at), iso(at)) for at in instants()]


def test_days_left_counts_begun_days_whole_and_is_the_same_everywhere(engine: Engine, moments: Table) -> None:
    found = ask(engine, moments, days_left(moments.c.zoned), days_left(moments.c.naive))

    def left(at: datetime) -> int:
        whole = at.replace(microsecond=0) - NOW.replace(microsecond=0)  # fractions of a second are not looked at
        return ceil(whole / DAY)

    assert found == [(left(at), left(at)) for at in instants()]


def test_text_key_joins_its_parts_by_colons_and_is_null_when_one_is(engine: Engine, moments: Table) -> None:
    key = text_key("ends", moments.c.id, moments.c.zoned, 7)
    broken = text_key("ends", moments.c.id, literal(None, Text()))

    found = ask(engine, moments, key, broken)

    assert found[0] == (f"ends:0:{iso(instants()[0])}:7", None)
    assert len({row[0] for row in found}) == len(instants())


def test_json_payload_holds_numbers_texts_instants_and_nothing(engine: Engine, moments: Table) -> None:
    quoted = 'O\'Hara "x" \\ %s :now {} ü'
    nothing, yes = literal(None, Text()), literal_column("1 = 1", Boolean)
    payload = json_payload(id=moments.c.id, at=moments.c.naive, text=quoted, seven=7, none=nothing, yes=yes)

    value = ask(engine, moments, payload)[0][0]

    value = json.loads(value) if isinstance(value, str) else value
    assert value.pop("yes") in (True, 1)
    assert value == {"id": 0, "at": iso(instants()[0]), "text": quoted, "seven": 7, "none": None}


def test_only_if_refuses_the_row_with_its_reason(engine: Engine, moments: Table) -> None:
    allowed = only_if(moments.c.id >= 0, moments.c.id, "too small")
    refused = only_if(moments.c.id > 0, moments.c.id, "it's too small")

    assert ask(engine, moments, allowed)[3] == (3,)
    with pytest.raises(DBAPIError) as error:
        ask(engine, moments, refused)

    assert classify(error.value) is Fault.POISON
    assert describe(error.value).removeprefix("23514: ") == "it's too small"


def test_told_asks_whether_a_fact_is_on_record_and_for_how_long(engine: Engine, moments: Table) -> None:
    effects = own_tables(engine.dialect.name).effects
    with engine.begin() as connection:
        row = {"key": "fact:0", "job": "a", "subject": "0", "created_at": NOW - DAY}
        connection.execute(insert(effects).values(row))
    key = text_key("fact", moments.c.id)
    asked = select(told(key), told(key, age="24h"), told(key, age="25h")).order_by(moments.c.id).limit(2)

    with engine.connect() as connection:
        names = ["now_minus_1d", "now_minus_25h"]
        rows = connection.execute(asked, instant_values(names, NOW)).all()

    assert [[bool(value) for value in row] for row in rows] == [[True, True, False], [False, False, False]]


def test_a_subject_is_the_key_as_text(engine: Engine, moments: Table) -> None:
    several = subject_text([moments.c.id, moments.c.zoned])

    assert ask(engine, moments, subject_text([moments.c.id]), several)[1] == ("1", f"1,{iso(instants()[1])}")
    with pytest.raises(PolicyError, match="no subjects"):
        subject_text([])
