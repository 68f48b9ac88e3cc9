"""Tokens of SHAAM: renewed before they run out, each once, whoever else renews them (T5.1 to T5.6).

A refresh token is good once: with the answer it is worth nothing, and the new one is all there is. So each row is
claimed and committed before the call; the answer is stored at once, if the refresh token is still the one that was
sent; and a refusal counts only if it still is: else somebody else has renewed it meanwhile, and all is well.

    new tokens       stored, encrypted; state `active`
    invalid_grant    state `needs_reauth`, and the owner hears of it once; not called for until it is authorised anew
    5xx, no answer   tried again after a few minutes; expired and failed three times: `failing`, and the owner hears
    SHAAM is down    it rests as a whole, and no row loses an attempt
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from sexton import (
    Again,
    Attempt,
    Call,
    CallColumns,
    CallOutcome,
    Done,
    Down,
    Policy,
    ahead,
    effect_key,
    now,
    tell,
    text_key,
)

from .digest import plain
from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .sealing import Sealer, Unreadable, sealed_columns, sealer
from .shaam import GrantRefused, ShaamClient, TokenPair, client_of, unanswered
from .tables import ACTIVE, FAILING, NEEDS_REAUTH, InvoicingTables, invoicing_tables

JOB = "invoicing.refresh_tokens"
REAUTHORISE = "shaam_needs_authorisation"
RENEWAL_FAILS = "shaam_renewal_fails"
FAILURES_UNTIL_TOLD = 3
"""So often a token that has expired must have failed to be renewed before its owner hears of it."""


def steps(options: InvoicingOptions) -> list[Policy]:
    """The work of `invoicing.refresh_tokens`."""
    own = invoicing_tables(options)
    credentials = own.credentials.c
    return [
        Call(
            own.credentials,
            by=credentials.token_expires_at,
            call=renewer(options, client_of(options), sealer(options)),
            key=text_key("shaam_token", credentials.id, credentials.generation),
            when=and_(
                credentials.status.in_([ACTIVE, FAILING]),
                credentials.token_expires_at < ahead(options.token_lead),
                # One whose life is shorter than the lead is due again, but not twice in one run.
                or_(credentials.refreshed_at.is_(None), credentials.refreshed_at < now()),
            ),
            unchanged=[credentials.refresh_token_hash],
            destination="shaam",
            timeout=options.shaam_timeout,
            concurrency=4,
            per_destination=4,
            retry="2m*2^n<=10m",
            state=CallColumns(
                attempts=credentials.refresh_attempts,
                next_at=credentials.next_refresh_at,
                error=credentials.refresh_error,
            ),
            name="renew",
        )
    ]


def renewer(options: InvoicingOptions, client: ShaamClient, seal: Sealer | None) -> Callable[[Attempt], CallOutcome]:
    """The function that is called for each row."""
    return partial(_renew, _Renewal(options, invoicing_tables(options), client, seal))


@dataclass(frozen=True, slots=True)
class _Renewal:
    """What a call needs beside its row."""

    options: InvoicingOptions
    own: InvoicingTables
    client: ShaamClient
    seal: Sealer | None


def _renew(with_: _Renewal, call: Attempt) -> CallOutcome:
    if with_.seal is None:
        return Down("pack.invoicing: token_keys is not set", lasting=True)
    try:
        refresh_token = with_.seal.open(call.row.refresh_token)
    except Unreadable:
        return Again("the token was encrypted by a key that is not among token_keys")
    found = with_.client.renew(refresh_token, timeout=call.left)
    if isinstance(found, TokenPair):
        store = partial(_store, with_, call.row, found, call.now)
        return Done({"refresh_attempts": 0}, then=store, if_moved=store)
    if isinstance(found, GrantRefused):
        why = "SHAAM does not take the refresh token any more"
        values = {"status": NEEDS_REAUTH, "refresh_attempts": 0, "refresh_error": why}
        return Done(values, then=partial(_reauthorise, with_, call), why=why)
    return _later(with_, call, unanswered(found))


def _store(with_: _Renewal, row: Any, found: TokenPair, at: datetime, connection: Any) -> None:
    """Both tokens and their end in one update, if nobody else has stored others since they were sent."""
    assert with_.seal is not None
    values = sealed_columns(with_.seal, found.access, found.refresh) | fresh(with_.own, found, at)
    table = with_.own.credentials
    ours = and_(table.c.id == row.id, table.c.refresh_token_hash == row.refresh_token_hash)
    if connection.execute(update(table).where(ours).values(values)).rowcount == 0:
        INVOICING_LOG.warning("business %s: its tokens were renewed by somebody else meanwhile", row.business_id)


def fresh(own: InvoicingTables, found: TokenPair, at: datetime) -> dict[str, Any]:
    """What a row says of itself once it has new tokens."""
    return {
        "token_expires_at": at + timedelta(seconds=found.seconds),
        "status": ACTIVE,
        "generation": own.credentials.c.generation + 1,
        "refreshed_at": at,
        "refresh_attempts": 0,
        "next_refresh_at": None,
        "refresh_error": None,
    }


def _reauthorise(with_: _Renewal, call: Attempt, connection: Any) -> None:
    """Only if the token is the one that was refused: else this is not called."""
    INVOICING_LOG.error("business %s has to authorise SHAAM anew", call.row.business_id)
    _tell(with_, call, REAUTHORISE, "reauth", connection)


def _later(with_: _Renewal, call: Attempt, outcome: Again | Down) -> CallOutcome:
    """Tried again; what fails for long after the token's end is told to its owner, once a generation."""
    INVOICING_LOG.warning("business %s: its token was not renewed: %s", call.row.business_id, outcome.why)
    expired = call.row.token_expires_at <= call.now
    if isinstance(outcome, Down) or not expired or call.number < FAILURES_UNTIL_TOLD:
        return outcome
    then = partial(_tell, with_, call, RENEWAL_FAILS, RENEWAL_FAILS)
    return replace(outcome, values={"status": FAILING}, then=then)


def _tell(with_: _Renewal, call: Attempt, event: str, fact: str, connection: Connection) -> None:
    row, businesses = call.row, with_.own.businesses.c
    asked = select(businesses.name, businesses.owner_email).where(businesses.id == row.business_id)
    business = connection.execute(asked).one()
    tell(
        connection,
        event,
        key=effect_key(fact, row.business_id, row.generation),
        subject=str(row.business_id),
        to=business.owner_email,
        payload={"business_id": plain(row.business_id), "business": business.name},
        by=JOB,
        at=call.now,
        outbox=with_.own.outbox,
    )
