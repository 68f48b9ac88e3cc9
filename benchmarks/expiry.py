"""T1, T2: orders expire, stock goes back, two messages each; against one giant transaction and a loop over objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sexton.testing import postgres

from .events import Measured
from .figures import Options, Row, at_least, at_most, median, note, percentile
from .neighbours import Neighbour
from .order_objects import object_rate
from .orders import ITEMS, fill_orders, giant, our_expiry
from .server import durable_server, on_fresh_copy

RESERVATIONS = 50.0
BASELINE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Beside:
    """One side, and the milliseconds that a shopper waited for stock: before, and meanwhile."""

    side: Measured
    base: list[float]
    during: list[float]


def run(options: Options) -> list[Row]:
    """One batch statement, and lock-first with two; both against the same giant transaction."""
    sides: dict[str, Callable[[str], Measured]] = {
        "one statement": partial(our_expiry, lock_first=False),
        "lock first": partial(our_expiry, lock_first=True),
    }
    rounds: list[dict[str, Beside]] = []
    objects: list[float] = []
    with durable_server() as server:
        name = fill_orders(server, "orders", options.rows // 5)
        note(f"expiry of {options.rows // 10:,} of {options.rows // 5:,} orders, {ITEMS:,} products")
        for _ in range(options.rounds):
            measured = {"giant": _measured(server, name, giant)}
            measured.update({label: _measured(server, name, side) for label, side in sides.items()})
            objects.append(on_fresh_copy(server, name, object_rate))
            for label, beside in measured.items():
                note(f"  {label:<13} {_line(beside)}")
            note(f"  objects one by one, 1,000 a commit: {objects[-1]:,.0f} orders/s")
            rounds.append(measured)
    return [row for label in sides for row in _judged(label, rounds, objects)]


def _measured(server: postgres.Server, name: str, side: Callable[[str], Measured]) -> Beside:
    return on_fresh_copy(server, name, partial(_beside, side))


def _beside(side: Callable[[str], Measured], url: str) -> Beside:
    with Neighbour("stock", url, RESERVATIONS, ITEMS, 0) as shopper:
        time.sleep(BASELINE_SECONDS)
        base = shopper.stop()
    with Neighbour("stock", url, RESERVATIONS, ITEMS, 0) as shopper:
        measured = side(url)
        return Beside(measured, base, shopper.stop())


def _line(beside: Beside) -> str:
    side, times = beside.side, [seconds * 1e3 for seconds, _ in beside.side.batches]
    batches = f", {len(times) + 1} batches, p50 {median(times):.1f} max {max(times):.1f} ms" if times else ""
    return (
        f"{side.rate:,.0f} orders/s, {side.wal / side.rows:,.0f} B WAL an order{batches} | stock p99"
        f" {percentile(beside.base, 0.99):.1f} -> {percentile(beside.during, 0.99):.1f},"
        f" longest wait {max(beside.during):.1f} ms"
    )


def _judged(label: str, rounds: list[dict[str, Beside]], objects: list[float]) -> list[Row]:
    rates = [measured[label].side.rate for measured in rounds]
    against_giant = [measured[label].side.rate / measured["giant"].side.rate for measured in rounds]
    waits = [percentile(measured[label].during, 0.99) for measured in rounds]
    against_objects = [rate / slow for rate, slow in zip(rates, objects, strict=True)]
    return [
        at_least("T1", f"expiry, {label}: >= 0.75 of one giant transaction", against_giant, 0.75),
        at_most("T1", f"expiry, {label}: a neighbour's p99 for stock <= 10 ms", waits, 10.0, " ms"),
        at_least("T2", f"expiry, {label}: >= 80 x a loop over objects", against_objects, 80.0),
    ]
