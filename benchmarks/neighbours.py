"""Other users of the same table, each a process of its own that works in open loop until its input ends.

Open loop: a request's time counts from when it was due, so a client that is held up does not hide what it missed.
The figures come back as one line of JSON: milliseconds of every request.
"""

from __future__ import annotations

import json
import random
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType

READY = "ready"


class Neighbour:
    """A process that works beside the measured side; `stop` ends it and gives the milliseconds of its requests."""

    def __init__(self, kind: str, url: str, rate: float, rows: int, due: int) -> None:
        command = [sys.executable, "-m", "benchmarks.neighbours", kind, url, str(rate), str(rows), str(due)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            raise RuntimeError(f"neighbour {kind} did not start")

    def stop(self) -> list[float]:
        """End it. Milliseconds of each request."""
        output, _ = self._process.communicate("", timeout=60)
        milliseconds: list[float] = json.loads(output)
        return milliseconds

    def __enter__(self) -> Neighbour:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


Request = Callable[[], None]


def _events(kind: str, url: str, rows: int, due: int) -> Request:
    """live: reads and updates of rows that stay; touch: updates of any row, due ones included."""
    from .server import connect

    connection = connect(url)
    update = "UPDATE events SET owner_id = owner_id + 1 WHERE id = %s"
    read = "SELECT payload FROM events WHERE id = %s"

    def request() -> None:
        if kind == "touch":
            connection.execute(update, (random.randint(1, rows),))
            return
        statement = read if random.random() < 0.6 else update
        connection.execute(statement.encode(), (random.randint(due + 1, rows),))

    return request


def _stock(url: str, items: int) -> Request:
    """Reserves one piece of a random item, as a shopper does."""
    from .server import connect

    connection = connect(url)

    def request() -> None:
        item = random.randint(1, items)
        connection.execute("UPDATE inventory SET reserved = reserved + 1 WHERE product_id = %s", (item,))

    return request


def _lines(kind: str, url: str, blocks: int) -> Request:
    """line: updates a row where it lies, due or not, as it has no key; insert: writes new ones."""
    from .server import connect

    connection = connect(url)
    update = "UPDATE lines SET kind = 'seen' WHERE ctid = CAST(%s AS tid)"
    write = "INSERT INTO lines VALUES ('new', 'new', now())"

    def request() -> None:
        if kind == "insert":
            connection.execute(write.encode())
        else:
            connection.execute(update.encode(), (f"({random.randint(0, blocks - 1)},{random.randint(1, 20)})",))

    return request


def _sqlite(path: str, rows: int, due: int) -> Request:
    """Half reads, half writes of rows that stay. Reads count as well, but writes decide; see `_work`."""
    import sqlite3

    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")

    def request() -> None:
        row = random.randint(due + 1, rows)
        if random.random() < 0.5:
            connection.execute("SELECT payload FROM events WHERE id = ?", (row,)).fetchall()
        else:
            connection.execute("UPDATE events SET owner_id = owner_id + 1 WHERE id = ?", (row,))

    return request


def _request(kind: str, url: str, rows: int, due: int) -> Request:
    if kind == "stock":
        return _stock(url, rows)
    if kind in ("line", "insert"):
        return _lines(kind, url, rows)
    return _sqlite(url, rows, due) if kind == "sqlite" else _events(kind, url, rows, due)


def _work(request: Request, rate: float) -> list[float]:
    """Requests at `rate` a second until the input ends; a late one is sent at once and counted from when it was due."""
    ended = selectors.DefaultSelector()
    ended.register(sys.stdin, selectors.EVENT_READ)
    due = time.perf_counter()
    milliseconds: list[float] = []
    while True:
        due += random.expovariate(rate)
        if ended.select(max(due - time.perf_counter(), 0)):
            return milliseconds
        request()
        milliseconds.append((time.perf_counter() - due) * 1e3)


def main() -> None:
    """`python -m benchmarks.neighbours KIND URL RATE ROWS DUE`; used by `Neighbour`."""
    kind, url, rate, rows, due = sys.argv[1:]
    request = _request(kind, url, int(rows), int(due))
    request()
    print(READY, flush=True)
    print(json.dumps([round(value, 3) for value in _work(request, float(rate))]))


if __name__ == "__main__":
    main()
