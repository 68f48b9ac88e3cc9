"""How many messages a channel may take in an hour (SEC-16): beyond, they are held back, and that is told.

What was sent stands in the table, so the budget is that of all processes, and survives each. It is reckoned before
messages are claimed; two processes at once may go over it by what each of them has in hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, Table, exists, func, select, update

from ..db.connect import read_only
from ..db.tables import own_tables
from ..slots.lease import short_transaction
from .alert_rules import RuleMatch
from .alert_texts import NotificationContext, title_of
from .incidents import FLOODED, LEASE_SECONDS, Incident, close_incident, open_incident, open_incidents

BUDGET_PERIOD = timedelta(hours=1)

MAX_NAMED_TITLES = 20
"""Titles that the last word about those held back names."""


def enforce_budget(engine: Engine, channels: Collection[str], most: int, at: datetime) -> dict[str, int]:
    """Messages that each channel may still take now. Opens and closes incidents of the kind `channel_flooded`.

    most: messages in an hour.  Reads only, unless a budget is used up and somebody wants more, or is back.
    Raises SQLAlchemy's errors when the database is lost.
    """
    with read_only(engine) as connection:
        full = {one.job: one for one in open_incidents(connection) if one.kind == FLOODED and one.job in channels}
        waiting = _waiting(connection, channels, at)
        sent = _sent(connection, waiting, at)
    over = [name for name, incident in full.items() if at - incident.opened_at >= BUDGET_PERIOD]
    short = [name for name in sorted(waiting) if sent[name] >= most and name not in full]
    for name in over:
        with short_transaction(engine, LEASE_SECONDS) as connection:
            _give_back(connection, full[name], at)
    for name in sorted({*short, *full} - {*over}):
        if name in waiting:
            with short_transaction(engine, LEASE_SECONDS) as connection:
                _hold_back(connection, name, full.get(name), most, at)
    left = {name: max(most - sent[name], 0) for name in channels}
    return left | dict.fromkeys((*short, *full), 1)  # the word about it, which no budget holds back


def _waiting(connection: Connection, channels: Collection[str], at: datetime) -> set[str]:
    """The channels for which messages are due, beside the words about budgets."""
    alerts = own_tables(connection.dialect.name).alerts
    due = select(alerts.c.channel).where(*_due(connection, alerts, at), alerts.c.channel.in_(channels))
    return set(connection.execute(due.distinct()).scalars())


def _due(connection: Connection, alerts: Table, at: datetime) -> tuple[ColumnElement[bool], ...]:
    incidents = own_tables(connection.dialect.name).incidents
    words = exists().where(incidents.c.id == alerts.c.incident_id, incidents.c.kind == FLOODED)
    return alerts.c.sent_at.is_(None), alerts.c.next_at <= at, ~words


def _sent(connection: Connection, channels: Iterable[str], at: datetime) -> Counter[str]:
    """Messages that each has taken in the hour before."""
    alerts = own_tables(connection.dialect.name).alerts
    lately = (alerts.c.channel.in_(channels), alerts.c.sent_at > at - BUDGET_PERIOD)
    asked = select(alerts.c.channel, func.count()).where(*lately).group_by(alerts.c.channel)
    found = Counter[str]()
    for channel, number in connection.execute(asked):
        found[channel] = number
    return found


def _hold_back(connection: Connection, channel: str, incident: Incident | None, most: int, at: datetime) -> None:
    """Take what is due out of the queue; say so with the first of it."""
    if incident is None:
        text = f"{channel} got {most} messages within an hour; more are held back for the next one"
        open_incident(NotificationContext(connection, (channel,), at), channel, RuleMatch(FLOODED, text, at))
        mine = (one for one in open_incidents(connection) if one.kind == FLOODED and one.job == channel)
        incident = next(mine, None)
        if incident is None:
            return  # another process has, and closed it again
    alerts = own_tables(connection.dialect.name).alerts
    due = select(alerts.c.id).where(*_due(connection, alerts, at), alerts.c.channel == channel)
    held = update(alerts).where(alerts.c.id.in_(due.with_for_update(skip_locked=True)))
    connection.execute(held.values(next_at=None, error=_mark(incident)))


def _give_back(connection: Connection, incident: Incident, at: datetime) -> None:
    """The budget is back: how many messages were held back, and about what.

    What is still wrong comes first, and each once: whoever makes something come and go hides nothing behind it.
    """
    own = own_tables(connection.dialect.name)
    alerts, incidents = own.alerts, own.incidents
    held = (alerts.c.sent_at.is_(None), alerts.c.error == _mark(incident), alerts.c.channel == incident.job)
    of = alerts.join(incidents, incidents.c.id == alerts.c.incident_id, isouter=True)
    about = (incidents.c.job, incidents.c.kind, incidents.c.opened_at, incidents.c.closed_at)
    rows = connection.execute(select(alerts.c.message, *about).select_from(of).where(*held).order_by(alerts.c.id)).all()
    wrong = dict.fromkeys(title_of(row.kind, row.job) for row in rows if row.opened_at and row.closed_at is None)
    titles = Counter(str(row.message.get("title", "")) for row in rows if isinstance(row.message, dict))
    over = [title if times == 1 else f"{title} ({times})" for title, times in titles.most_common()]
    names = [*(f"{title}, still so" for title in wrong), *(title for title in over if title not in wrong)]
    named = f", among them: {'; '.join(names[:MAX_NAMED_TITLES])}" if names else ""
    text = f"{incident.job} takes messages again; {len(rows)} were held back{named}"
    close_incident(NotificationContext(connection, (incident.job,), at), incident, text)


def _mark(incident: Incident) -> str:
    return f"held back with others, too many in an hour (incident {incident.id})"
