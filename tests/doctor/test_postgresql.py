"""What the doctor says about a PostgreSQL server and its tables: vacuum, partitions, poolers, who holds rows back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, text

from sexton import Job, Purge, UtcDateTime
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.doctor import explain_plans, server, vacuum, vacuum_holders
from sexton.doctor.diagnose import diagnose
from sexton.testing.postgres import Server
from tests.support.findings import about, apply, examined, levels, of_database
from tests.support.pgbouncer import pgbouncer
from tests.support.sessions import Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Two hundred sessions that are due."""
    shop = make_sessions(engine)
    shop.add(200, age=timedelta(days=1))
    apply(engine, "ANALYZE")
    return shop


def one(findings: list[Any]) -> Any:
    (finding,) = findings
    return finding


def test_a_server_that_is_well_has_nothing_to_act_on(engine: Engine) -> None:
    findings = of_database(engine)

    assert {finding.about for finding in findings} == {"server", "clock", "pooler", "schema", "transactions"}
    assert {finding.level for finding in findings} == {"ok"}
    assert one(about(findings, "server")).text.startswith("PostgreSQL 1")
    assert one(about(findings, "pooler")).text == "none in between"


@pytest.mark.databases("postgres18")
def test_a_pooler_is_noticed(database: str) -> None:
    with pgbouncer(database) as url:
        engine = open_database(url)
        try:
            finding = one(about(of_database(engine), "pooler"))
        finally:
            engine.dispose()

    assert finding.level == "note"
    assert "a pooler stands between" in finding.text


@pytest.mark.parametrize(("limits", "level"), [((-1.0, 60.0), "warning"), ((-1.0, -1.0), "wrong")])
def test_clocks_that_differ_are_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limits: tuple[float, float], level: str
) -> None:
    monkeypatch.setattr(server, "CLOCK_WARNING", limits[0])
    monkeypatch.setattr(server, "CLOCK_LIMIT", limits[1])

    assert one(about(of_database(engine), "clock")).level == level


def test_tables_of_ours_that_are_missing_are_told_once_and_jobs_are_still_looked_into(empty_database: str) -> None:
    engine = open_database(empty_database)
    shop = make_sessions(engine)

    findings = list(diagnose(engine, [shop.purge()], size=500))
    engine.dispose()

    assert [finding.about for finding in findings if finding.level == "wrong"] == ["schema"]
    assert "sexton migrate" in one(about(findings, "schema")).text


@pytest.mark.databases("postgres15")
def test_read_only_standby_and_vacuum_off_are_told(start_server: Callable[..., Server]) -> None:
    started = start_server(15, autovacuum="off", default_transaction_read_only="off")
    engine = open_database(started.create_database("shop"))
    migrate(engine)
    apply(engine, "ALTER DATABASE shop SET default_transaction_read_only = on")
    engine.dispose()

    findings = of_database(engine)
    engine.dispose()

    assert levels(findings) == [("wrong", "server"), ("warning", "autovacuum")]
    assert "read-only" in about(findings, "server")[1].text


def test_a_transaction_that_stays_open_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum_holders, "LONG_TRANSACTION_SECONDS", 0.0)
    with engine.connect() as idle:
        number = idle.execute(text("SELECT pg_backend_pid()")).scalar_one()
        finding = one(about(of_database(engine), "transactions"))

    assert finding.level == "warning"
    assert "idle in transaction" in finding.text
    assert finding.sql == f"SELECT pg_terminate_backend({number});"


@pytest.mark.databases("postgres15")
def test_prepared_transactions_and_idle_slots_are_named(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum_holders, "LONG_TRANSACTION_SECONDS", 0.0)
    started = start_server(15, max_prepared_transactions="2", wal_level="replica")
    engine = open_database(started.create_database("shop"))
    migrate(engine)
    apply(engine, "SELECT pg_create_physical_replication_slot('gone', true)")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (id int)"))
        connection.execute(text("PREPARE TRANSACTION 'lost'"))

    findings = of_database(engine)
    lines = [finding.sql for finding in findings if finding.level == "warning"]
    apply(engine, *lines)

    assert lines == ["ROLLBACK PREPARED 'lost';", "SELECT pg_drop_replication_slot('gone');"]
    assert levels(of_database(engine)) == []
    engine.dispose()


@pytest.mark.parametrize(("small", "words"), [(1000, "which is small (200 rows)"), (100, "(more than 100 rows)")])
def test_a_table_without_statistics_is_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, small: int, words: str
) -> None:
    """They are lost by an upgrade of the server, a restore, a crash."""
    monkeypatch.setattr(explain_plans, "SMALL_TABLE_ROWS", small)
    shop = make_sessions(engine)
    apply(engine, "DROP INDEX sessions_expires", "ALTER TABLE sessions SET (autovacuum_enabled = off)")
    shop.add(200, age=timedelta(days=1))
    apply(engine, "SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset()")

    assert words in one(about(examined(engine, shop.expire()), "plan")).text


def test_autovacuum_that_is_off_for_a_table_is_a_warning(engine: Engine, shop: Sessions) -> None:
    apply(engine, "ALTER TABLE sessions SET (autovacuum_enabled = off)")

    finding = about(examined(engine, shop.purge()), "autovacuum")[0]
    apply(engine, finding.sql)

    assert finding.level == "warning"
    assert levels(examined(engine, shop.purge())) == []


def test_autovacuum_that_comes_late_for_what_is_due_is_a_warning(
    engine: Engine, shop: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "LARGE_TABLE_ROWS_FOR_VACUUM", 100)

    late = about(examined(engine, shop.purge()), "autovacuum")[-1]
    apply(engine, late.sql, "DELETE FROM sessions WHERE id > 1", "VACUUM ANALYZE sessions")

    assert late.sql == "ALTER TABLE sessions SET (autovacuum_vacuum_scale_factor = 0.02);"
    assert "100% of sessions is due" in late.text
    assert levels(examined(engine, shop.purge())) == []


@pytest.fixture
def events(engine: Engine) -> Job:
    """A purge of a table with one partition a year, the first two of them past keeping; none has rows."""
    apply(
        engine,
        "CREATE TABLE events (id bigint, at timestamptz, PRIMARY KEY (at, id)) PARTITION BY RANGE (at)",
        "CREATE TABLE y2019 PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
        "CREATE TABLE \"Y 2020\" PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE TABLE y2099 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2100-01-01')",
    )
    columns = (Column("id", BigInteger, primary_key=True), Column("at", UtcDateTime, primary_key=True))
    table = Table("events", MetaData(), *columns)
    return Job("shop.purge_events", work=Purge(table, by=table.c.at, keep="30d"))


def test_whole_partitions_past_keeping_are_to_be_detached(engine: Engine, events: Job) -> None:
    finding = one(about(examined(engine, events), "partitions"))
    apply(engine, *finding.sql.splitlines())

    assert finding.level == "note"
    assert finding.text.startswith('2 whole partitions are past keeping ("Y 2020", y2019): ')
    assert "DETACH PARTITION y2019 CONCURRENTLY" in finding.sql
    assert about(examined(engine, events), "partitions") == []


def test_beside_a_default_partition_none_is_detached_concurrently(engine: Engine, events: Job) -> None:
    apply(engine, "CREATE TABLE rest PARTITION OF events DEFAULT")

    finding = one(about(examined(engine, events), "partitions"))
    apply(engine, *finding.sql.splitlines())

    assert "CONCURRENTLY" not in finding.sql


def test_an_index_of_a_partitioned_table_is_not_built_concurrently_and_why(engine: Engine, events: Job) -> None:
    apply(engine, "ALTER TABLE events DROP CONSTRAINT events_pkey", "ALTER TABLE events ADD PRIMARY KEY (id, at)")

    finding = one(about(examined(engine, events), "index"))
    apply(engine, finding.sql)

    assert finding.sql == "CREATE INDEX events_at_id ON events (at, id);"
    assert "cannot be built CONCURRENTLY" in finding.text
    assert about(examined(engine, events), "index") == []


def test_plan_and_figures_of_partitions_are_those_of_the_table(engine: Engine, events: Job) -> None:
    apply(
        engine,
        "INSERT INTO events SELECT n, '2020-01-01'::timestamptz + n * interval '1 hour'"
        " FROM generate_series(-500, 20000) AS n",
        "ANALYZE",
    )

    findings = examined(engine, events, sampling=True)

    assert about(findings, "plan")[0].text.startswith("index ")
    assert "0 dead rows beside 20,501" in one(about(findings, "autovacuum")).text
    assert one(about(findings, "sample")).text.startswith("100 rows: ")
