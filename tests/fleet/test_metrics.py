"""Metrics about a fleet: by job, state and server, and so many series whatever the number of databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, update

from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.run_state import NoRun, RunState
from sexton.telemetry.fleet_metrics import FLEET_DATABASES, FLEET_OVERDUE, MAX_SERVERS, OTHER, fleet_samples, read_fleet

pytestmark = pytest.mark.databases("sqlite", "postgres18")

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def remember(engine: Engine, number: int, servers: int) -> None:
    """So many databases on so many servers; in one of ten the job was not done."""
    own = own_tables(engine.dialect.name)
    listed: list[dict[str, object]] = []
    jobs: list[dict[str, object]] = []
    for one in range(number):
        name, server = f"shop_{one:04}", f"db{one % servers:03}:5432"
        state = RunState.SUCCEEDED if one % 10 else NoRun.UNREACHABLE
        listed.append({"name": name, "address": "postgresql://x", "server": server, "labels": {}, "state": "active"})
        listed[-1] |= {"first_seen_at": NOON, "last_seen_at": NOON}
        jobs.append({"database": name, "job": "shop.purge", "state": state, "attempt": 1, "definition": ""})
        jobs[-1] |= {"visited_at": NOON, "next_at": NOON + timedelta(minutes=one)}
    with engine.begin() as connection:
        connection.execute(insert(own.databases), listed)
        connection.execute(insert(own.fleet_jobs), jobs)


def test_databases_are_counted_by_job_state_and_server(engine: Engine) -> None:
    remember(engine, 40, 2)
    with engine.connect() as connection:
        counters = read_fleet(connection, NOON + timedelta(minutes=2))

    assert counters.standing == {
        ("shop.purge", "succeeded", "db000:5432"): 16,
        ("shop.purge", "succeeded", "db001:5432"): 20,
        ("shop.purge", "unreachable", "db000:5432"): 4,
    }
    assert counters.overdue == {"shop.purge": 120.0}


def test_what_waits_in_a_database_that_is_paused_is_not_overdue(engine: Engine) -> None:
    remember(engine, 4, 1)
    table = own_tables(engine.dialect.name).databases
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.name == "shop_0000").values(state="paused"))
        counters = read_fleet(connection, NOON + timedelta(minutes=2))

    assert counters.standing == {("shop.purge", "succeeded", "db000:5432"): 3}
    assert counters.overdue == {"shop.purge": 60.0}


def test_the_number_of_series_does_not_grow_with_databases_or_servers(engine: Engine) -> None:
    remember(engine, 2_000, 130)
    with engine.connect() as connection:
        samples = list(fleet_samples(read_fleet(connection, ask_now(connection))))

    servers = {labels["server"] for family, labels, _ in samples if family is FLEET_DATABASES}
    assert len(servers) == MAX_SERVERS + 1
    assert OTHER in servers
    assert sum(value for family, _, value in samples if family is FLEET_DATABASES) == 2_000
    assert [labels for family, labels, _ in samples if family is FLEET_OVERDUE] == [{"job": "shop.purge"}]
    assert len(samples) <= 2 * (MAX_SERVERS + 1) + 1


def test_a_database_that_is_gone_is_counted_no_more(engine: Engine) -> None:
    remember(engine, 10, 1)
    table = own_tables(engine.dialect.name).databases
    with engine.begin() as connection:
        connection.execute(table.update().where(table.c.name != "shop_0003").values(gone_at=NOON))
        assert list(read_fleet(connection, NOON).standing.values()) == [1]
