"""Sending what `incidents` queued: one row at a time, never inside a transaction, again later when it fails.

A row is claimed by moving `next_at` ahead, so that a sender who dies is replaced after that time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from ..channels.contract import Channel, Notice, Refused, Unavailable, Unconfirmed
from ..channels.registry import channel_for
from ..config import Settings
from ..config.alert_settings import MOST_PER_HOUR
from ..db.tables import own_tables
from ..slots.lease import short_transaction
from .incidents import LEASE_SECONDS, REFUSES, UNREACHABLE, channel_broke, channel_works
from .message_budget import enforce_budget

DELIVERY_BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200))
"""After its first, second … failure a message rests this long; after the sixth it is given up."""

DELIVERY_LEASE = timedelta(minutes=3)
"""How long a sender may take for one message; longer than any channel's own limit."""

MAX_MESSAGES = 50
"""Messages that one call sends, or lists, at most."""

MAX_MESSAGES_PER_CHANNEL = 10
"""Messages that one call sends through one channel at most: a receiver that has just come back is not run over (S8)."""

BACKOFF_JITTER = 0.25
"""Share of a delay that is added at random, so that what failed together is not tried again together (S8)."""


@dataclass(slots=True)
class Delivery:
    """What one call did: messages that went out, that are tried again later, that are given up."""

    sent: int = 0
    later: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """One row, ours for the length of the lease. sending: what earlier tries left behind."""

    id: int
    channel: str
    attempts: int
    notice: Notice
    message: Mapping[str, Any]

    @property
    def sending(self) -> dict[str, Any]:
        """Who is left, whether somebody has it, whether an answer was lost."""
        kept = _mapping(self.message.get("sending"))
        left, refused = kept.get("left"), kept.get("refused")
        return {
            **kept,
            "left": [_text(who) for who in left] if isinstance(left, list) else [],
            "refused": {who: _text(why) for who, why in _mapping(refused).items()},
        }


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that `[alerts]` names, in that order. SettingsError when a library that one needs is missing."""
    return [channel_for(name, settings.channel) for name in settings.alerts.channels]


def deliver(engine: Engine, channels: Sequence[Channel], now: datetime, *, most: int = MOST_PER_HOUR) -> Delivery:
    """Send what waits, the longest waiting first; any number of processes may do so at once.

    now: the database's time when the call begins.  most: messages that one channel may take in an hour.
    A channel that fails, or has taken ten, is left alone until the next call.
    Raises SQLAlchemy's errors when the database is lost; what was sent and not recorded is sent once more."""
    by_name = {channel.name: channel for channel in channels}
    began = time.monotonic()
    left = enforce_budget(engine, by_name, most, now)
    done, tried = Delivery(), Counter[str]()
    tired = {name for name in by_name if not left[name]}
    for _ in range(MAX_MESSAGES):
        at = now + timedelta(seconds=time.monotonic() - began)
        with short_transaction(engine, LEASE_SECONDS) as connection:
            row = _claim(connection, tired, at)
        if row is None:
            break
        outcome = _send(by_name.get(row.channel), row)
        at = now + timedelta(seconds=time.monotonic() - began)
        with short_transaction(engine, LEASE_SECONDS) as connection:
            state = _record(connection, row, outcome, at)
        with short_transaction(
            engine, LEASE_SECONDS
        ) as connection:  # apart from the row, or two senders could wait for each other
            _judge(connection, row, state, outcome, list(by_name), at)
        setattr(done, state, getattr(done, state) + 1)
        tried[row.channel] += 1
        if state != "sent" or tried[row.channel] >= min(
            MAX_MESSAGES_PER_CHANNEL, left.get(row.channel, MAX_MESSAGES_PER_CHANNEL)
        ):
            tired.add(row.channel)
    return done


def broadcast(channels: Sequence[Channel], notice: Notice) -> dict[str, str | None]:
    """Tell people now, through all channels and without the database: by channel, why it failed, or None.

    Nothing is remembered, so the caller has to see to it that the same thing is not shouted every minute."""
    results: dict[str, str | None] = {}
    for channel in channels:
        try:
            lost = channel.send(notice)
            results[channel.name] = _listed(lost) or None
        except Exception as error:  # one broken channel must not keep the others from being tried
            results[channel.name] = _reason(error)
    return results


def unsent(connection: Connection) -> list[dict[str, Any]]:
    """The newest messages that wait or were given up, or that not every receiver took; the oldest first."""
    table = own_tables(connection.dialect.name).alerts
    columns = (table.c.id, table.c.key, table.c.channel, table.c.created_at, table.c.attempts, table.c.next_at)
    asked = select(*columns, table.c.sent_at, table.c.error)
    wanted = asked.where(table.c.sent_at.is_(None) | table.c.error.is_not(None)).order_by(table.c.id.desc())
    return [dict(row) for row in connection.execute(wanted.limit(MAX_MESSAGES)).mappings()][::-1]


def _claim(connection: Connection, tired: Collection[str], at: datetime) -> ClaimedMessage | None:
    table = own_tables(connection.dialect.name).alerts
    waiting = select(table).where(table.c.sent_at.is_(None), table.c.next_at <= at, table.c.channel.not_in(tired))
    oldest = waiting.order_by(table.c.next_at, table.c.id).limit(1).with_for_update(skip_locked=True)
    row = connection.execute(oldest).first()
    if row is None:
        return None
    attempts = min(max(row.attempts, 0), len(DELIVERY_BACKOFF) + 1) + 1
    connection.execute(update(table).where(table.c.id == row.id).values(attempts=attempts, next_at=at + DELIVERY_LEASE))
    # Somebody else may have written there: an odd message must not keep all others from being sent.
    message = _mapping(row.message)
    words = {name: _text(message.get(name)) for name in ("title", "text", "job", "command")}
    facts = {name: _text(fact) for name, fact in _mapping(message.get("facts")).items()}
    notice = Notice(row.key, **words, facts=facts)
    return ClaimedMessage(row.id, row.channel, attempts, notice, message)


def _send(channel: Channel | None, row: ClaimedMessage) -> Mapping[str, str] | Exception:
    """Receivers who will never take it, or how sending failed."""
    if channel is None:
        return Refused("no longer among the channels")
    if row.attempts > len(DELIVERY_BACKOFF) + 1:
        return Unavailable("the process that sent it died each time")
    try:
        return channel.send(row.notice, only=row.sending.get("left", ()))
    except Exception as error:  # whatever a channel does, the row must not stay as it is
        return error


def _record(connection: Connection, row: ClaimedMessage, outcome: Mapping[str, str] | Exception, at: datetime) -> str:
    """Write down how it went: "sent", "later" or "given_up"."""
    sending = row.sending
    if isinstance(outcome, Refused) and sending.get("partial"):
        outcome = {"the rest": str(outcome)}  # others have it; this is about receivers, not about the channel
    if not isinstance(outcome, Exception):
        lost = _listed({**sending.get("refused", {}), **outcome})
        _write(connection, row, sent_at=at, next_at=None, error=lost or None)
        return "sent"
    again = _next(row, outcome)
    left_behind = {**row.message, "sending": _left_behind(sending, outcome)}
    next_at = None if again is None else at + again
    _write(connection, row, next_at=next_at, error=_reason(outcome), message=left_behind)
    return "given_up" if again is None else "later"


def _judge(
    connection: Connection,
    row: ClaimedMessage,
    state: str,
    outcome: Mapping[str, str] | Exception,
    channels: Sequence[str],
    at: datetime,
) -> None:
    """What one message says about its channel: it works, it refuses, it cannot be reached."""
    if state == "sent":
        channel_works(connection, row.channel, channels, at)
        return
    if state == "later" or row.channel not in channels or not isinstance(outcome, Exception):
        return
    if isinstance(outcome, Unconfirmed) or _left_behind(row.sending, outcome).get("partial"):
        return  # the channel works; one answer or one receiver is missing
    kind = REFUSES if isinstance(outcome, Refused) else UNREACHABLE
    channel_broke(connection, row.channel, kind, _reason(outcome), channels, at)
    if kind == REFUSES:
        _give_up(connection, row.channel)


def _write(connection: Connection, row: ClaimedMessage, **values: Any) -> None:
    """Only while the claim is ours: a later try of another process knows more."""
    table = own_tables(connection.dialect.name).alerts
    mine = (table.c.id == row.id, table.c.attempts == row.attempts, table.c.sent_at.is_(None))
    connection.execute(update(table).where(*mine).values(values))


def _give_up(connection: Connection, channel: str) -> None:
    """No further calls to a channel that refuses, so that nobody is locked out; a reminder a day tries it again."""
    table = own_tables(connection.dialect.name).alerts
    waiting = (table.c.channel == channel, table.c.sent_at.is_(None), table.c.next_at.is_not(None))
    connection.execute(update(table).where(*waiting).values(next_at=None, error="not sent: the channel refuses"))


def _next(row: ClaimedMessage, error: Exception) -> timedelta | None:
    """How long until the next try; None: there is none."""
    if isinstance(error, Refused) or row.attempts > len(DELIVERY_BACKOFF):
        return None
    if isinstance(error, Unconfirmed) and row.sending.get("unknown"):
        return None  # told twice at most
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return max(
        DELIVERY_BACKOFF[row.attempts - 1] * random.uniform(1, 1 + BACKOFF_JITTER), timedelta(seconds=asked or 0)
    )


def _left_behind(before: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """What the next try has to know."""
    after = dict(before)
    if isinstance(error, Unavailable):
        after["left"] = list(error.left) or before.get("left", [])
        after["refused"] = {**before.get("refused", {}), **error.refused}
        after["partial"] = bool(before.get("partial")) or error.partial
        after["unknown"] = bool(before.get("unknown")) or isinstance(error, Unconfirmed)
    return after


def _listed(lost: Mapping[str, str]) -> str:
    return "; ".join(f"{who}: {why}" for who, why in lost.items())


def _reason(error: Exception) -> str:
    """One line; of errors that no channel foresaw only the kind, as their text may hold anything."""
    from ..channels.contract import ChannelError

    return str(error)[:500] if isinstance(error, ChannelError) else f"unexpected {type(error).__name__}"
