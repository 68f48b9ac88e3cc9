"""S1: a purge on SQLite beside a neighbour with 200 requests a second, against one DELETE."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.testing import run_job

from .events import AS_OF, CUTOFF, purge_job
from .figures import Options, Row, at_least, at_most, median, note, percentile
from .neighbours import Neighbour
from .quiet import undisturbed

RATE = 200.0
SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Side:
    """One side of one round. waits: milliseconds of the neighbour's writes.  log: peak of the WAL file in bytes."""

    seconds: float
    rows: int
    waits: list[float]
    log: int


def run(options: Options) -> list[Row]:
    """One table in order, 80 % due; half as many rows as asked for, as SQLite is measured with a busy neighbour."""
    rows = options.rows // 2
    pairs = []
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as folder:
        template = Path(folder) / "template.db"
        _fill(template, rows)
        note(f"SQLite, {rows:,} rows, {SHARE:.0%} due, neighbour {RATE:.0f} requests/s, half of them writes")
        for _ in range(options.rounds):
            whole = _measured(template, rows, _one_shot)
            ours = _measured(template, rows, _our_run)
            note(f"  one DELETE {_line(whole)}")
            note(f"  ours       {_line(ours)}")
            assert whole.rows == ours.rows, (whole.rows, ours.rows)
            pairs.append((whole, ours))
    return _judged(pairs)


def _judged(pairs: list[tuple[Side, Side]]) -> list[Row]:
    waits = [percentile(ours.waits, 0.99) for _, ours in pairs]
    limit, bound = (0.25, 15.0) if median(waits) <= 15 else (0.5, 100.0)
    return [
        at_least(
            "S1",
            f"SQLite: >= {limit} of one DELETE",
            [whole.seconds / ours.seconds for whole, ours in pairs],
            limit,
        ),
        at_most(
            "S1",
            f"SQLite: a neighbour's p99 <= {bound:.0f} ms",
            waits,
            bound,
            " ms",
        ),
        at_most("S1", "SQLite: WAL file <= 2 x one DELETE's", [ours.log / whole.log for whole, ours in pairs], 2.0),
    ]


def _line(side: Side) -> str:
    return (
        f"{side.seconds:.2f} s, {side.rows / side.seconds:,.0f} rows/s"
        f" | neighbour p50 {percentile(side.waits, 0.5):.1f}"
        f" p99 {percentile(side.waits, 0.99):.1f} max {max(side.waits):.1f} ms | WAL peak {side.log / 1e6:.0f} MB"
    )


def _measured(template: Path, rows: int, side: Callable[[Path], int]) -> Side:
    path = template.with_name("round.db")

    def prepare() -> None:
        for old in template.parent.glob("round.db*"):
            old.unlink()
        shutil.copy(template, path)

    def measure() -> Side:
        with (
            _LogPeak(path) as peak,
            Neighbour("sqlite", str(path), RATE, rows, int(rows * SHARE)) as neighbour,
        ):
            time.sleep(0.3)
            began = time.perf_counter()
            done = side(path)
            seconds = time.perf_counter() - began
            return Side(seconds, done, neighbour.stop(), max(peak.size, 1))

    return undisturbed(measure, prepare, None)


def _one_shot(path: Path) -> int:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    gone = connection.execute("DELETE FROM events WHERE created_at < ?", (_text(CUTOFF),)).rowcount
    connection.close()
    return gone


def _our_run(path: Path) -> int:
    engine = open_database(f"sqlite:///{path}")
    outcome = run_job(engine, purge_job(), at=AS_OF)
    engine.dispose()
    assert outcome.state == "succeeded", outcome
    return outcome.total.changed


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _fill(path: Path, rows: int) -> None:
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TABLE events (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL, kind TEXT NOT NULL,"
        " payload TEXT NOT NULL, created_at TEXT NOT NULL)"
    )
    first = CUTOFF - timedelta(seconds=1 + int(rows * SHARE))
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
        (
            (i, i * 7919 % 100_003, f"kind_{i % 20}", f"{i:032}" * 6, _text(first + timedelta(seconds=i)))
            for i in range(1, rows + 1)
        ),
    )
    connection.execute("COMMIT")
    for columns in ("created_at, id", "owner_id", "kind"):
        connection.execute(f"CREATE INDEX events_{columns.partition(',')[0]} ON events ({columns})")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


class _LogPeak:
    """The largest size of a database's WAL file while the block runs."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._log = path.with_name(path.name + "-wal")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _LogPeak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            if self._log.exists():
                self.size = max(self.size, self._log.stat().st_size)
