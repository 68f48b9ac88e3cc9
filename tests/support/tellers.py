"""Tellers: processes that do random things with a bank, and run its jobs, until they are done or killed.

    start(tell, url, seed, first, deeds)

Time is made up: deed number n is at BEGIN and n times STEP. A line is written after each deed.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from sexton import SextonError
from sexton.db.connect import open_database
from sexton.runs.context import Limits

from .accounts import Bank, open_bank
from .market import at
from .patience import PATIENCE
from .waiters import wait_for_writers

BEGIN, STEP = at("2026-06-15"), timedelta(minutes=3)
SHORT = Limits(lease=2.0, renew=0.6, rows=5, lock_wait=PATIENCE)
"""A run that is killed leaves its lease for two seconds; its job is left out by the others meanwhile."""

ACCOUNTS = (1, 2, 3, 4, 5, 6)
DEEDS = {"grant": 12, "open": 32, "complete": 22, "cancel": 8, "refund": 10, "operations": 1, "lots": 1}
"""What is done, and how often."""

RECENT = 60
"""Operations among which one is chosen."""


def time_of(deed: int) -> datetime:
    """When it is done."""
    return BEGIN + deed * STEP


@dataclass
class Teller:
    """One of them."""

    bank: Bank
    chance: random.Random

    def do(self, deed: int) -> None:
        """One deed at its time; what the ledger refuses is refused."""
        kind = self.chance.choices(list(DEEDS), list(DEEDS.values()))[0]
        when = time_of(deed)
        with suppress(SextonError):
            if kind in ("operations", "lots"):
                self.bank.run(kind, at=when, limits=SHORT)
            else:
                with self.bank.engine.begin() as connection:
                    getattr(self, f"_{kind}")(connection, when)

    def _grant(self, connection: Connection, when: datetime) -> None:
        until = self.chance.choice([None, when + self.chance.randint(1, 40) * 10 * STEP])
        account, amount = self.chance.choice(ACCOUNTS), self.chance.randint(1, 300)
        self.bank.ledger.grant(connection, account, amount, expires_at=until, at=when)

    def _open(self, connection: Connection, when: datetime) -> None:
        until = when + self.chance.randint(1, 60) * STEP
        account, amount = self.chance.choice(ACCOUNTS), self.chance.randint(1, 150)
        self.bank.ledger.open_operation(connection, account, amount, expires_at=until, at=when)

    def _complete(self, connection: Connection, when: datetime) -> None:
        if chosen := self._chosen(connection, "open"):
            self.bank.ledger.complete(connection, chosen, at=when)

    def _cancel(self, connection: Connection, when: datetime) -> None:
        if chosen := self._chosen(connection, "open"):
            self.bank.ledger.cancel(connection, chosen, at=when)

    def _refund(self, connection: Connection, when: datetime) -> None:
        if chosen := self._chosen(connection, "completed"):
            self.bank.ledger.refund(connection, chosen, self.chance.choice([None, 1, 5, 20]), at=when)

    def _chosen(self, connection: Connection, status: str) -> int | None:
        operations = self.bank.own.operations.c
        newest = select(func.max(operations.id)).scalar_subquery()
        recent = select(operations.id).where(operations.status == status, operations.id > newest - RECENT)
        found = connection.execute(recent.order_by(operations.id)).scalars().all()
        return self.chance.choice(found) if found else None


def tell(url: str, seed: str, first: int, deeds: int) -> None:
    """The life of a process: so many deeds, with a line after each."""
    engine = open_database(url)
    if engine.dialect.name == "sqlite":
        wait_for_writers(engine)
    teller = Teller(open_bank(engine, make=False), random.Random(seed))
    for deed in range(first, first + deeds):
        teller.do(deed)
        print(deed, flush=True)
    engine.dispose()
