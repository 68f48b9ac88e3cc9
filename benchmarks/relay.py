"""Deliveries: R1 a relay to nobody against a bare loop, R2 rows of the product against one giant statement."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.relay.relay import MessageRelay
from sexton.testing import postgres

from .deliveries import bare_loop, fill, giant_in_app, into_the_product, relay_seconds, to_nobody
from .figures import Options, Row, median, note
from .server import create_template, durable_server, on_fresh_copy

LEAST_R1, AIM_R1 = 0.25, 0.5
LEAST_R2 = 0.7
MOST_MESSAGES = 100_000

Pair = tuple[str, Callable[[str], float], Callable[[Engine], MessageRelay]]
"""Its id, the other side, and ours."""


def run(options: Options) -> list[Row]:
    """Both, interleaved, each side on a fresh copy of one database."""
    rows = min(options.rows, MOST_MESSAGES)
    with durable_server() as server:
        fill(create_template(server, "messages"), rows)
        first = _ratio(server, options.rounds, rows, ("R1", bare_loop, to_nobody))
        second = _ratio(server, options.rounds, rows, ("R2", giant_in_app, into_the_product))
    return [
        Row(
            id="R1",
            target=f"a relay to nobody at least {LEAST_R1} of a bare loop of batches of 100, aim {AIM_R1}",
            measured=f"{first:.2f}",
            met=first >= LEAST_R1,
        ),
        Row(
            id="R2",
            target=f"rows of the product at least {LEAST_R2} of one giant INSERT … SELECT",
            measured=f"{second:.2f}",
            met=second >= LEAST_R2,
        ),
    ]


def _ratio(server: postgres.Server, rounds: int, rows: int, pair: Pair) -> float:
    identity, bare, relay = pair
    ratios = []
    for _ in range(rounds):
        plain = on_fresh_copy(server, "messages", bare)
        ours = on_fresh_copy(server, "messages", lambda url: _seconds(url, relay, rows))
        ratios.append(plain / ours)
        note(f"  {identity}: {rows / plain:,.0f} messages/s bare, {rows / ours:,.0f} by the relay: {plain / ours:.2f}")
    return median(ratios)


def _seconds(url: str, relay: Callable[[Engine], MessageRelay], rows: int) -> float:
    engine = open_database(url)
    try:
        return relay_seconds(engine, relay(engine), rows)
    finally:
        engine.dispose()
