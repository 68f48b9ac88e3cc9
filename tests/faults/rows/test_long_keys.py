"""SEC-6: a long key of an application's user is told, or set aside, like any other row, and stops no job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from string import ascii_letters

import pytest
from sqlalchemy import Column, Engine, MetaData, Table, Text, func, insert, select, text

from sexton import Guard, Job, Message, Purge, Transition, UtcDateTime, effect_key, tell, text_key, told
from sexton.db.tables import own_tables
from sexton.testing import run_job
from tests.support.past_runs import set_aside_rows

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
ALL = Guard(max_share=1.0)
LONG = "".join(Random(6).choices(ascii_letters, k=2650))
"""Random, so that no index makes it shorter."""

pytestmark = pytest.mark.databases("sqlite", "postgres15")


@pytest.fixture
def tokens(engine: Engine) -> Table:
    """Two hundred tokens whose time is up, and one that a user made as long as an index takes."""
    table = Table(
        "tokens",
        MetaData(),
        Column("token", Text, primary_key=True),
        Column("body", Text),
        Column("copy", Text),
        Column("ends", UtcDateTime),
    )
    table.create(engine)
    ends = NOON - timedelta(days=1)
    with engine.begin() as connection:
        for token in (LONG, *(f"t{number}" for number in range(200))):
            connection.execute(insert(table).values(token=token, body=token, ends=ends))
    return table


def gone(tokens: Table) -> Message:
    return Message("gone", key=text_key("gone", tokens.c.token), payload={"token": tokens.c.token})


def test_sec_6_a_row_with_a_long_key_is_changed_and_told_once(engine: Engine, tokens: Table) -> None:
    columns = tokens.c
    work = Transition(
        tokens, {"copy": "x"}, only=columns.copy.is_(None), by=columns.ends, kind="deadline", tell=(gone(tokens),)
    )
    job = Job("shop.tokens", work=work, guard=ALL)

    outcome = run_job(engine, job, at=NOON)
    with engine.begin() as connection:
        connection.execute(text("UPDATE tokens SET copy = NULL"))
    again = run_job(engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.told) == ("succeeded", 201, 201)
    assert (again.state, again.total.changed, again.total.told) == ("succeeded", 201, 0)
    with engine.connect() as connection:
        known = select(func.count()).where(told(text_key("gone", columns.token))).select_from(tokens)
        assert connection.execute(known).scalar_one() == 201


def test_sec_6_a_row_with_a_long_key_that_is_refused_is_set_aside(engine: Engine, tokens: Table) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE uses (token text REFERENCES tokens (token))"))
        connection.execute(text("INSERT INTO uses VALUES (:token)"), {"token": LONG})
    job = Job("shop.tokens", work=Purge(tokens, by=tokens.c.ends, keep="0s", kind="deadline"), guard=ALL)

    outcome, again = run_job(engine, job, at=NOON), run_job(engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 200, 1)
    assert (again.total.picked, again.total.poison) == (0, 0)
    assert [len(row["subject"]) for row in set_aside_rows(engine)] == [501]


@pytest.mark.databases("postgres15")
def test_sec_6_what_no_index_of_the_product_takes_is_set_aside(engine: Engine, tokens: Table) -> None:
    """54000, "index row size … exceeds btree version 4 maximum 2704"."""
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ON tokens (copy)"))
        connection.execute(tokens.update().where(tokens.c.token == LONG).values(body=LONG + LONG))
    work = Transition(tokens, {"copy": tokens.c.body}, only=tokens.c.copy.is_(None), by=tokens.c.ends, kind="deadline")

    outcome = run_job(engine, Job("shop.tokens", work=work, guard=ALL), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 200, 1)
    assert "54000" in set_aside_rows(engine)[0]["error"]


@pytest.mark.parametrize("key", [LONG, "\ud800", "nul \0", "x" * 9000, effect_key("gone", "\ud800:" * 900)])
def test_sec_6_a_function_may_tell_under_any_key(engine: Engine, key: str) -> None:
    with engine.begin() as connection:
        told_now = [tell(connection, "gone", key=key, subject=key, payload={}, at=NOON) for _ in range(2)]
        other = tell(connection, "gone", key=f"{key}+", subject=key, payload={}, at=NOON)

    assert (told_now, other) == ([True, False], True)


def test_sec_6_what_a_function_told_under_a_long_key_before_is_known(engine: Engine) -> None:
    row = {"key": LONG[:600], "job": "", "subject": "1", "created_at": NOON}
    with engine.begin() as connection:
        connection.execute(insert(own_tables(engine.dialect.name).effects).values(row))

        assert not tell(connection, "gone", key=LONG[:600], subject="1", payload={}, at=NOON)
        assert tell(connection, "gone", key=LONG[:601], subject="1", payload={}, at=NOON)
