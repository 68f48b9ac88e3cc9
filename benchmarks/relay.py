"""Deliveries: R1 a relay to nobody against a bare loop, R2 rows of the product against one giant statement."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.testing import postgres

from .deliveries import bare_loop, fill, giant_in_app, into_the_product, relay_seconds, to_nobody
from .figures import Options, Row, median, note
from .server import create_template, durable_server

LEAST_R1, AIM_R1 = 0.25, 0.5
LEAST_R2 = 0.7
MOST_MESSAGES = 100_000


def measure(options: Options) -> list[Row]:
    """Both, interleaved, each on fresh copies of one database."""
    rows = min(options.rows, MOST_MESSAGES)
    with durable_server() as server:
        fill(create_template(server, "relay_template"), rows)
        first = _ratio(server, options.rounds, rows, bare_loop, to_nobody, "R1")
        second = _ratio(server, options.rounds, rows, giant_in_app, into_the_product, "R2")
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


def _ratio(
    server: postgres.Server,
    rounds: int,
    rows: int,
    bare: Callable[[str], float],
    relay: Callable[[Engine], object],
    identity: str,
) -> float:
    ratios = []
    for number in range(rounds):
        one, other = (_copy(server, f"relay_{identity.lower()}_{number}_{side}") for side in ("bare", "ours"))
        plain = bare(one)
        engine = open_database(other)
        try:
            ours = relay_seconds(engine, relay(engine), rows)  # type: ignore[arg-type]
        finally:
            engine.dispose()
        ratios.append(plain / ours)
        note(f"{identity}: {rows / plain:,.0f} messages/s bare, {rows / ours:,.0f} by the relay: {plain / ours:.2f}")
        for name in ("bare", "ours"):
            server.drop_database(f"relay_{identity.lower()}_{number}_{name}")
    return median(ratios)


def _copy(server: postgres.Server, name: str) -> str:
    server.drop_database(name)
    return server.create_database(name, template="relay_template")
