"""T9: the zone of the session, the role or the database decides nothing: cutoffs, previews and texts stay the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, MetaData, Table, Text, insert, select, text

from sexton import Job, Message, Purge, Transition, UtcDateTime, as_text, text_key
from sexton.db.column_types import BigKey
from sexton.db.connect import read_only
from sexton.db.tables import own_tables
from sexton.slots.history import history
from sexton.testing import preview_job, run_job
from tests.support.sessions import NOON

ZONES = [
    ("America/Los_Angeles", "DATABASE {database}"),
    ("Asia/Jerusalem", "ROLE postgres IN DATABASE {database}"),
    ("Pacific/Kiritimati", "DATABASE {database}"),
]
KEEP = timedelta(days=30)
OFFSETS = [timedelta(hours=hours) for hours in range(-14, 15)]
"""Rows around the cutoff, an hour apart, as far from it as any zone is from UTC."""

OLD = [number for number, offset in enumerate(OFFSETS) if offset < timedelta(0)]

ZONED, NAIVE = UtcDateTime(), DateTime()
columns = pytest.mark.parametrize("kind", [ZONED, NAIVE], ids=["with zone", "naive"])


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(("zone", "scope"), ZONES)
@columns
def test_t9_a_purge_takes_the_same_rows_in_every_zone(engine: Engine, kind: Any, zone: str, scope: str) -> None:
    table = make_logins(engine, kind)
    set_for_sessions(engine, scope, "timezone", zone)
    job = purge(table)

    expected = preview_job(engine, job, at=NOON)
    run = run_job(engine, job, at=NOON)

    assert zone_of(engine) == zone
    assert run.total.changed == expected.total.changed == len(OLD)
    assert ids(engine, table) == [number for number in range(len(OFFSETS)) if number not in OLD]


@columns
def test_t9_and_on_every_database(engine: Engine, kind: Any) -> None:
    table = make_logins(engine, kind)

    assert preview_job(engine, purge(table), at=NOON).total.changed == len(OLD)
    assert run_job(engine, purge(table), at=NOON).total.changed == len(OLD)
    assert ids(engine, table) == [number for number in range(len(OFFSETS)) if number not in OLD]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_t9_a_column_that_is_naive_here_though_declared_with_zone_means_utc(engine: Engine, zone: str) -> None:
    """In the run and in its preview alike, so that the one tells the truth about the other."""
    there = make_logins(engine, NAIVE)
    declared = Table("logins", MetaData(), *(Column(c.name, c.type, primary_key=c.primary_key) for c in there.c))
    declared.c.seen_at.type = ZONED
    set_for_sessions(engine, "DATABASE {database}", "timezone", zone)

    expected = preview_job(engine, purge(declared), at=NOON)
    run = run_job(engine, purge(declared), at=NOON)

    assert (expected.total.changed, run.total.changed) == (len(OLD), len(OLD))


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    ("name", "value"),
    [("timezone", "Pacific/Auckland"), ("datestyle", "SQL, DMY"), ("datestyle", "German")],
)
@columns
def test_t9_keys_and_messages_are_the_same_text_whatever_the_session_says(
    engine: Engine, kind: Any, name: str, value: str
) -> None:
    table = make_logins(engine, kind)
    set_for_sessions(engine, "DATABASE {database}", name, value)

    run_job(engine, tell_about(table), at=NOON)

    effects, events = own_tables("postgresql").effects, own_tables("postgresql").outbox_events
    with engine.connect() as connection:
        assert connection.execute(select(effects.c.key)).scalars().all() == ["old:0:2026-05-15T22:00:00.000000Z"]
        assert connection.execute(select(events.c.payload)).scalars().all() == [{"seen": "2026-05-15T22:00:00.000000Z"}]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_t9_history_is_kept_and_read_in_utc(engine: Engine, zone: str) -> None:
    table = make_logins(engine, ZONED)
    set_for_sessions(engine, "DATABASE {database}", "timezone", zone)

    run = run_job(engine, purge(table), at=NOON)

    runs = own_tables("postgresql").runs
    with engine.connect() as connection:
        row = connection.execute(select(runs)).one()
    assert run.as_of == row.as_of == NOON
    assert row.as_of.utcoffset() == row.started_at.utcoffset() == timedelta(0)


def test_t9_the_cutoff_in_another_zone_is_the_same_instant(engine: Engine) -> None:
    table = make_logins(engine, NAIVE)

    run = run_job(engine, purge(table), at="2026-06-16T00:00+12:00")

    assert run.as_of == NOON
    assert run.total.changed == len(OLD)


def make_logins(engine: Engine, kind: Any) -> Table:
    """Logins around the cutoff of a purge at NOON."""
    logins = Table(
        "logins",
        MetaData(),
        Column("id", BigKey, primary_key=True, autoincrement=False),
        Column("seen_at", kind, nullable=False),
        Column("status", Text, nullable=False),
    )
    logins.create(engine)
    with engine.begin() as connection:
        at = [stored(NOON - KEEP + offset, kind) for offset in OFFSETS]
        rows = [{"id": number, "seen_at": seen, "status": "new"} for number, seen in enumerate(at)]
        connection.execute(insert(logins), rows)
    return logins


def stored(instant: datetime, kind: Any) -> datetime:
    return instant if kind is ZONED else instant.replace(tzinfo=None)


def purge(table: Table) -> Job:
    return Job("shop.purge_logins", work=Purge(table, by=table.c.seen_at, keep="30d"))


def tell_about(table: Table) -> Job:
    """Mark the oldest login and tell about it."""
    seen = table.c.seen_at
    tell = Message("old", key=text_key("old", table.c.id, seen), payload={"seen": as_text(seen)})
    only = (table.c.status == "new") & (table.c.id == 0)
    return Job("shop.tell", work=Transition(table, {"status": "old"}, only=only, by=seen, keep="30d", tell=(tell,)))


def ids(engine: Engine, table: Table) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


def set_for_sessions(engine: Engine, scope: str, name: str, value: str) -> None:
    with engine.begin() as connection:
        where = scope.format(database=engine.url.database)
        connection.execute(text(f"ALTER {where} SET {name} = '{value}'"))
    engine.dispose()


def zone_of(engine: Engine) -> str:
    """That of a session, outside of the transactions that Sexton begins."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return str(connection.execute(text("SHOW timezone")).scalar())


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_t9_a_database_that_writes_dates_its_own_way_can_be_worked_in(engine: Engine, style: str) -> None:
    """The driver reads ISO only; the run's own time, its lease and its history must not depend on the session."""
    table = make_logins(engine, ZONED)
    set_for_sessions(engine, "DATABASE {database}", "datestyle", style)

    run = run_job(engine, purge(table))

    assert run.state == "succeeded"
    with read_only(engine) as connection:
        assert [past.as_of for past in history(connection)] == [run.as_of]
