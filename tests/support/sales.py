"""A shop's orders and their sums by windows, for tests of roll-ups.

    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.run("2026-03-03 00:00")
    assert shop.summary() == ["2026-02-28 12:30 to 2026-03-01 12:30 INR 1 100"]

Times are text in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, Index, MetaData, Table, Text, delete, func, insert, select, update

from sexton import Job, Rollup, RollupReport, UtcDateTime, cron, every
from sexton.db.column_types import BigKey
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.db.watermarks import Watermark, read_watermark
from sexton.jobs.rollup_scope import EVERY_RUN, RollupScope
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job

from .children import NEVER, SMALL, Break, run_and_tell
from .pace import UNHURRIED

JOB, STEP = "shop.sales", "sales"
EVENING = cron("0 18 * * *", tz="Asia/Kolkata")
"""18:00 there is 12:30 UTC."""

REPORT = RollupReport("sales_report", to="admin")


def at(time: str) -> datetime:
    """An instant, from text in UTC."""
    return datetime.fromisoformat(time).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Sales:
    """The tables on one engine, and short words for what tests do with them."""

    engine: Engine
    orders: Table
    sums: Table

    def order(self, created: str | datetime | None, currency: str | None = "INR", total: int = 1, **more: Any) -> None:
        """One order, of which a sum is made."""
        created = at(created) if isinstance(created, str) else created
        with self.engine.begin() as connection:
            row = {"created_at": created, "currency": currency, "total_minor": total, **more}
            connection.execute(insert(self.orders).values(row))

    def forget(self, **where: Any) -> None:
        """Delete the orders with these values."""
        with self.engine.begin() as connection:
            chosen = delete(self.orders)
            for name, value in where.items():
                chosen = chosen.where(self.orders.c[name].is_not_distinct_from(value))
            connection.execute(chosen)

    def change(self, total: int, **values: Any) -> None:
        """Give the orders of this total other values."""
        with self.engine.begin() as connection:
            connection.execute(update(self.orders).where(self.orders.c.total_minor == total).values(values))

    def policy(self, **options: Any) -> Rollup:
        """Orders and their revenue, by currency."""
        orders = self.orders.c
        usual: dict[str, Any] = {
            "by": orders.created_at,
            "group": [orders.currency],
            "aggregates": {"orders": func.count(), "revenue": func.sum(orders.total_minor)},
            "into": self.sums,
            "windows": EVENING,
            "name": STEP,
        }
        return Rollup(self.orders, **{**usual, **options})

    def job(self, **options: Any) -> Job:
        """The job of that policy."""
        return Job(JOB, work=self.policy(**options))

    def run(
        self,
        now: str,
        *,
        scope: RollupScope = EVERY_RUN,
        limits: Limits = UNHURRIED,
        foreseen: bool = True,
        **options: Any,
    ) -> Outcome:
        """Run it as of `now`; a dry run before has foreseen all that it counts."""
        job = self.job(**options)
        if foreseen:
            expected = self.preview(now, scope=scope, **options)
        outcome = run_job(self.engine, job, at=at(now), limits=limits, rollup=scope)
        assert (outcome.state, outcome.error) == ("succeeded", None)
        assert not foreseen or expected.steps == outcome.steps
        return outcome

    def preview(self, now: str, *, scope: RollupScope = EVERY_RUN, **options: Any) -> Outcome:
        """What a run would count."""
        if scope == EVERY_RUN:
            return preview_job(self.engine, self.job(**options), at=at(now))
        from sexton.runs.dry_run import dry_run

        return dry_run(self.engine, self.job(**options), as_of=at(now), rollup=scope)

    def summary(self) -> list[str]:
        """Rows of the sums, "start to end currency orders revenue"."""
        sums = self.sums.c
        asked = select(self.sums).order_by(sums.window_start, sums.currency.nulls_first())
        with self.engine.connect() as connection:
            return [
                f"{row.window_start:%Y-%m-%d %H:%M} to {row.window_end:%Y-%m-%d %H:%M} "
                f"{row.currency} {row.orders} {row.revenue}"
                for row in connection.execute(asked)
            ]

    def told(self) -> list[str]:
        """Messages in the order of writing: "key: currency orders revenue, …"."""
        events = own_tables(self.engine.dialect.name).outbox_events
        asked = select(events.c.key, events.c.payload).order_by(events.c.id)
        with self.engine.connect() as connection:
            return [
                f"{row.key.partition(':')[2].replace(':00.000000Z', '')}: "
                + ", ".join(f"{line['currency']} {line['orders']} {line['revenue']}" for line in row.payload["lines"])
                for row in connection.execute(asked)
            ]

    def payloads(self) -> list[Any]:
        """Event and payload of each message, in the order of writing."""
        events = own_tables(self.engine.dialect.name).outbox_events
        with self.engine.connect() as connection:
            asked = select(events.c.event_type, events.c.payload).order_by(events.c.id)
            return [tuple(row) for row in connection.execute(asked)]

    def mark(self) -> Watermark | None:
        """How far it has come."""
        with self.engine.connect() as connection:
            return read_watermark(connection, JOB, STEP)


def open_sales(engine: Engine, *, make: bool = True) -> Sales:
    """The shop in the database of this engine. make: its tables, too."""
    metadata = MetaData()
    orders = Table(
        "orders",
        metadata,
        Column("id", BigKey, primary_key=True),
        Column("created_at", UtcDateTime),
        Column("currency", Text),
        Column("total_minor", BigInteger, nullable=False),
        Column("status", Text, nullable=False, server_default="delivered"),
        Column("updated_at", UtcDateTime),
    )
    Index("orders_created", orders.c.created_at)
    Index("orders_updated", orders.c.updated_at)
    sums = Table(
        "sales_summary",
        metadata,
        Column("window_start", UtcDateTime, nullable=False),
        Column("window_end", UtcDateTime, nullable=False),
        Column("currency", Text),
        Column("orders", BigInteger, nullable=False),
        Column("revenue", BigInteger, nullable=False),
    )
    Index("sales_summary_window", sums.c.window_start, sums.c.currency, unique=True)
    if make:
        metadata.create_all(engine)
    return Sales(engine, orders, sums)


def run_hours(url: str, *, now: str, breaking: Break = NEVER) -> int:
    """A child that runs the roll-up of each hour, and tells it; breaks as it is told."""
    engine = open_database(url)
    job = open_sales(engine, make=False).job(windows=every("1h"), tell=REPORT)
    return run_and_tell(engine, job, at=at(now), limits=SMALL, breaking=breaking)
