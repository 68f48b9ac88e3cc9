"""`sexton demo ledger`: accounts, what they were given, spent and left lying; afterwards where it all went.

The rows are written by the calls that a product makes (`spending.Ledger`), from a fixed seed, at times around now.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select

from sexton import Demonstration

from .books import RULES, audit
from .options import LedgerOptions
from .retention import stuck
from .spending import Ledger, NotEnough
from .tables import COMPLETED, EXPIRY, HOLD, KEY_FAILED, KEY_IN_PROGRESS, OPEN_OPERATION

ONE_HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
ACCOUNTS, KEYS = 40, 240
SHARE_WIDTH = 36
SHOWN_ENTRIES = 9


def demonstration() -> Demonstration:
    """A ledger of its own for each."""
    shown = _Books()
    return Demonstration(shown.seed, "lots", story=shown.story)


class _Books:
    """The ledger of some merchants, who give their customers points."""

    def __init__(self) -> None:
        self._ledger = Ledger(LedgerOptions())
        self._own = self._ledger.own

    def seed(self, engine: Engine, now: datetime, scale: int) -> dict[str, int]:
        """Create the tables and rows; rows by table."""
        random = Random(13)
        with engine.begin() as connection:
            self._own.metadata.create_all(connection)
            for account in range(1, ACCOUNTS * scale + 1):
                self._live(connection, random, account, now)
            connection.execute(insert(self._own.idempotency_keys), _keys(random, now, KEYS * scale))
            tables = self._own.metadata.tables.values()
            return {table.name: _count(connection, table) for table in tables}

    def _live(self, connection: Connection, random: Random, account: int, now: datetime) -> None:
        """Lots and operations of one account, in the order of time."""
        ledger, begin = self._ledger, now - 20 * ONE_DAY
        for _ in range(random.randint(2, 4)):
            until = random.choice([now - ONE_HOUR * random.randint(1, 40), now + ONE_DAY * random.randint(1, 90), None])
            ledger.grant(connection, account, random.randint(4, 40) * 50, expires_at=until, at=begin)
        for hours in sorted((random.randint(1, 450) for _ in range(random.randint(2, 7))), reverse=True):
            at = now - hours * ONE_HOUR
            try:
                operation = ledger.open_operation(connection, account, random.randint(2, 30) * 10, at=at)
            except NotEnough:
                continue
            if random.random() < 0.75:
                ledger.complete(connection, operation, at=at + timedelta(minutes=2))
            elif random.random() < 0.5:
                ledger.cancel(connection, operation, at=at + timedelta(minutes=3))
        if account % 4 == 0:
            self._leave_open(connection, account, now)
        if account % 5 == 0:
            ledger.grant(connection, account, 500, expires_at=now + ONE_DAY, at=now - ONE_HOUR)
            ledger.open_operation(connection, account, random.randint(5, 40) * 10, at=now - timedelta(minutes=4))

    def _leave_open(self, connection: Connection, account: int, now: datetime) -> None:
        """Opened while a lot was good, which is not any more, and never completed."""
        at = now - 3 * ONE_DAY
        self._ledger.grant(connection, account, 200, expires_at=at + ONE_HOUR, at=at)
        self._ledger.open_operation(connection, account, 120, at=at)

    def story(self, engine: Engine) -> Iterator[str]:
        """What there is to see."""
        with engine.connect() as connection:
            yield from self._whole(connection)
            yield from self._one_lot(connection)
            wrong, entries = audit(connection, self._ledger.options), _count(connection, self._own.entries)
            state = "all of them hold" if not wrong else f"{len(wrong)} are broken"
            yield f"The books: {entries:,} entries, none ever changed; {len(RULES)} rules, {state}."
            lost = stuck(connection, self._ledger.options)
            yield f"Idempotency keys: {lost} are in progress for over an hour: they stay, and are told."

    def _whole(self, connection: Connection) -> Iterator[str]:
        parts = self._parts(connection)
        whole = sum(parts.values())
        yield f"What became of {whole:,} points:"
        for (name, amount), share in zip(parts.items(), _percent(list(parts.values())), strict=True):
            bar = "█" * round(amount / whole * SHARE_WIDTH)
            yield f"  {name:<22} {amount:>9,} {share:>3}%  {bar}".rstrip()
        yield ""

    def _parts(self, connection: Connection) -> dict[str, int]:
        entries = self._own.entries.c
        by_type = select(entries.type, func.sum(entries.amount)).group_by(entries.type)
        sums: dict[str, int] = {kind: int(amount) for kind, amount in connection.execute(by_type)}
        return {
            "spent": self._held_by(connection, COMPLETED),
            "held at this moment": self._held_by(connection, OPEN_OPERATION),
            "written off": -sums.get(EXPIRY, 0),
            "still to be spent": sum(sums.values()),
        }

    def _held_by(self, connection: Connection, status: str) -> int:
        holds, operations = self._own.holds, self._own.operations
        whole = select(func.coalesce(func.sum(holds.c.amount), 0)).join_from(holds, operations)
        return int(connection.execute(whole.where(operations.c.status == status)).scalar_one())

    def _one_lot(self, connection: Connection) -> Iterator[str]:
        """A lot that an operation held past its deadline, entry by entry."""
        entries, lots = self._own.entries.c, self._own.lots.c
        chosen = select(func.min(entries.lot_id)).where(entries.type == EXPIRY, entries.operation_id.is_not(None))
        lot = connection.execute(select(lots.id, lots.expires_at).where(lots.id == chosen.scalar_subquery())).one()
        of_lot = select(self._own.entries).where(entries.lot_id == lot.id).order_by(entries.id)
        rows = connection.execute(of_lot.limit(SHOWN_ENTRIES)).all()
        expired = select(func.min(entries.operation_id)).where(entries.lot_id == lot.id, entries.type == EXPIRY)
        never = connection.execute(expired).scalar_one()
        yield f"Lot {lot.id}, good until {lot.expires_at:%d %b %H:%M}, and operation {never}, which nobody completed:"
        left = 0
        for row in rows:
            left += row.amount
            line = f"{row.created_at:%d %b %H:%M}  {row.type:<8} {row.amount:>+7,}   left {left:>6,}  {_about(row)}"
            yield f"  {line}".rstrip()
        yield ""


def _percent(amounts: list[int]) -> list[int]:
    """The share of each in whole percents, which come to 100: who lost most by rounding down gets what is over."""
    whole = sum(amounts)
    shares = [100 * amount // whole for amount in amounts]
    lost = sorted(range(len(amounts)), key=lambda place: -(100 * amounts[place] % whole))
    for place in lost[: 100 - sum(shares)]:
        shares[place] += 1
    return shares


def _about(row: Any) -> str:
    if row.operation_id is not None:
        return f"operation {row.operation_id}{' holds it' if row.type == HOLD else ''}"
    return "past its time" if row.type == EXPIRY else ""


def _keys(random: Random, now: datetime, count: int) -> list[dict[str, Any]]:
    """Keys of requests of the last weeks; some were never finished."""
    rows = []
    for number in range(1, count + 1):
        locked = now - timedelta(minutes=random.randint(61, 18 * 24 * 60))
        over = number % 40 != 0
        rows.append(
            {
                "key": f"request-{number:05}",
                "status": random.choice([COMPLETED, COMPLETED, KEY_FAILED]) if over else KEY_IN_PROGRESS,
                "locked_at": locked,
                "finished_at": locked + timedelta(seconds=2) if over else None,
            }
        )
    return rows


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
