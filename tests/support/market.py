"""A marketplace for tests of its pack: the tables on an engine, short words to fill and read them, its jobs.

    shop.licence(1, expires="2026-06-29 04:00")
    run = shop.run("licences", at="2026-06-15 04:00")
    assert shop.messages() == ["license_expiring_soon 1"]

Times are text in UTC. A store or parent order that a row needs is made along with it, verified or pending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, Table, delete, insert, select, text, update

from sexton import Job, own_outbox
from sexton.clock import parse_instant
from sexton.db.tables import own_tables
from sexton.packs.marketplace import pack
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import Tables, tables
from sexton.runs.outcome import Outcome
from sexton.slots.history import set_aside
from sexton.testing import preview_job, run_job

NOW = "2026-06-15 04:00"
"""The time of most test runs."""

LONG_AGO = "2026-01-01"

JOBS = {
    "licences": "marketplace.expire_licences",
    "orders": "marketplace.expire_orders",
    "notifications": "marketplace.purge_notifications",
    "outbox": "marketplace.purge_outbox",
}

Time = str | datetime


def at(time: Time) -> datetime:
    """A time as tests write it."""
    return time if isinstance(time, datetime) else parse_instant(time)


def later(time: Time, **length: float) -> datetime:
    """`time` and so much: `later(NOW, days=1)`."""
    return at(time) + timedelta(**length)


@dataclass
class Market:
    """The pack's tables on one engine under the names in `options`."""

    engine: Engine
    options: Options
    own: Tables
    made: set[tuple[str, int]] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)

    # --- filling

    def store(self, number: int, kyc: str = "verified") -> None:
        """A store; its vendor is 1000 + number."""
        self.made.add(("stores", number))
        self._add(self.own.stores, id=number, vendor_id=1000 + number, name=f"Store {number}", kyc_status=kyc)

    def licence(
        self, number: int, *, expires: Time, status: str = "verified", store: int = 1, created: Time = LONG_AGO
    ) -> None:
        """A licence of a store."""
        if ("stores", store) not in self.made:
            self.store(store)
        row = {"status": status, "expires_at": at(expires), "created_at": at(created)}
        self._add(self.own.licenses, id=number, store_id=store, **row)

    def file(self, number: int, *, licences: tuple[int, ...] = (), created: Time = LONG_AGO) -> None:
        """A media row with the key `file-<number>`, attached to these licences."""
        self._add(self.own.media, id=number, storage_key=f"file-{number}", created_at=at(created))
        for licence in licences:
            self.attach(number, "license", licence)

    def attach(self, file: int, kind: str, number: int) -> None:
        """Attach a file to something."""
        self._add(self.own.media_attachments, media_id=file, entity_type=kind, entity_id=number)

    def order(
        self,
        number: int,
        *,
        created: Time,
        status: str = "pending",
        parent: int | None = None,
        store: int = 7,
        items: Mapping[int, int] | None = None,
    ) -> None:
        """A vendor order with items (product -> pieces); its parent has the same number unless said otherwise."""
        parent = number if parent is None else parent
        if ("orders", parent) not in self.made:
            self.parent(parent)
        row = {"order_id": parent, "store_id": store, "status": status, "created_at": at(created)}
        self._add(self.own.vendor_orders, id=number, **row)
        for product, pieces in (items or {}).items():
            self._add(self.own.order_items, vendor_order_id=number, product_id=product, quantity=pieces)

    def parent(self, number: int, status: str = "pending") -> None:
        """A parent order; its buyer is 5000 + number."""
        self.made.add(("orders", number))
        self._add(self.own.orders, id=number, buyer_id=5000 + number, status=status)

    def payment(self, order: int, status: str) -> None:
        """A payment for a parent order."""
        self._add(self.own.payments, order_id=order, status=status)

    def shelf(self, product: int, *, reserved: int, available: int = 100) -> None:
        """Stock of a product."""
        self._add(self.own.inventory, product_id=product, available=available, reserved=reserved)

    def notification(self, number: int, *, created: Time, read: Time | None = None) -> None:
        """A notification, unread unless said otherwise."""
        seen = None if read is None else at(read)
        self._add(self.own.notifications, id=number, user_id=1, read_at=seen, created_at=at(created))

    def event(
        self,
        number: int,
        *,
        created: Time = LONG_AGO,
        published: Time | None = None,
        attempts: int = 0,
        tried: Time | None = None,
    ) -> None:
        """An outbox row of the product, `order_paid <number>`."""
        table = self.outbox
        row: dict[str, Any] = {"id": number, "event_type": "order_paid", "payload": {"number": number}}
        row |= {"created_at": at(created), "attempt_count": attempts}
        row |= {"published_at": None if published is None else at(published)}
        row |= {"last_attempted_at": None if tried is None else at(tried)}
        if "key" in table.c:
            row["key"] = f"paid:{number}"
        self._add(table, **row)

    def change(self, table: Table, number: int, **values: Any) -> None:
        """What somebody else does to one row."""
        with self.engine.begin() as connection:
            connection.execute(update(table).where(key_of(table) == number).values(values))

    def remove(self, table: Table, number: int) -> None:
        """Somebody else deletes one row."""
        with self.engine.begin() as connection:
            connection.execute(delete(table).where(key_of(table) == number))

    def refill(self, rows: Mapping[Table, Sequence[Mapping[str, Any]]]) -> None:
        """Empty all tables, with what is on record, written or set aside, and insert these rows."""
        ours = own_tables(self.engine.dialect.name)
        every = [ours.effects, ours.outbox_events, ours.poison, *reversed(self.own.metadata.sorted_tables)]
        with self.engine.begin() as connection:
            for table in every:
                connection.execute(delete(table))
            for table, values in rows.items():
                if values:
                    connection.execute(insert(table), values)

    # --- running

    def job(self, name: str) -> Job:
        """One of the pack's jobs: "licences", "orders", "notifications", "outbox"; its policies are built once.

        Without its guard, as small tables are all due at once here.
        """
        if name not in self.jobs:
            jobs = {job.name: job for job in pack.jobs(self.options, self.engine.dialect.name)}
            job = jobs[JOBS[name]]
            self.jobs[name] = replace(job, work=job.load(), guard=None)
        return self.jobs[name]

    def run(self, name: str, at: Time = NOW, **options: Any) -> Outcome:
        """Run a job of the pack for real at this time."""
        return run_job(self.engine, self.job(name), at=at, **options)

    def preview(self, name: str, at: Time = NOW) -> Outcome:
        """Its dry run."""
        return preview_job(self.engine, self.job(name), at=at)

    # --- reading

    @property
    def outbox(self) -> Table:
        """Where messages go: Sexton's own outbox, or the product's when it is mapped."""
        return (self.own.outbox or own_outbox(self.engine.dialect.name)).table

    def messages(self) -> list[str]:
        """Messages in the order they were written, as "event subject"; rows of `event()` left out."""
        return [f"{row.event_type} {_subject(row.payload)}" for row in self.sent() if row.event_type != "order_paid"]

    def sent(self, event: str | None = None) -> list[Any]:
        """Outbox rows in the order they were written; of one event type only."""
        table = self.outbox
        asked = select(table).order_by(table.c.id)
        return self._rows(asked if event is None else asked.where(table.c.event_type == event))

    def effects(self) -> list[str]:
        """Keys on record, sorted."""
        effects = own_tables(self.engine.dialect.name).effects
        return [row.key for row in self._rows(select(effects.c.key).order_by(effects.c.key))]

    def poison(self) -> list[tuple[str, str]]:
        """(step, subject) of the rows that are set aside, sorted."""
        with self.engine.connect() as connection:
            return sorted((row["step"], row["subject"]) for row in set_aside(connection))

    def licences(self) -> dict[int, str]:
        """Status by id."""
        return self.states(self.own.licenses)

    def stores(self) -> dict[int, str]:
        """kyc_status by id."""
        return self.states(self.own.stores, "kyc_status")

    def orders(self) -> dict[int, str]:
        """Status of the vendor orders by id."""
        return self.states(self.own.vendor_orders)

    def parents(self) -> dict[int, str]:
        """Status of the parent orders by id."""
        return self.states(self.own.orders)

    def stock(self) -> dict[int, int]:
        """Reserved pieces by product."""
        return self.states(self.own.inventory, "reserved")

    def files(self) -> list[int]:
        """Ids of the media."""
        return list(self.states(self.own.media, "id"))

    def notifications(self) -> list[int]:
        """Ids of the notifications."""
        return list(self.states(self.own.notifications, "id"))

    def attached(self) -> list[tuple[int, str, int]]:
        """(file, kind, number) of the attachments, sorted."""
        table = self.own.media_attachments
        return sorted(
            tuple(row) for row in self._rows(select(table.c.media_id, table.c.entity_type, table.c.entity_id))
        )

    def states(self, table: Table, column: str = "status") -> dict[int, Any]:
        """One column of a table, by id, in the order of the ids."""
        key = key_of(table)
        return {row[0]: row[1] for row in self._rows(select(key, table.c[column].label("value")).order_by(key))}

    def dump(self, *, also_own: bool = True) -> dict[str, list[str]]:
        """Every row of every table as text; with Sexton's own tables unless said otherwise."""
        every = list(self.own.metadata.sorted_tables)
        if also_own:
            every += own_tables(self.engine.dialect.name).metadata.sorted_tables
        return {table.fullname: sorted(map(str, self._rows(select(table)))) for table in every}

    def _rows(self, asked: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(asked))

    def _add(self, table: Table, **row: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(table).values(row))


def key_of(table: Table) -> Column[Any]:
    """The one column of a table's primary key."""
    (key,) = table.primary_key.columns
    return key


def open_market(engine: Engine, *, schema: str | None = None, **options: Any) -> Market:
    """Create the tables on `engine`, as `options` of the pack name them. schema: one to create first."""
    chosen = Options(**options)
    own = tables(chosen)
    if schema is not None:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    own.metadata.create_all(engine, checkfirst=False)
    return Market(engine, chosen, own)


def _subject(payload: Mapping[str, Any]) -> str:
    """What a message is about: a licence, "<vendor order> buyer", a stored file."""
    for name in ("license_id", "vendor_order_id", "storage_key"):
        if name in payload:
            return " ".join(str(payload[part]) for part in (name, "for") if part in payload)
    return "?"
