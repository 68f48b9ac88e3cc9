"""P8: the same purge where a commit takes about a millisecond, so that a quick disk cannot hide chattiness."""

from __future__ import annotations

from .events import fill_events, one_shot, our_run
from .figures import Options, Row, at_least, note
from .server import durable_server, on_fresh_copy


def run(options: Options) -> list[Row]:
    """Rows in order, 80 % due; `commit_delay` makes the server wait before each flush."""
    ratios = []
    with durable_server(commit_delay="1000", commit_siblings="0") as server:
        name = fill_events(server, "events", rows=options.rows, share=0.8, shuffled=False)
        for _ in range(options.rounds):
            whole = on_fresh_copy(server, name, one_shot)
            ours = on_fresh_copy(server, name, our_run)
            note(
                f"  commit + 1 ms: one DELETE {whole.rate:,.0f} rows/s | ours {ours.rate:,.0f},"
                f" {len(ours.batches) + 1} batches"
            )
            ratios.append(ours.rate / whole.rate)
    return [at_least("P8", "purge with a 1 ms commit: >= 0.6 of one DELETE", ratios, 0.6)]
