"""REP-38: keys of several texts are read in one way only, and are the same from SQL and from Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Date, Engine, MetaData, Numeric, Table, Text, func, insert, select

from sexton import effect_key, text_key
from sexton.db.column_types import UtcDateTime
from sexton.db.effect_keys import MAX_KEY_CHARACTERS, bounded, escaped_part
from sexton.db.ledger import nullable_part, recorded_key, subject_text, told
from sexton.db.tables import own_tables

pytestmark = pytest.mark.databases("sqlite", "postgres15")

AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
PIECES = [
    "",
    ":",
    "::",
    "~",
    "~0",
    "~1",
    "~N",
    ",",
    "\\",
    "\\:",
    "'",
    '"',
    "%",
    "%s",
    "a",
    "NULL",
    "ü",
    "漢",
    "\U0001f702",
    " ",
    "\n",
]


def texts() -> list[str]:
    """Short ones made of pieces that could be confused, and some around the longest that stays whole."""
    random = Random(38)
    short = {"".join(random.choices(PIECES, k=random.randint(0, 4))) for _ in range(120)}
    return (
        sorted(short)
        + ["x" * (MAX_KEY_CHARACTERS + more) for more in (-2, -1, 0, 1)]
        + ["漢:" * 700, "漢:" * 699 + "漢~"]
    )


@pytest.fixture
def pairs(engine: Engine) -> Table:
    """Every text beside others, numbered."""
    table = Table(
        "pairs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("one", Text),
        Column("other", Text),
        Column("at", UtcDateTime),
        Column("day", Date),
        Column("number", Numeric),
    )
    table.create(engine)
    random, known = Random(19), texts()
    rows = [("a:b", "c"), ("a", "b:c"), ("a,b", "c"), ("a", "b,c"), ("", "NULL"), ("NULL", "")]
    rows += [(text, random.choice(known)) for text in known for _ in range(3)]
    rows += [(text, "") for text in ("", "NULL", "~N")]
    made = [
        {"id": number, "one": one, "other": other, "at": AT, "day": AT.date(), "number": number}
        for number, (one, other) in enumerate(dict.fromkeys(rows), 1)
    ]
    with engine.begin() as connection:
        connection.execute(insert(table), made)
        connection.execute(insert(table).values(id=0, other=""))
    return table


def ask(engine: Engine, table: Table, *columns: Any) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(select(*columns).where(table.c.id > 0).order_by(table.c.id)).all()


def test_rep_38_sql_and_python_agree_on_keys_and_no_two_rows_share_one(engine: Engine, pairs: Table) -> None:
    key = text_key("fact", pairs.c.one, pairs.c.other, pairs.c.at, pairs.c.day, pairs.c.id)
    short = text_key("fact", pairs.c.one, pairs.c.other)

    found = ask(
        engine, pairs, pairs.c.id, pairs.c.one, pairs.c.other, key, short, subject_text([pairs.c.one, pairs.c.other])
    )

    for number, one, other, whole, pair, subject in found:
        assert whole == effect_key("fact", one, other, AT, date(2026, 6, 15), number)
        assert pair == effect_key("fact", one, other)
        assert subject == bounded(f"{escaped_part(one, ',')},{escaped_part(other, ',')}")
        assert max(len(whole), len(pair), len(subject)) <= MAX_KEY_CHARACTERS + 1
    for column in (3, 4, 5):
        assert len({row[column] for row in found}) == len(found)


def test_rep_38_keys_of_another_number_of_parts_differ_as_well() -> None:
    random, known = Random(3), texts()
    parts = [tuple(random.choices(known, k=random.randint(1, 4))) for _ in range(1500)]
    different = set(parts) | {(":".join(one),) for one in parts}

    assert len({effect_key("fact", *one) for one in different}) == len(different)


def test_rep_38_null_is_none_of_the_texts_that_look_like_it(engine: Engine, pairs: Table) -> None:
    with engine.connect() as connection:
        asked = select(
            text_key("fact", nullable_part(pairs.c.one)),
            text_key("fact", nullable_part(pairs.c.at)),
            text_key("fact", pairs.c.one),
        )
        nothing = connection.execute(asked.where(pairs.c.id == 0)).one()
    some = {row[0] for row in ask(engine, pairs, text_key("fact", nullable_part(pairs.c.one)))}

    assert list(nothing) == ["fact:~N", "fact:~N", None]
    assert "fact:~N" not in some
    assert {"fact:", "fact:NULL", "fact:~0N"} <= some


def test_rep_38_keys_without_free_text_are_as_they_were(engine: Engine, pairs: Table) -> None:
    """Numbers, dates and instants: nothing is looked for under another name."""
    key = text_key("fact", pairs.c.id, pairs.c.at, pairs.c.day, 7, "buyer")

    assert ask(engine, pairs, key)[0][0] == "fact:1:2026-06-15T12:00:00.000000Z:2026-06-15:7:buyer"
    assert recorded_key(key, [pairs.c.id]) is key
    assert ask(engine, pairs, text_key("fact", pairs.c.id, "a:b"))[0][0] == "fact:1:a~1b"
    assert ask(engine, pairs, subject_text([pairs.c.one]))[0][0] == "a:b"


def test_rep_38_a_long_key_fits_into_the_index(engine: Engine, pairs: Table) -> None:
    effects = own_tables(engine.dialect.name).effects
    key = text_key("fact", pairs.c.one, pairs.c.other)
    with engine.begin() as connection:
        names = ["key", "job", "subject", "created_at"]
        rows = select(key, pairs.c.day.cast(Text), subject_text([pairs.c.one, pairs.c.other]), pairs.c.at)
        connection.execute(insert(effects).from_select(names, rows.where(pairs.c.id > 0)))
        held = connection.execute(select(func.count()).select_from(effects)).scalar_one()

    assert held == len(ask(engine, pairs, pairs.c.id))
    assert all(row[0] for row in ask(engine, pairs, told(key)))


def test_rep_38_what_was_told_before_keys_were_escaped_is_known(engine: Engine, pairs: Table) -> None:
    """The subject tells which of two rows it was; a key of one text is never doubtful."""
    effects = own_tables(engine.dialect.name).effects
    with engine.begin() as connection:
        for key, subject in (("fact:a:b:c", "a:b,c"), ("one:a:b", "1")):
            row = {"key": key, "job": "j", "subject": subject, "created_at": AT}
            connection.execute(insert(effects).values(row))
    both, own = text_key("fact", pairs.c.one, pairs.c.other), [pairs.c.one, pairs.c.other]
    asked = (told(both, subject=own), told(both), told(text_key("one", pairs.c.one)), recorded_key(both, own))

    first, second, *_ = ask(engine, pairs, *asked)

    assert [bool(value) for value in first[:3]] == [True, False, True]
    assert [bool(value) for value in second[:3]] == [False, False, False]
    assert (first[3], second[3]) == ("fact:a:b:c", "fact:a:b~1c")
