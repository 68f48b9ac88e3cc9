"""What the product's own code does with a business's tokens: store them after an authorisation, read them, re-encrypt.

with engine.begin() as connection:
    save_tokens(connection, options, business_id, TokenPair(access, refresh, seconds=3600))
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from sexton import Counts, PolicyError, Run, ask_now

from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .sealing import Sealer, Unreadable, sealed_columns, sealer
from .shaam import TokenPair
from .tables import InvoicingTables, invoicing_tables
from .tokens import fresh

SEALED_AT_ONCE = 200
"""Rows that one transaction encrypts anew."""


def save_tokens(connection: Connection, options: InvoicingOptions, business_id: object, tokens: TokenPair) -> None:
    """Store what an owner's authorisation has brought, in the caller's transaction, in place of what was there.

    The row is `active` again, and is renewed by the job from then on.  PolicyError without `token_keys`.
    """
    own = invoicing_tables(options)
    table, at = own.credentials, ask_now(connection)
    values = sealed_columns(required(options), tokens.access, tokens.refresh) | fresh(own, tokens, at)
    changed = update(table).where(table.c.business_id == business_id).values(values)
    if connection.execute(changed).rowcount == 0:
        connection.execute(insert(table).values({**values, "business_id": business_id, "generation": 1}))


def access_token(
    connection: Connection, options: InvoicingOptions, business_id: object, *, at: datetime | None = None
) -> str | None:
    """The token with which SHAAM is called for a business; None: it has none that is good.

    at: when; the database's time by default.
    PolicyError without `token_keys`, or without the key that encrypted it.
    """
    credentials = invoicing_tables(options).credentials.c
    asked = select(credentials.access_token).where(
        credentials.business_id == business_id, credentials.token_expires_at > (at or ask_now(connection))
    )
    sealed = connection.execute(asked).scalar_one_or_none()
    try:
        return None if sealed is None else required(options).open(sealed)
    except Unreadable:
        raise PolicyError("pack.invoicing: the key that encrypted a token is not among token_keys") from None


def required(options: InvoicingOptions) -> Sealer:
    """The keys. PolicyError when there are none."""
    if (found := sealer(options)) is None:
        raise PolicyError("pack.invoicing: token_keys is not set")
    return found


def rotation(options: InvoicingOptions) -> Callable[[Run], Counts]:
    """The work of `invoicing.rotate_keys`: what an older key encrypted is encrypted by the newest one.

    A row that no key can read is counted, and left as it is. A renewal under way is not disturbed: it goes by the hash
    of its token, which stays.
    """
    own = invoicing_tables(options)

    def rotate_keys(run: Run) -> Counts:
        seal = required(options)
        whole, last = Counts(), 0
        while True:
            with run.transaction() as connection:
                rows = _older(connection, own, seal, last, lock=not run.dry_run)
                for row in rows:
                    _again(connection, own, seal, row, whole, write=not run.dry_run)
            if not rows:
                return whole
            last = rows[-1].id

    return rotate_keys


def _older(connection: Connection, own: InvoicingTables, seal: Sealer, after: int, *, lock: bool) -> list[Any]:
    credentials = own.credentials.c
    asked = select(credentials.id, credentials.access_token, credentials.refresh_token).where(
        credentials.token_key != seal.newest, credentials.id > after
    )
    asked = asked.order_by(credentials.id).limit(SEALED_AT_ONCE)
    return list(connection.execute(asked.with_for_update() if lock else asked))


def _again(connection: Connection, own: InvoicingTables, seal: Sealer, row: Any, whole: Counts, *, write: bool) -> None:
    whole.picked += 1
    try:
        values = sealed_columns(seal, seal.open(row.access_token), seal.open(row.refresh_token))
    except Unreadable:
        INVOICING_LOG.error("credentials %s: none of token_keys decrypts its tokens", row.id)
        whole.poison += 1
        return
    whole.changed += 1
    if write:
        table = own.credentials
        connection.execute(update(table).where(table.c.id == row.id).values(values))
