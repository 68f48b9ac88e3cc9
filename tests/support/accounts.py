"""A bank for tests of the ledger pack: its tables on an engine, short words to fill and read them, its jobs.

    lot = bank.lot(500, expires="2026-06-15 12:00")
    bank.run("lots", at="2026-06-15 12:01")
    assert bank.left() == {lot: 0}

Times are text in UTC. There is one account, 1, unless another is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, Table, func, insert, select, text

from sexton import Job, own_outbox
from sexton.db.tables import own_tables
from sexton.packs.ledger import pack
from sexton.packs.ledger.books import Violation, audit
from sexton.packs.ledger.options import LedgerOptions
from sexton.packs.ledger.spending import Ledger
from sexton.packs.ledger.tables import LedgerTables
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job

from .market import Time, at

LEDGER_JOBS = {
    "operations": "ledger.ops_cleanup",
    "lots": "ledger.expire_lots",
    "keys": "ledger.idempotency_cleanup",
}
BEGIN = "2026-06-01"
"""When lots are given, unless said otherwise."""

REFUSE_CHANGES = """
CREATE FUNCTION unchangeable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'no entry is changed';
END $$
"""


@dataclass
class Bank:
    """The pack's tables on one engine under the names in `options`."""

    engine: Engine
    options: LedgerOptions
    ledger: Ledger
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def own(self) -> LedgerTables:
        """The tables."""
        return self.ledger.own

    # --- what the product does, each in a transaction of its own

    def lot(self, amount: int, *, expires: Time | None = None, given: Time = BEGIN, account: Any = 1) -> int:
        """A lot with so much in it."""
        with self.engine.begin() as connection:
            until = None if expires is None else at(expires)
            return self.ledger.grant(connection, account, amount, expires_at=until, at=at(given))

    def open(self, amount: int, *, when: Time, expires: Time | None = None, account: Any = 1) -> int:
        """An operation that holds so much."""
        with self.engine.begin() as connection:
            until = None if expires is None else at(expires)
            return self.ledger.open_operation(connection, account, amount, expires_at=until, at=at(when))

    def complete(self, operation: int, *, when: Time) -> None:
        """Spend what it holds."""
        with self.engine.begin() as connection:
            self.ledger.complete(connection, operation, at=at(when))

    def spend(self, amount: int, *, when: Time, account: Any = 1) -> int:
        """Both."""
        operation = self.open(amount, when=when, account=account)
        self.complete(operation, when=when)
        return operation

    def cancel(self, operation: int, *, when: Time) -> None:
        """Give back what it holds."""
        with self.engine.begin() as connection:
            self.ledger.cancel(connection, operation, at=at(when))

    def refund(self, operation: int, amount: int | None = None, *, when: Time) -> list[int]:
        """Give back what it took."""
        with self.engine.begin() as connection:
            return self.ledger.refund(connection, operation, amount, at=at(when))

    def key(self, name: str, status: str, *, locked: Time = BEGIN, finished: Time | None = None) -> None:
        """An idempotency key."""
        over = None if finished is None else at(finished)
        self.add(self.own.idempotency_keys, key=name, status=status, locked_at=at(locked), finished_at=over)

    def add(self, table: Table, **row: Any) -> None:
        """A row, by whomever."""
        with self.engine.begin() as connection:
            connection.execute(insert(table).values(row))

    # --- running

    def job(self, name: str) -> Job:
        """One of the pack's jobs by its short name; built once, and without its guard: all rows are due here."""
        if name not in self.jobs:
            jobs = {job.name: job for job in pack.jobs(self.options, self.engine.dialect.name)}
            job = jobs[LEDGER_JOBS[name]]
            self.jobs[name] = replace(job, work=job.load(), guard=None)
        return self.jobs[name]

    def run(self, name: str, at: Time, **options: Any) -> Outcome:
        """Run a job of the pack for real at this time."""
        return run_job(self.engine, self.job(name), at=at, **options)

    def preview(self, name: str, at: Time) -> Outcome:
        """Its dry run."""
        return preview_job(self.engine, self.job(name), at=at)

    # --- reading

    def left(self) -> dict[int, int]:
        """What is left, by lot: the sum of its entries."""
        entries = self.own.entries.c
        sums = select(entries.lot_id, func.sum(entries.amount)).group_by(entries.lot_id).order_by(entries.lot_id)
        return {lot: int(amount) for lot, amount in self.rows(sums)}

    def entries(self, *types: str) -> list[tuple[int, str, int]]:
        """(lot, type, amount) in the order of writing; those of some types only."""
        entries = self.own.entries.c
        asked = select(entries.lot_id, entries.type, entries.amount).order_by(entries.id)
        return [tuple(row) for row in self.rows(asked.where(entries.type.in_(types)) if types else asked)]

    def operations(self) -> dict[int, str]:
        """Status by id."""
        operations = self.own.operations.c
        return {row[0]: row[1] for row in self.rows(select(operations.id, operations.status).order_by(operations.id))}

    def keys(self) -> list[str]:
        """Idempotency keys, sorted."""
        key = self.own.idempotency_keys.c.key
        return [row[0] for row in self.rows(select(key).order_by(key))]

    def balance(self, account: Any = 1, *, when: Time) -> int:
        """What the account can spend."""
        with self.engine.connect() as connection:
            return self.ledger.balance(connection, account, at=at(when))

    def violations(self) -> list[Violation]:
        """What the audit finds."""
        with self.engine.connect() as connection:
            return audit(connection, self.options)

    def sent(self, event: str) -> list[Any]:
        """Outbox rows of an event, in the order they were written."""
        table = (self.own.outbox or own_outbox(self.engine.dialect.name)).table
        return self.rows(select(table).where(table.c.event_type == event).order_by(table.c.id))

    def poison(self) -> list[str]:
        """Subjects of rows that are set aside."""
        return [row.subject for row in self.rows(select(own_tables(self.engine.dialect.name).poison))]

    def rows(self, asked: Any) -> list[Any]:
        """What a query gives."""
        with self.engine.connect() as connection:
            return list(connection.execute(asked))


def open_bank(engine: Engine, *, make: bool = True, **options: Any) -> Bank:
    """Create the tables on `engine`, as `options` of the pack name them. make: False where they are there already.

    From then on the database itself refuses to change or delete an entry.
    """
    chosen = LedgerOptions(**options)
    bank = Bank(engine, chosen, Ledger(chosen))
    if make:
        bank.own.metadata.create_all(engine, checkfirst=False)
        with engine.begin() as connection:
            for statement in _refusals(engine.dialect.name, bank.own.entries.fullname):
                connection.execute(text(statement))
    return bank


def _refusals(dialect: str, entries: str) -> list[str]:
    """Triggers: an entry stays as it was written."""
    if dialect == "postgresql":
        when = f"BEFORE UPDATE OR DELETE ON {entries} FOR EACH ROW"
        return [REFUSE_CHANGES, f"CREATE TRIGGER unchangeable {when} EXECUTE FUNCTION unchangeable()"]
    return [
        f"CREATE TRIGGER no_{event} BEFORE {event} ON {entries} BEGIN SELECT RAISE(ABORT, 'no entry is changed'); END"
        for event in ("UPDATE", "DELETE")
    ]
