"""What a step that calls would do now: who would be called, how often, and why others would not. Calls nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, Text, func, literal, select

from ...calls import budgets, destinations
from ...calls.health import DestinationHealth
from ...db.server_clock import ask_now
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters

MOST_DESTINATIONS = 1000
"""Destinations that are told apart; more are counted together."""

NAMED = 3
"""Destinations that are named in words."""


@dataclass(slots=True)
class ForeseenCalls:
    """Calls by destination: those that would be made, and why others would not."""

    calls: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Calls that would be made."""
        return sum(self.calls.values())

    def words(self, step: str) -> str:
        """For people; empty when there is nothing to say."""
        return "; ".join((*self._made(step), *self._held(step)))

    def _made(self, step: str) -> Iterator[str]:
        named = sorted(self.calls.items(), key=lambda one: (-one[1], one[0]))
        if named:
            most = ", ".join(f"{name} {number:,} time{'s' * (number != 1)}" for name, number in named[:NAMED])
            others = f", and {len(named) - NAMED:,} others" if len(named) > NAMED else ""
            yield f"{step} would call {most}{others}"

    def _held(self, step: str) -> Iterator[str]:
        for name, (number, why) in sorted(self.held.items())[:NAMED]:
            yield f"{step} would leave {number:,} row{'s' * (number != 1)} of {name}, which {why}"
        if len(self.held) > NAMED:
            yield f"{step} would leave rows of {len(self.held) - NAMED:,} more"


def foreseen_calls(connection: Connection, plan: Plan, request: Request) -> ForeseenCalls:
    """By the same predicate, rests and budgets as a run; only reads. A rest that ends during a run is left out."""
    assert plan.call is not None
    rule, found = plan.call, ForeseenCalls()
    given = rule.destination
    who = literal(given, Text()) if isinstance(given, str) else given
    grouped = select(who.label("name"), func.count().label("due")).where(plan.due).select_from(plan.table)
    grouped = grouped if isinstance(given, str) else grouped.group_by(who).order_by(who).limit(MOST_DESTINATIONS)
    due = {row.name: row.due for row in connection.execute(grouped, parameters(grouped, request)) if row.due}
    health = destinations.health_of(connection, due)
    clock = ask_now(connection)
    for name, number in due.items():
        known = health.get(name, DestinationHealth())
        room = known.room(request.as_of, number)
        calls = min(number, room) if known.disabled_at is not None or room <= 1 else number
        calls = budgets.free_permits(connection, name, rule.rates, calls, clock)
        if calls:
            found.calls[name] = calls
        if calls < number:
            found.held[name] = (number - calls, _why(known, request))
    return found


def _why(health: DestinationHealth, request: Request) -> str:
    if health.disabled_at is not None:
        return f"is disabled: {health.reason or 'nobody said why'}"
    if health.rests_at(request.as_of) and health.rest_until is not None:
        return f"rests until {health.rest_until:%Y-%m-%d %H:%M:%S} UTC: {health.reason or 'it was down'}"
    if health.rest_until is not None:
        return "gets one call first, as it was down"
    return "has no more calls left for now by its rate"
