"""Businesses and their invoices for tests of the invoicing pack: tables on an engine, words to fill and read, its jobs.

    desk.invoice(1, due="2026-06-14", status="sent")
    desk.run("overdue", at="2026-06-15 03:00")
    assert desk.overdue() == [1]

Times are text in UTC, dates as they stand on the invoice. A business that a row needs is made along with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from sexton import Counts, Job, own_outbox
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.packs.invoicing import pack
from sexton.packs.invoicing.options import InvoicingOptions
from sexton.packs.invoicing.sealing import hash_of, sealed_columns, sealer
from sexton.packs.invoicing.tables import InvoicingTables, invoicing_tables
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job

from .market import NOW, Time, at, key_of
from .patience import PATIENCE

INVOICING_JOBS = {
    "overdue": "invoicing.flag_overdue",
    "drafts": "invoicing.clean_drafts",
    "sessions": "invoicing.clean_sessions",
    "tokens": "invoicing.refresh_tokens",
    "keys": "invoicing.rotate_keys",
}

KEY = Fernet.generate_key().decode()
"""A key of this process."""


@dataclass
class Billing:
    """The pack's tables on one engine under the names in `options`."""

    engine: Engine
    options: InvoicingOptions
    own: InvoicingTables
    made: set[tuple[str, Any]] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)

    # --- filling

    def business(self, number: Any, *, email: str | None = "", name: str = "") -> None:
        """A business; its owner is owner<number>@example.org unless said otherwise."""
        self.made.add(("businesses", number))
        row = {"name": name or f"Business {number}", "tax_number": f"51{number}"}
        owner = f"owner{number}@example.org" if email == "" else email
        self._add(self.own.businesses, id=number, owner_email=owner, **row)

    def customer(self, number: Any, *, business: Any = 1, name: str = "", email: str | None = "") -> None:
        """A customer; customer<number>@example.org."""
        self.made.add(("customers", number))
        self._need("businesses", business, self.business)
        address = f"customer{number}@example.org" if email == "" else email
        row = {"name": name or f"Customer {number}", "email": address, "business_id": business}
        self._add(self.own.customers, id=number, **row)

    def invoice(
        self,
        number: Any,
        *,
        business: Any = 1,
        customer: Any = None,
        status: str = "sent",
        due: str | None = None,
        issued: str | None = "2026-05-01",
        total: int = 11_800,
        paid: int = 0,
        vat: int = 1_800,
        currency: str = "ILS",
        flagged: bool = False,
        since: Time | None = None,
        touched: Time = NOW,
        items: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """An invoice with items: description -> (quantity, unit price)."""
        self._need("businesses", business, self.business)
        if customer is not None:
            self._need("customers", customer, lambda one: self.customer(one, business=business))
        row = {"business_id": business, "customer_id": customer, "number": f"N{number}", "status": status, "version": 1}
        row |= {"issue_date": issued and date.fromisoformat(issued), "due_date": due and date.fromisoformat(due)}
        row |= {"currency": currency, "vat_amount": vat, "total_amount": total, "paid_amount": paid}
        row |= {"is_overdue": flagged, "overdue_since": None if since is None else at(since), "updated_at": at(touched)}
        self._add(self.own.invoices, id=number, **row)
        for place, (description, (quantity, price)) in enumerate((items or {}).items()):
            item = {"invoice_id": number, "description": description, "quantity": quantity, "unit_price": price}
            self._add(self.own.invoice_items, id=f"{number}-{place}" if self.options.ids == "text" else None, **item)

    def session(self, number: str, *, expires: Time) -> None:
        """A session."""
        self._add(self.own.sessions, id=number, user_id="7", expires_at=at(expires))

    def tokens(self, business: Any, *, expires: Time, refresh: str = "", status: str = "active", **more: Any) -> None:
        """Credentials; the refresh token is refresh-<business>-0 unless said otherwise."""
        self._need("businesses", business, self.business)
        seal = sealer(self.options)
        assert seal is not None
        sealed = sealed_columns(seal, f"access-{business}-0", refresh or f"refresh-{business}-0")
        row = {"business_id": business, "token_expires_at": at(expires), "status": status, **sealed, **more}
        self._add(self.own.credentials, **row)

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
            job = jobs[INVOICING_JOBS[name]]
            self.jobs[name] = replace(job, work=job.load(), guard=None)
        return self.jobs[name]

    def run(self, name: str, at: Time = NOW, **options: Any) -> Outcome:
        """Run a job of the pack for real at this time; what went wrong with all of it is raised."""
        return run_job(self.engine, self.job(name), at=at, **{"raise_errors": True, **options})

    def ask(self, work: Callable[..., Counts], invoice: Any, at: Time = NOW, **more: Any) -> Outcome:
        """Run the function of a job on demand about one invoice, by the path of every run; what it raises is raised."""
        job = Job("invoicing.asked", work=lambda run: work(run, invoice, **more))
        return run_job(self.engine, job, at=at, raise_errors=True)

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

    def column(self, table: Table, name: str) -> dict[Any, Any]:
        """One column of a table, by id."""
        key = key_of(table)
        return {row[0]: row[1] for row in self.rows(select(key, table.c[name].label("value")).order_by(key))}

    def overdue(self) -> list[Any]:
        """Ids of the invoices that are flagged."""
        return [number for number, flag in self.column(self.own.invoices, "is_overdue").items() if flag]

    def digests(self) -> list[tuple[Any, str, list[str]]]:
        """Business, date and numbers of the invoices of each digest, in order."""
        sent = self.sent("overdue_digest")
        return [
            (row.payload["business_id"], row.payload["date"], [one["number"] for one in row.payload["invoices"]])
            for row in sent
        ]

    def refresh_token(self, business: Any) -> str:
        """The refresh token that is stored for a business, decrypted."""
        seal, credentials = sealer(self.options), self.own.credentials.c
        assert seal is not None
        (row,) = self.rows(
            select(credentials.refresh_token, credentials.refresh_token_hash).where(credentials.business_id == business)
        )
        token = seal.open(row.refresh_token)
        assert row.refresh_token_hash == hash_of(token)
        return token

    def credentials(self, name: str) -> dict[Any, Any]:
        """One column of the credentials, by business."""
        credentials = self.own.credentials.c
        asked = select(credentials.business_id, credentials[name].label("value")).order_by(credentials.business_id)
        return {row[0]: row[1] for row in self.rows(asked)}

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table as text, Sexton's own among them."""
        every = [*self.own.metadata.sorted_tables, *own_tables(self.engine.dialect.name).metadata.sorted_tables]
        return {table.fullname: sorted(map(str, self.rows(select(table)))) for table in every}

    def rows(self, asked: Any) -> list[Any]:
        """What a query gives."""
        with self.engine.connect() as connection:
            return list(connection.execute(asked))

    def _need(self, name: str, number: Any, make: Any) -> None:
        table = self.own.metadata.tables.get(name)
        known = (name, number) in self.made or (table is not None and number in self.ids(table))
        if not known:
            make(number)

    def _add(self, table: Table, **row: Any) -> None:
        given = {name: value for name, value in row.items() if name != "id" or value is not None}
        with self.engine.begin() as connection:
            connection.execute(insert(table).values(given))


@contextmanager
def beside(desk: Billing) -> Iterator[Connection]:
    """A second transaction; rolled back at the end unless it was committed."""
    engine = open_database(desk.engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE:.0f}s'")
            yield connection
    finally:
        engine.dispose()


def open_billing(engine: Engine, **options: Any) -> Billing:
    """Create the tables on `engine`, as `options` of the pack name them; there is a key for tokens."""
    named = {"token_keys": KEY, "shaam_client": "billing", "shaam_secret": "qXcanaryX7", **options}
    chosen = InvoicingOptions(**named)
    own = invoicing_tables(chosen)
    own.metadata.create_all(engine, checkfirst=False)
    return Billing(engine, chosen, own)


def days(number: int, start: str = "2026-06-15") -> str:
    """A date so many days from `start`."""
    return f"{date.fromisoformat(start) + timedelta(days=number)}"
