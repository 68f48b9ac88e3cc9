"""When something is wrong with calls to the outside: whoever is called is down, rows ended badly, messages are dead.

One incident for one that is down, however many calls and rows that concerns, from two minutes on; at once where it
refuses our credentials or says that it is there no more. Rows and messages are counted over a day, so that such an
incident ends by itself, or as soon as a person has had them called for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from ..calls import destinations
from ..calls.health import DestinationHealth
from ..channels.endpoint_health import ENDPOINT
from ..db.call_conditions import ended_badly
from ..db.tables import own_tables
from ..masking import scrubbed
from .alert_rules import RuleMatch, instant_text

RESTING, ENDED, DEAD = "resting", "calls_ended", "dead_letters"
"""Kinds of incidents. Their job is the name of the one who is called, the job, the channel."""

ABOUT_CALLS = (RESTING, DEAD)
"""Those that are about no job."""

ALL_DESTINATIONS = "destinations"
"""Stands for a name where many are down."""

RESTING_IS_TOLD_AFTER = timedelta(minutes=2)
"""A rest of half a minute is nothing that anybody has to know; by then two calls in a row have found it down."""

MOST_NAMED = 10
"""Destinations with an incident of their own, those first that have been down for longest; the others get one together:
receivers that customers name can be down by the hundred."""

COUNTED_DAY = timedelta(days=1)
"""How long rows and messages that ended badly are told about."""


@dataclass(frozen=True, slots=True)
class EndedBadly:
    """Of one job or channel within a day. oldest: when the first of them ended."""

    name: str
    number: int
    oldest: datetime
    error: str | None


def call_matches(connection: Connection, jobs: Collection[str], now: datetime) -> dict[tuple[str, str], RuleMatch]:
    """All that is wrong, by name and kind; only reads. jobs: names of those that are defined."""
    own = own_tables(connection.dialect.name)
    calls, deliveries = own.calls.c, own.deliveries.c
    found = {match_of.name: match_of for match_of in _ended(connection, calls.job, calls, now)}
    matches = {(name, ENDED): ended_calls_match(one) for name, one in found.items() if name in jobs}
    for dead in _ended(connection, deliveries.channel, deliveries, now):
        matches[dead.name, DEAD] = dead_letters_match(dead)
    matches.update(((name, RESTING), match) for name, match in resting(destinations.unwell(connection), now))
    return matches


def resting(unwell: dict[str, DestinationHealth], now: datetime) -> Iterator[tuple[str, RuleMatch]]:
    """Those that people have to know about; not those that a person paused, nor endpoints of strangers: their owners
    are told."""
    told = {name: one for name, one in unwell.items() if not name.startswith(ENDPOINT) and _is_told(one, now)}
    oldest = sorted(told.items(), key=lambda one: (one[1].since or now, one[0]))
    for name, one in oldest[:MOST_NAMED]:
        yield name, RuleMatch(RESTING, _of_destination(name, one), one.since or now, _in_short(one.reason))
    if others := oldest[MOST_NAMED:]:
        text = f"{len(others):,} more of those who are called are down or disabled; see: sexton calls destinations"
        yield ALL_DESTINATIONS, RuleMatch(RESTING, text, others[0][1].since or now)


def ended_calls_match(ended: EndedBadly) -> RuleMatch:
    """Rows whose calls came to no good end: nobody calls for them any more."""
    rows = "1 row" if ended.number == 1 else f"{ended.number:,} rows"
    text = f"{ended.name} will call for {rows} no more, as the calls failed, were given up or may have been done"
    return RuleMatch(ENDED, text, ended.oldest, ended.error)


def dead_letters_match(dead: EndedBadly) -> RuleMatch:
    """Messages that did not get through."""
    text = f"{dead.number:,} message{'s' * (dead.number != 1)} through {dead.name} did not get through"
    return RuleMatch(DEAD, f"{text}, and will not be tried again", dead.oldest, dead.error)


def _is_told(one: DestinationHealth, now: datetime) -> bool:
    if one.disabled_at is not None or one.rest_until is None:
        return False
    return one.lasting is not None or now - (one.first_failed_at or now) >= RESTING_IS_TOLD_AFTER


def _of_destination(name: str, one: DestinationHealth) -> str:
    if one.lasting is not None:
        return f"{name} refuses us; it is tried once a day, or when its settings have changed"
    return f"{name} is down since {instant_text(one.since)}" if one.since else f"{name} is down"


def ended_since(name: ColumnElement[str], columns: Any, since: datetime) -> Select[Any]:
    """What ended badly since then, by name; reads what was closed since, by its index."""
    ended = (columns.closed_at >= since, ended_badly(columns.state))
    oldest = func.min(columns.closed_at, type_=columns.closed_at.type).label("oldest")
    errors = func.max(columns.error).label("error")
    return select(name.label("name"), func.count().label("number"), oldest, errors).where(*ended).group_by(name)


def _ended(connection: Connection, name: ColumnElement[str], columns: Any, now: datetime) -> list[EndedBadly]:
    found: list[Row[Any]] = list(connection.execute(ended_since(name, columns, now - COUNTED_DAY)))
    return [EndedBadly(row.name, row.number, row.oldest, _in_short(row.error)) for row in found]


def _in_short(text: str | None) -> str | None:
    return None if text is None else scrubbed(" ".join(text.split()))[:300]
