"""A shop for tests of the storefront pack: its tables on an engine, short words to fill and read them, its jobs.

    shop.hold(1, product=7, expires="2026-06-15 03:59")
    shop.run("holds", at="2026-06-15 04:00")
    assert shop.holds() == []

Times are text in UTC. A user, product or order that a row needs is made along with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, Table, delete, insert, select, update

from sexton import Job, own_outbox
from sexton.db.tables import own_tables
from sexton.packs.storefront import pack
from sexton.packs.storefront.options import StorefrontOptions
from sexton.packs.storefront.tables import StorefrontTables, storefront_tables
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job

from .market import NOW, Time, at, key_of

STOREFRONT_JOBS = {
    "holds": "storefront.release_stale_holds",
    "payments": "storefront.check_payments",
    "low stock": "storefront.check_low_stock",
    "resets": "storefront.purge_password_resets",
    "sales": "storefront.sales_summary",
    "notifications": "storefront.purge_notifications",
    "users": "storefront.purge_unverified_users",
}


@dataclass
class Storefront:
    """The pack's tables on one engine under the names in `options`."""

    engine: Engine
    options: StorefrontOptions
    own: StorefrontTables
    made: set[tuple[str, Any]] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)

    # --- filling

    def user(
        self, number: Any, *, verified: bool = True, created: Time = "2026-01-01", sent: Time | None = None
    ) -> None:
        """An account; its address is user<number>@example.org."""
        self.made.add(("users", number))
        row = {"email": f"user{number}@example.org", "name": f"User {number}", "is_verified": verified}
        row |= {"verification_sent_at": None if sent is None else at(sent), "created_at": at(created)}
        self._add(self.own.users, id=number, **row)

    def product(self, number: Any, *, stock: int = 100, active: bool = True) -> None:
        """A product."""
        self.made.add(("products", number))
        self._add(self.own.products, id=number, name=f"Product {number}", stock=stock, is_active=active)

    def order(
        self,
        number: Any,
        *,
        user: Any = 1,
        status: str = "PENDING",
        total: int = 1000,
        currency: str = "INR",
        created: Time = NOW,
        items: Mapping[Any, int] | None = None,
        tracking: str | None = None,
    ) -> None:
        """An order with items (product -> pieces)."""
        self._need(self.own.users, user, self.user)
        self.made.add(("orders", number))
        row = {"order_number": f"N{number}", "user_id": user, "status": status, "total_amount": total}
        row |= {"currency": currency, "tracking_number": tracking, "created_at": at(created)}
        self._add(self.own.orders, id=number, **row)
        for place, (product, pieces) in enumerate((items or {}).items()):
            self._need(self.own.products, product, self.product)
            key = {"number": {}, "text": {"id": f"{number}-{place}"}}.get(self.options.ids, {"id": str(uuid4())})
            self._add(self.own.order_items, order_id=number, product_id=product, quantity=pieces, **key)

    def hold(self, number: Any, *, product: Any, expires: Time, pieces: int = 1, order: Any = None) -> None:
        """A hold on stock, of a cart or of an order."""
        self._need(self.own.products, product, self.product)
        if order is not None:
            self._need(self.own.orders, order, self.order)
        row = {"product_id": product, "order_id": order, "quantity": pieces, "expires_at": at(expires)}
        self._add(self.own.inventory_locks, id=number, **row)

    def payment(
        self,
        number: Any,
        *,
        order: Any = None,
        status: str = "PENDING",
        created: Time = NOW,
        amount: int = 1000,
        currency: str = "INR",
        gateway: str | None = "",
        transaction: str | None = None,
    ) -> None:
        """A payment for the order of the same number unless said otherwise; at the gateway it is order_<number>."""
        order = number if order is None else order
        self._need(self.own.orders, order, self.order)
        row = {"order_id": order, "status": status, "amount": amount, "currency": currency, "created_at": at(created)}
        row |= {"gateway_order_id": f"order_{number}" if gateway == "" else gateway, "transaction_id": transaction}
        self._add(self.own.payments, id=number, **row)

    def notification(self, number: Any, *, created: Time, read: bool = True, user: Any = 1) -> None:
        """A notification."""
        self._need(self.own.users, user, self.user)
        row = {"user_id": user, "type": "ORDER_PLACED", "title": "", "message": "", "metadata": {}, "is_read": read}
        self._add(self.own.notifications, id=number, created_at=at(created), **row)

    def reset(self, number: Any, *, expires: Time, used: Time | None = None, user: Any = 1) -> None:
        """A password reset."""
        self._need(self.own.users, user, self.user)
        row = {"user_id": user, "expires_at": at(expires), "used_at": None if used is None else at(used)}
        self._add(self.own.password_resets, id=number, **row)

    def change(self, table: Table, number: Any, **values: Any) -> None:
        """What somebody else does to one row."""
        with self.engine.begin() as connection:
            connection.execute(update(table).where(key_of(table) == number).values(values))

    def refill(self, rows: Mapping[Table, Sequence[Mapping[str, Any]]]) -> None:
        """Empty all tables, with what is on record, written or set aside, and insert these rows."""
        ours = own_tables(self.engine.dialect.name)
        every = [*reversed(ours.metadata.sorted_tables), *reversed(self.own.metadata.sorted_tables)]
        kept = {"versions", "identity"}
        with self.engine.begin() as connection:
            for table in every:
                if table.name.removeprefix("sexton_") not in kept:
                    connection.execute(delete(table))
            for table, values in rows.items():
                if values:
                    connection.execute(insert(table), list(values))

    # --- running

    def job(self, name: str) -> Job:
        """One of the pack's jobs by its short name; built once, and without its guard: all rows are due here."""
        if name not in self.jobs:
            jobs = {job.name: job for job in pack.jobs(self.options, self.engine.dialect.name)}
            job = jobs[STOREFRONT_JOBS[name]]
            self.jobs[name] = replace(job, work=job.load(), guard=None)
        return self.jobs[name]

    def run(self, name: str, at: Time = NOW, **options: Any) -> Outcome:
        """Run a job of the pack for real at this time; what went wrong with all of it is raised."""
        return run_job(self.engine, self.job(name), at=at, **{"raise_errors": True, **options})

    def preview(self, name: str, at: Time = NOW) -> Outcome:
        """Its dry run."""
        return preview_job(self.engine, self.job(name), at=at)

    # --- reading

    def sent(self, event: str | None = None) -> list[Any]:
        """Outbox rows in the order they were written; of one event type only."""
        table = (self.own.outbox or own_outbox(self.engine.dialect.name)).table
        asked = select(table).order_by(table.c.id)
        return self.rows(asked if event is None else asked.where(table.c.event_type == event))

    def effects(self) -> list[str]:
        """Keys on record, sorted."""
        effects = own_tables(self.engine.dialect.name).effects
        return [row.key for row in self.rows(select(effects.c.key).order_by(effects.c.key))]

    def ids(self, table: Table) -> list[Any]:
        """Keys of the rows of a table, in order."""
        key = key_of(table)
        return [row[0] for row in self.rows(select(key).order_by(key))]

    def holds(self) -> list[Any]:
        """Ids of the holds."""
        return self.ids(self.own.inventory_locks)

    def column(self, table: Table, name: str) -> dict[Any, Any]:
        """One column of a table, by id."""
        key = key_of(table)
        return {row[0]: row[1] for row in self.rows(select(key, table.c[name].label("value")).order_by(key))}

    def stock(self) -> dict[Any, int]:
        """Pieces by product."""
        return self.column(self.own.products, "stock")

    def orders(self) -> dict[Any, str]:
        """Status of the orders."""
        return self.column(self.own.orders, "status")

    def payments(self) -> dict[Any, str]:
        """Status of the payments."""
        return self.column(self.own.payments, "status")

    def notices(self) -> list[Any]:
        """Rows of notifications, oldest first."""
        table = self.own.notifications
        return self.rows(select(table).order_by(table.c.created_at, table.c.id))

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table as text, Sexton's own among them."""
        every = [*self.own.metadata.sorted_tables, *own_tables(self.engine.dialect.name).metadata.sorted_tables]
        return {table.fullname: sorted(map(str, self.rows(select(table)))) for table in every}

    def rows(self, asked: Any) -> list[Any]:
        """What a query gives."""
        with self.engine.connect() as connection:
            return list(connection.execute(asked))

    def _need(self, table: Table, number: Any, make: Any) -> None:
        if (table.name, number) not in self.made and number not in self.ids(table):
            make(number)

    def _add(self, table: Table, **row: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(table).values(row))


def open_storefront(engine: Engine, **options: Any) -> Storefront:
    """Create the tables on `engine`, as `options` of the pack name them; the gateway has a key unless they say so."""
    chosen = StorefrontOptions(**{"gateway_key": "key", "gateway_secret": "secret", **options})
    own = storefront_tables(chosen)
    own.metadata.create_all(engine, checkfirst=False)
    return Storefront(engine, chosen, own)
