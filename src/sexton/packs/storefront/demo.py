"""`sexton demo storefront`: the shop, its gateway and its mail; afterwards what customers and the admin have read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, insert, select, text

from sexton import Demonstration, own_outbox

from ..demo_services import DemoMail, DemoMailbox, serving
from .demo_gateway import DemoGateway
from .demo_rows import shop_rows
from .options import StorefrontOptions
from .payments import CAPTURED, PAYMENT_REFUND_DUE
from .stock import PENDING
from .tables import StorefrontTables, storefront_tables

ADMIN = "owner@shop.example.org"
CHART_WIDTH = 32
SHOWN_MAILS = ("confirmed", "cancelled", "has to go back", "Low on stock", "Sales until")
"""Of the mails with one of these in subject or text, the first is shown; of the last, the last."""


def demonstration() -> Demonstration:
    """A shop of its own for each."""
    shop = _Shop()
    return Demonstration(
        shop.seed, "inventory_locks", services=shop.services, also=("sexton.deliver",), story=shop.story
    )


class _Shop:
    """The shop's tables, and what stands outside."""

    def __init__(self) -> None:
        self._gateway, self._mailbox = DemoGateway(), DemoMailbox()
        self._own: StorefrontTables = storefront_tables(StorefrontOptions())
        self._zone = ZoneInfo(StorefrontOptions().timezone)
        self._holds = 0

    @contextmanager
    def services(self) -> Iterator[Mapping[str, Any]]:
        """Gateway and mailbox on loopback, and the settings that lead there."""
        with serving(self._gateway.answer, self._mailbox) as (url, port):
            yield {
                "pack": {
                    "storefront": {
                        "gateway_url": url,
                        "gateway_key": "demonstration",
                        "gateway_secret": "demonstration",
                        "admin": ADMIN,
                        "mail": True,
                    }
                },
                "channel": {
                    "email": {
                        "host": "127.0.0.1",
                        "port": port,
                        "security": "none",
                        "sender": "shop@shop.example.org",
                        "sender_name": "The shop",
                    }
                },
            }

    def seed(self, engine: Engine, now: datetime, scale: int) -> dict[str, int]:
        """Create the tables and rows; rows by table."""
        rows = shop_rows(self._own, self._gateway, now, scale)
        with engine.begin() as connection:
            self._own.metadata.create_all(connection)
            for table, values in rows.items():
                connection.execute(insert(table), values)
            if engine.dialect.name == "postgresql":
                # The rows came with their numbers: those that follow must be others.
                number = "SELECT setval(pg_get_serial_sequence('notifications', 'id'), 1000000)"
                connection.execute(text(number))
        self._holds = len(rows[self._own.inventory_locks])
        return {table.name: len(values) for table, values in rows.items()}

    def story(self, engine: Engine) -> Iterator[str]:
        """What there is to see."""
        with engine.connect() as connection:
            yield from self._money(connection)
            yield from self._stock(connection)
            yield from self._sales(connection)
        yield from self._letters()

    def _money(self, connection: Connection) -> Iterator[str]:
        payments = self._own.payments.c
        states = Counter(connection.execute(select(payments.status)).scalars())
        yield "Payments of which no webhook had told, asked about at the gateway:"
        yield f"  {states[CAPTURED]:>3} confirmed late, each order and its stock in one transaction"
        outbox = own_outbox(connection.dialect.name)
        back = select(func.count()).select_from(outbox.table).where(outbox.event_type == PAYMENT_REFUND_DUE)
        number = int(connection.execute(back).scalar_one())
        yield f"  {number:>3} have to go back: the order was cancelled, is sold out, or was paid already"
        yield f"  {states[PENDING]:>3} asked about again: failed for now, an answer that was lost, another amount"
        yield ""

    def _stock(self, connection: Connection) -> Iterator[str]:
        left = int(connection.execute(select(func.count()).select_from(self._own.inventory_locks)).scalar_one())
        yield f"Holds on stock: of {self._holds} the shop has {self._holds - left} back; {left} are still good."
        yield ""

    def _sales(self, connection: Connection) -> Iterator[str]:
        sales = self._own.sales_summary.c
        rows = connection.execute(select(self._own.sales_summary).order_by(sales.window_end, sales.currency)).all()
        most = max((row.revenue for row in rows if row.currency == "INR"), default=1)
        yield "Sales, each day from 18:00 to 18:00 in India:"
        for row in rows:
            day = f"{row.window_end.astimezone(self._zone):%a %d %b}"
            bar = "█" * max(round(row.revenue / most * CHART_WIDTH), 1) if row.currency == "INR" else ""
            money = f"{row.revenue / 100:>12,.2f} {row.currency}"
            orders = f"{row.orders:>3} order{' ' if row.orders == 1 else 's'}"
            yield f"  {day if bar else '':<10} {money} {orders}  {bar}".rstrip()
        yield ""

    def _letters(self) -> Iterator[str]:
        mails = self._mailbox.mails
        chosen: list[DemoMail] = []
        for words in SHOWN_MAILS:
            fitting = [mail for mail in mails if words in f"{mail.subject} {' '.join(mail.lines)}"]
            # Mails arrive in any order; the same one is shown each time.
            chosen += fitting[-1:] if words.startswith("Sales") else sorted(fitting, key=lambda mail: mail.subject)[:1]
        yield f"{len(mails)} mails arrived at a server on this machine; some of them:"
        for mail in dict.fromkeys(map(id, chosen)):
            shown = next(one for one in chosen if id(one) == mail)
            yield ""
            yield f"  To:      {shown.to}"
            yield f"  Subject: {shown.subject}"
            yield from (f"    {line}".rstrip() for line in shown.lines)
