"""P1, P2, P3, P5, P6: a purge on a quiet server, against one DELETE on an identical table."""

from __future__ import annotations

from collections.abc import Sequence

from sexton.testing import postgres

from .events import Measured, fill_events, one_shot, our_run
from .figures import Options, Row, at_least, at_most, median, note, percentile
from .server import durable_server, on_fresh_copy

CASES = (
    ("P1", "purge, rows in order, 80 % due: >= 0.75 of one DELETE", 0.8, False, 0.75),
    ("P2", "purge, rows shuffled, 80 % due: >= 0.70 of one DELETE", 0.8, True, 0.70),
    ("P3", "purge, rows in order, 2 % due: >= 0.7 of one DELETE", 0.02, False, 0.7),
    ("P3", "purge, rows shuffled, 2 % due: >= 0.7 of one DELETE", 0.02, True, 0.7),
)


def run(options: Options) -> list[Row]:
    """All cases; both sides of a round one after the other."""
    rows: list[Row] = []
    with durable_server() as server:
        for identity, target, share, shuffled, limit in CASES:
            pairs = _rounds(server, options, share, shuffled)
            rows.append(at_least(identity, target, [ours.rate / whole.rate for whole, ours in pairs], limit))
            rows.append(_write_ahead_log(target, pairs))
            if share > 0.5:
                rows.append(_decay(target, pairs))
    return rows


def _rounds(server: postgres.Server, options: Options, share: float, shuffled: bool) -> list[tuple[Measured, Measured]]:
    name = fill_events(server, "events", rows=options.rows, share=share, shuffled=shuffled)
    note(f"purge of {options.rows:,} rows, {share:.0%} due, {'shuffled' if shuffled else 'in order'}")
    pairs = []
    for _ in range(options.rounds):
        whole = on_fresh_copy(server, name, one_shot)
        ours = on_fresh_copy(server, name, our_run)
        assert whole.rows == ours.rows, (whole.rows, ours.rows)
        note(f"  one DELETE {_line(whole)} | ours {_line(ours)}, {_batch_line(ours)}")
        pairs.append((whole, ours))
    server.drop_database(name)
    return pairs


def _line(side: Measured) -> str:
    return f"{side.seconds * 1e3:.0f} ms, {side.rate:,.0f} rows/s, {side.wal / side.rows:.0f} B WAL a row"


def _batch_line(side: Measured) -> str:
    if not side.batches:
        return "one batch"
    times = [seconds * 1e3 for seconds, _ in side.batches]
    return (
        f"start to first commit {side.start * 1e3:.0f} ms, {len(times) + 1} batches,"
        f" p50 {median(times):.1f} p99 {percentile(times, 0.99):.1f} max {max(times):.1f} ms"
    )


def _write_ahead_log(case: str, pairs: Sequence[tuple[Measured, Measured]]) -> Row:
    where = case.partition(":")[0]
    ratios = [(ours.wal / ours.rows) / (whole.wal / whole.rows) for whole, ours in pairs]
    return at_most("P5", f"{where}: WAL a row <= 1.05 of one DELETE", ratios, 1.05)


def _decay(case: str, pairs: Sequence[tuple[Measured, Measured]]) -> Row:
    """Time a row in the last tenth of the batches against the first; without the start, where batches still grow."""
    where = case.partition(":")[0]
    ratios = [_last_against_first(ours.batches) for _, ours in pairs]
    return at_most("P6", f"{where}: last tenth of batches <= 1.2 of the first, time a row", ratios, 1.2)


def _last_against_first(batches: Sequence[tuple[float, int]]) -> float:
    full = [seconds / rows for seconds, rows in batches if rows]
    steady = full[3:-1] or full
    tenth = max(len(steady) // 10, 1)
    return median(steady[-tenth:]) / median(steady[:tenth])
