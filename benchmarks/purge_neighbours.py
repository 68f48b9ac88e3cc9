"""P4: what a purge costs those who use the table meanwhile: their waits on due rows, and their own work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .events import Measured, fill_events, one_shot, our_run
from .figures import Options, Row, at_most, median, note, percentile, spread
from .neighbours import Neighbour
from .server import durable_server, on_fresh_copy

LIVE_RATE, TOUCH_RATE = 300.0, 50.0
BASELINE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Beside:
    """Milliseconds of the neighbours' requests: before, and while one side ran for `seconds`."""

    seconds: float
    base: list[float]
    live: list[float]
    touch: list[float]


def run(options: Options) -> list[Row]:
    """In order and shuffled, 80 % due."""
    rows: list[Row] = []
    with durable_server() as server:
        for shuffled in (False, True):
            name = fill_events(server, "events", rows=options.rows, share=0.8, shuffled=shuffled)
            where = "rows shuffled" if shuffled else "rows in order"
            note(f"neighbours of a purge of {options.rows:,} rows, 80 % due, {where}")
            pairs = []
            for _ in range(options.rounds):
                whole = on_fresh_copy(server, name, partial(_beside, options.rows, one_shot))
                ours = on_fresh_copy(server, name, partial(_beside, options.rows, our_run))
                note(f"  one DELETE {_line(whole)}")
                note(f"  ours       {_line(ours)}")
                pairs.append((whole, ours))
            server.drop_database(name)
            rows += _judged(where, pairs)
    return rows


def _beside(rows: int, side: Callable[[str], Measured], url: str) -> Beside:
    due = int(rows * 0.8)
    with Neighbour("live", url, LIVE_RATE, rows, due) as live:
        time.sleep(BASELINE_SECONDS)
        base = live.stop()
    with (
        Neighbour("live", url, LIVE_RATE, rows, due) as live,
        Neighbour("touch", url, TOUCH_RATE, rows, due) as touch,
    ):
        measured = side(url)
        return Beside(measured.seconds, base, live.stop(), touch.stop())


def _line(beside: Beside) -> str:
    base, live, touch = beside.base, beside.live, beside.touch
    return (
        f"{beside.seconds * 1e3:.0f} ms | live p50 {median(base):.2f} -> {median(live):.2f},"
        f" p99 {percentile(base, 0.99):.2f} -> {percentile(live, 0.99):.2f}, max {max(live):.1f} ms"
        f" | any row: p99 {percentile(touch, 0.99):.1f}, longest wait {max(touch):.1f} ms"
    )


def _judged(where: str, pairs: list[tuple[Beside, Beside]]) -> list[Row]:
    longest = [max(ours.touch) for _, ours in pairs]
    shares = [max(ours.touch) / max(whole.touch) for whole, ours in pairs]
    bases = [percentile(ours.base, 0.99) for _, ours in pairs]
    lives = [percentile(ours.live, 0.99) for _, ours in pairs]
    allowed = [max(3 * base, base + 3) for base in bases]
    return [
        at_most("P4", f"{where}: longest wait on a due row <= 10 ms", longest, 10.0, " ms"),
        at_most("P4", f"{where}: that wait <= 1/50 of one DELETE's", shares, 1 / 50),
        Row(
            id="P4",
            target=f"{where}: p99 of live work <= max(3 x before, before + 3 ms)",
            measured=f"{spread(bases)} -> {spread(lives)} ms",
            met=median([live - limit for live, limit in zip(lives, allowed, strict=True)]) <= 0,
        ),
    ]
