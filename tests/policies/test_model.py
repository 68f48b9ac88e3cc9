"""Random rows and clocks: each policy against the same rule in plain Python, run twice, preview first.

By Python on SQLite, and by a procedure inside PostgreSQL: one suite for both (PGC-3, PGC-6).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Engine, delete, insert, select

from sexton import Job, Message, Purge, Transition, WarnOnce, ago, ahead, text_key
from sexton import now as run_time
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.testing import preview_job, run_job
from tests.support.databases import Databases
from tests.support.inside import run_inside_the_database
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, Sessions, make_sessions

STATES = ("open", "paid", "expired")
HOURS = (0, 1, 24, 30, 24 * 30)
OFFSETS = sorted({sign * hours * 3600 + step for hours in HOURS for sign in (1, -1) for step in (-1, 0, 1)})
few = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Row:
    """A session as the model sees it."""

    id: int
    status: str
    expires_at: datetime | None
    created_at: datetime


moments = some.sampled_from(OFFSETS).map(lambda seconds: NOON + timedelta(seconds=seconds))
shapes = some.tuples(some.sampled_from(STATES), some.none() | moments, moments)
tables = some.lists(shapes, max_size=25).map(lambda rows: [Row(n, *row) for n, row in enumerate(rows, 1)])
keeps = some.sampled_from(["0s", "1h", "1d", "30h", "30d"])
clocks = some.sampled_from([NOON, NOON + timedelta(hours=1), NOON - timedelta(hours=30), NOON + timedelta(days=30)])
sizes = some.integers(1, 30)
LENGTHS = {"0s": 0, "1h": 1, "1d": 24, "30h": 30, "30d": 720}


@pytest.fixture(scope="module", params=["sqlite", "procedure"])
def shop(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Sessions]:
    """One database for all examples; each fills it anew."""
    kind = "sqlite" if request.param == "sqlite" else "postgres15"
    with databases.fresh(kind, migrated=True) as url, opened(url) as engine, pytest.MonkeyPatch.context() as patch:
        if request.param == "procedure":
            run_inside_the_database(patch)
        yield make_sessions(engine)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def fill(shop: Sessions, rows: list[Row]) -> None:
    own = own_tables(shop.engine.dialect.name)
    with shop.engine.begin() as connection:
        for table in (shop.table, own.effects, own.outbox_events, own.runs):
            connection.execute(delete(table))
        if rows:
            connection.execute(insert(shop.table), [vars(row) for row in rows])


def kept(shop: Sessions) -> list[Row]:
    with shop.engine.connect() as connection:
        return [Row(*row) for row in connection.execute(select(shop.table).order_by(shop.table.c.id))]


def live(shop: Sessions, job: Job, at: datetime, size: int) -> tuple[int, int]:
    """Preview, run, run again; how many rows were picked and facts told."""
    expected = preview_job(shop.engine, job, at=at)
    run, again = (run_job(shop.engine, job, at=at, limits=replace(UNHURRIED, rows=size)) for _ in range(2))
    assert run.state == again.state == "succeeded"
    assert run.steps == expected.steps
    assert (again.total.picked, again.total.told) == (0, 0)
    return run.total.picked, run.total.told


def is_old(at: datetime | None, keep: str, now: datetime, boundary: str) -> bool:
    if at is None:
        return False
    cutoff = now - timedelta(hours=LENGTHS[keep])
    return at <= cutoff if boundary == "<=" else at < cutoff


@few
@given(tables, keeps, clocks, some.sampled_from(["<", "<="]), some.booleans(), sizes)
def test_purge_is_the_rule(
    shop: Sessions, rows: list[Row], keep: str, now: datetime, boundary: str, paid_only: bool, size: int
) -> None:
    fill(shop, rows)
    columns = shop.table.c
    only = columns.status == "paid" if paid_only else None
    policy = Purge(shop.table, by=columns.expires_at, keep=keep, kind="deadline", boundary=boundary, only=only)  # type: ignore[arg-type]

    picked, _ = live(shop, Job("shop.purge", work=policy), now, size)

    gone = [
        row for row in rows if is_old(row.expires_at, keep, now, boundary) and (row.status == "paid" or not paid_only)
    ]
    assert kept(shop) == [row for row in rows if row not in gone]
    assert picked == len(gone)


@few
@given(tables, keeps, clocks, some.sampled_from(["<", "<="]), sizes)
def test_transition_is_the_rule_and_tells_each_change_once_in_order(
    shop: Sessions, rows: list[Row], keep: str, now: datetime, boundary: str, size: int
) -> None:
    fill(shop, rows)
    columns = shop.table.c
    policy = Transition(
        shop.table,
        {"status": "expired"},
        only=columns.status == "open",
        by=columns.expires_at,
        keep=keep,
        kind="deadline",
        boundary=boundary,  # type: ignore[arg-type]
        tell=(Message("expired", key=text_key("expired", columns.id), payload={"id": columns.id}),),
    )

    picked, told = live(shop, Job("shop.expire", work=policy), now, size)

    due = [row for row in rows if row.status == "open" and is_old(row.expires_at, keep, now, boundary)]
    changed = {row.id: Row(row.id, "expired", row.expires_at, row.created_at) for row in due}
    assert kept(shop) == [changed.get(row.id, row) for row in rows]
    assert picked == told == len(due)
    order = sorted(due, key=lambda row: (row.expires_at or NOON, row.id))
    assert shop.messages() == [f"expired:{row.id}" for row in order]


@few
@given(tables, some.lists(clocks, min_size=1, max_size=3), sizes)
def test_warn_once_tells_each_deadline_once_however_the_clock_goes(
    shop: Sessions, rows: list[Row], times: list[datetime], size: int
) -> None:
    fill(shop, rows)
    columns = shop.table.c
    when = (columns.expires_at > run_time()) & (columns.expires_at <= ahead("1d")) & (columns.created_at <= ago("1h"))
    tell = Message("ends", key=text_key("ends", columns.id, columns.expires_at))
    job = Job("shop.warn", work=WarnOnce(shop.table, by=columns.expires_at, when=when, tell=tell))

    told = sum(live(shop, job, now, size)[1] for now in times)

    warned = {
        row.id
        for row in rows
        for now in times
        if row.expires_at is not None
        and now < row.expires_at <= now + timedelta(days=1)
        and row.created_at <= now - timedelta(hours=1)
    }
    assert told == len(warned) == len(shop.messages())
    assert {int(key.split(":")[1]) for key in shop.messages()} == warned
    assert kept(shop) == rows
