"""`sexton demo invoicing`: businesses, their invoices, the tax authority and a mailbox; afterwards what owners read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text

from sexton import Demonstration

from ..demo_services import DemoMailbox, serving
from .demo_rows import STORIES, business_rows
from .demo_shaam import DemoShaam
from .drafts import restore_draft
from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .sealing import sealed_columns, sealer
from .tables import invoicing_tables

SHOWN_LETTERS = ("overdue invoices", "SHAAM needs you")
BAR_WIDTH = 30


def demonstration() -> Demonstration:
    """Businesses of its own for each."""
    office = _Office()
    return Demonstration(
        office.seed, "invoices", services=office.services, also=("sexton.deliver",), story=office.story
    )


class _Office:
    """The tables, and what stands outside."""

    def __init__(self) -> None:
        from cryptography.fernet import Fernet

        key = Fernet.generate_key().decode()
        self._options = InvoicingOptions(token_keys=key)
        self._own = invoicing_tables(self._options)
        self._shaam, self._mailbox = DemoShaam(), DemoMailbox()

    @contextmanager
    def services(self) -> Iterator[Mapping[str, Any]]:
        """The authority and the mailbox on loopback, and the settings that lead there."""
        quiet = logging.NullHandler()  # what the jobs log is part of the story
        INVOICING_LOG.addHandler(quiet)
        with serving(self._shaam.answer, self._mailbox) as (url, port):
            yield {
                "pack": {
                    "invoicing": {
                        "token_keys": self._options.token_keys,
                        "shaam_token_url": f"{url}/token",
                        "shaam_client": "demonstration",
                        "shaam_secret": "demonstration",
                        "mail": True,
                    }
                },
                "channel": {
                    "email": {
                        "host": "127.0.0.1",
                        "port": port,
                        "security": "none",
                        "sender": "office@books.example.org",
                        "sender_name": "The office",
                    }
                },
            }
        INVOICING_LOG.removeHandler(quiet)

    def seed(self, engine: Engine, now: datetime, scale: int) -> dict[str, int]:
        """Create the tables and rows; rows by table."""
        seal = sealer(self._options)
        assert seal is not None
        rows = business_rows(self._own, now, self._options.timezone, scale)
        for credentials in rows[self._own.credentials]:
            business = credentials["business_id"]
            self._shaam.grant(business, STORIES.get(business, ""))
            credentials |= sealed_columns(seal, f"access-{business}", f"refresh-{business}-0")
        with engine.begin() as connection:
            self._own.metadata.create_all(connection)
            for table, values in rows.items():
                connection.execute(insert(table), values)
            if engine.dialect.name == "postgresql":
                # The rows came with their numbers: those that follow must be others.
                for name in ("invoices", "invoice_items"):
                    connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 1000000)"))
        return {table.name: len(values) for table, values in rows.items()}

    def story(self, engine: Engine) -> Iterator[str]:
        """What there is to see."""
        with engine.begin() as connection:
            yield from self._overdue(connection)
            yield from self._drafts(connection)
            yield from self._tokens(connection)
        yield from self._letters()

    def _overdue(self, connection: Connection) -> Iterator[str]:
        """By business: how much is overdue."""
        invoices, businesses = self._own.invoices.c, self._own.businesses.c
        late = func.sum(invoices.total_amount - invoices.paid_amount)
        asked = (
            select(businesses.name, func.count().label("number"), late.label("amount"))
            .join_from(self._own.invoices, self._own.businesses, businesses.id == invoices.business_id)
            .where(invoices.is_overdue.is_(True))
            .group_by(businesses.id, businesses.name)
            .order_by(late.desc())
        )
        rows = connection.execute(asked).all()
        most = max((int(row.amount) for row in rows), default=1)
        yield "Overdue by the date in Israel, to be paid:"
        for row in rows:
            bar = "█" * max(round(int(row.amount) / most * BAR_WIDTH), 1)
            yield f"  {row.name:<26} {int(row.amount) / 100:>12,.2f} ILS {row.number:>3}  {bar}"
        yield ""

    def _drafts(self, connection: Connection) -> Iterator[str]:
        deleted = self._own.deleted_drafts.c
        gone = connection.execute(select(deleted.invoice_id).order_by(deleted.invoice_id)).scalars().all()
        yield f"Drafts that nobody had touched for 30 days: {len(gone)} deleted with their items."
        if gone and restore_draft(connection, self._options, gone[0]):
            yield f"One click on “undo”, and draft {gone[0]} is back with all of its items."
        yield ""

    def _tokens(self, connection: Connection) -> Iterator[str]:
        credentials = self._own.credentials.c
        states = Counter(connection.execute(select(credentials.status)).scalars())
        sealed = connection.execute(select(credentials.refresh_token).order_by(credentials.id).limit(1)).scalar_one()
        yield "Tokens of the tax authority, each renewed 20 minutes before its end:"
        yield f"  {self._shaam.renewals:>3} renewed; a renewal makes the token before it worthless"
        yield f"  {states['needs_reauth']:>3} refused: the owner has to authorise anew, and was told so once"
        yield f"  {self._shaam.failures:>3} had no answer, and is tried again in a few minutes"
        yield f"  in the database they look like this: {sealed[:36]}…"
        yield ""

    def _letters(self) -> Iterator[str]:
        letters = self._mailbox.mails
        yield f"{len(letters)} mails arrived at a server on this machine; some of them:"
        for words in SHOWN_LETTERS:
            fitting = sorted((one for one in letters if words in one.subject), key=lambda one: one.subject)
            for letter in fitting[-1:]:
                yield ""
                yield f"  To:      {letter.to}"
                yield f"  Subject: {letter.subject}"
                yield from (f"    {line}".rstrip() for line in letter.lines)
