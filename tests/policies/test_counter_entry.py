"""CounterEntry on tables of anybody: against its rule in plain Python, with copied columns, refused when wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Numeric, Table, Text, delete, insert, select

from sexton import CounterEntry, Job, Message, PolicyError, UtcDateTime, text_key
from sexton.db.column_types import BigKey
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.errors import UsageError
from sexton.testing import preview_job, run_job
from tests.support.databases import Databases
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON

TICK = timedelta(microseconds=1)
OFFSETS = [-timedelta(days=2), -TICK, timedelta(0), TICK, timedelta(days=1)]

metadata = MetaData()
vouchers = Table(
    "vouchers",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("owner", Text),
    Column("status", Text),
    Column("ends_at", UtcDateTime),
)
moves = Table(
    "moves",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("voucher", BigKey),
    Column("owner", Text),
    Column("what", Text),
    Column("cents", Numeric(12, 2)),
    Column("upto", BigKey),
    Column("at", UtcDateTime),
    Column("local", DateTime),
)
pair = Table("pair", metadata, Column("a", Integer, primary_key=True), Column("b", Integer, primary_key=True))
others = Table("others", metadata, Column("id", Integer, primary_key=True), Column("ends_at", UtcDateTime))
column, move = vouchers.c, moves.c


def policy(**options: Any) -> CounterEntry:
    """Vouchers that end."""
    parts: dict[str, Any] = {"table": vouchers, "by": column.ends_at, "entries": moves, "of": move.voucher}
    parts |= {"amount": move.cents, "at": move.at, "values": {"what": "ended"}, "last": move.upto}
    return CounterEntry(**{**parts, **options})


@dataclass(frozen=True)
class Voucher:
    """amounts: of its entries."""

    id: int
    status: str
    ends_at: datetime | None
    amounts: list[int]


shapes = some.tuples(
    some.sampled_from(["good", "frozen"]),
    some.none() | some.sampled_from(OFFSETS).map(lambda offset: NOON + offset),
    some.lists(some.integers(-3, 5), max_size=4),
)
tables = some.lists(shapes, max_size=12).map(lambda rows: [Voucher(n, *row) for n, row in enumerate(rows, 1)])


def load(engine: Engine, rows: list[Voucher]) -> None:
    """Empty the tables, and put these in."""
    own = own_tables(engine.dialect.name)
    with engine.begin() as connection:
        for table in (moves, vouchers, own.effects, own.outbox_events, own.runs):
            connection.execute(delete(table))
        for row in rows:
            voucher = {"id": row.id, "owner": f"o{row.id}", "status": row.status, "ends_at": row.ends_at}
            connection.execute(insert(vouchers).values(voucher))
            for amount in row.amounts:
                connection.execute(insert(moves).values(voucher=row.id, what="move", cents=amount, at=NOON))


def entries(engine: Engine) -> list[tuple[Any, ...]]:
    """(voucher, owner, what, cents, at) of what the policy has written, by voucher."""
    columns = (move.voucher, move.owner, move.what, move.cents, move.at)
    with engine.connect() as connection:
        found = connection.execute(select(*columns).where(move.what != "move").order_by(move.voucher)).all()
        return [tuple(row) for row in found]


@pytest.fixture(scope="module")
def shop(databases: Databases) -> Iterator[Engine]:
    """One SQLite database for all examples; each fills it anew."""
    with databases.fresh("sqlite", migrated=True) as url:
        engine = open_database(url)
        metadata.create_all(engine)
        yield engine
        engine.dispose()


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(tables, some.sampled_from(["<", "<="]), some.booleans(), some.integers(1, 15))
def test_pgc_6_a_counter_entry_is_the_rule(
    shop: Engine, rows: list[Voucher], boundary: str, good_only: bool, size: int
) -> None:
    """PGC-6: due, and something left: one entry against the sum; foreseen by a dry run, and nothing the second time."""
    load(shop, rows)
    only = column.status == "good" if good_only else None
    job = Job("shop.end", work=policy(boundary=boundary, only=only, values={"what": "ended", "owner": column.owner}))

    foreseen = preview_job(shop, job, at=NOON)
    done, again = (run_job(shop, job, at=NOON, limits=replace(UNHURRIED, rows=size)) for _ in range(2))

    due = [
        row
        for row in rows
        if row.ends_at is not None
        and (row.ends_at < NOON or (boundary == "<=" and row.ends_at == NOON))
        and (row.status == "good" or not good_only)
        and sum(row.amounts) > 0
    ]
    assert done.steps == foreseen.steps
    assert (done.total.picked, again.total.picked) == (len(due), 0)
    assert entries(shop) == [(row.id, f"o{row.id}", "ended", -sum(row.amounts), NOON) for row in due]


@pytest.mark.parametrize("last", [move.upto, None], ids=["last", "without"])
def test_pgc_6_it_tells_what_is_left_by_the_row_or_by_what_was_left(engine: Engine, last: Any) -> None:
    """PGC-6: on both databases; a naive column gets the time in UTC."""
    metadata.create_all(engine)
    load(engine, [Voucher(1, "good", NOON - TICK, [5, -2]), Voucher(2, "good", NOON - TICK, [7])])
    told = (
        Message("ended", key=text_key("ended", column.id), to=column.owner, payload={"id": column.id}),
        Message(
            "left",
            key=lambda left: text_key("left", left.c.id, *([] if last is None else [left.c.left_last])),
            to=lambda left: left.c.owner,
            payload={"cents": lambda left: left.c.left_sum},
            of="left",
        ),
    )
    job = Job("shop.end", work=policy(tell=told, carry=(column.owner,), last=last, at=move.local), guard=None)

    done = run_job(engine, job, at=NOON)

    assert (done.state, done.total.told, done.total.also) == ("succeeded", 4, {"moves": 2})
    outbox = own_tables(engine.dialect.name).outbox_events.c
    with engine.connect() as connection:
        sent = connection.execute(select(outbox.event_type, outbox.recipient, outbox.payload)).all()
        local = connection.execute(select(move.local, move.upto).where(move.what == "ended").order_by(move.id)).all()
    said = sorted((kind, to, float(payload.get("cents", payload.get("id")))) for kind, to, payload in sent)
    assert said == [("ended", "o1", 1), ("ended", "o2", 2), ("left", "o1", 3), ("left", "o2", 7)]
    assert {row.local for row in local} == {NOON.replace(tzinfo=None)}
    assert [row.upto is None for row in local] == [last is None] * 2


REFUSED = [
    (policy(table=pair, by=column.ends_at), ["pair has a key of 2 columns"]),
    (policy(by=others.c.ends_at), ["by is others.ends_at", "no column of vouchers"]),
    (policy(of=column.id), ["of is vouchers.id", "no column of moves"]),
    (policy(amount=move.what), ["moves.what", "no number"]),
    (policy(at=move.what), ["moves.what", "no time"]),
    (policy(last=column.id), ["last is vouchers.id", "no column of moves"]),
    (policy(values={"colour": "red"}), ["values of moves", "colour"]),
    (policy(values={"cents": 3}), ["values of moves", "cents"]),
    (policy(kind="birth"), ["vouchers.ends_at", "keep is 0s"]),
    (policy(entries=pair, of=pair.c.a, amount=pair.c.b, at=move.at), ["at is moves.at", "no column of pair"]),
]


@pytest.mark.parametrize(("wrong", "said"), REFUSED, ids=[" ".join(said) for _, said in REFUSED])
def test_what_cannot_be_right_is_refused_in_one_line(wrong: CounterEntry, said: list[str]) -> None:
    with pytest.raises(PolicyError) as refused:
        wrong.plan()

    assert isinstance(refused.value, UsageError)
    assert [part for part in said if part not in str(refused.value)] == []


def test_a_composite_key_of_entries_cannot_be_the_last() -> None:
    composite = Table(
        "journal",
        MetaData(),
        Column("book", Integer, primary_key=True),
        Column("line", Integer, primary_key=True),
        Column("voucher", Integer),
        Column("cents", Integer),
        Column("at", UtcDateTime),
        Column("upto", Integer),
    )
    its = composite.c
    wrong = policy(entries=composite, of=its.voucher, amount=its.cents, at=its.at, last=its.upto, values={})

    with pytest.raises(PolicyError, match="journal has a composite key"):
        wrong.plan()
    assert policy(entries=composite, of=its.voucher, amount=its.cents, at=its.at, last=None, values={}).plan().inserts


def test_it_locks_before_it_reads_and_goes_oldest_first() -> None:
    """PGC-6: entries that come while the lock is waited for have to count."""
    plan = policy(name="end").plan()

    assert (plan.step, plan.lock_first, plan.main) == ("end", True, None)
    assert [one.name for one in plan.order] == ["ends_at", "id"]
    assert policy().plan().step == "counter_vouchers"
