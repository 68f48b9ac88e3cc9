"""M1, M2: memory of a run does not grow with its rows or messages. Each run is a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from sexton.db.connect import open_database

from .deliveries import fill, relay_seconds, to_nobody
from .events import fill_events, our_run
from .figures import Options, Row, note
from .orders import fill_orders, our_expiry
from .server import create_template, durable_server

LIMIT = 1.1
MESSAGES = (10_000, 100_000, 1_000_000)


def run(options: Options) -> list[Row]:
    """Peak memory at a tenth of the rows, at the rows, and at twice as many."""
    sizes = [options.rows // 10, options.rows, options.rows * 2]
    messages = [min(number, options.rows) for number in MESSAGES]
    with durable_server() as server:
        found: dict[str, list[float]] = {"purge": [], "expiry": []}
        for size in sizes:
            name = fill_events(server, "events", rows=size, share=0.8, shuffled=False)
            found["purge"].append(_peak("purge", server.url_of(name)))
            server.drop_database(name)
            name = fill_orders(server, "orders", size // 5)
            found["expiry"].append(_peak("expiry", server.url_of(name)))
            server.drop_database(name)
        relayed = []
        for size in messages:
            fill(create_template(server, "messages"), size)
            relayed.append(_peak("relay", server.url_of("messages")))
    return [
        _row("M1", "purge", sizes, found["purge"]),
        _row("M1", "expiry", [size // 5 for size in sizes], found["expiry"]),
        _row("M2", "relay", messages, relayed),
    ]


def _row(identity: str, kind: str, handled: list[int], peaks: list[float]) -> Row:
    shown = ", ".join(f"{size:,}: {peak:.0f} MB" for size, peak in zip(handled, peaks, strict=True))
    note(f"  {kind}: {shown}")
    target = f"{kind}: peak memory at {handled[-1]:,} rows <= {LIMIT} of that at {handled[0]:,}"
    return Row(id=identity, target=target, measured=shown, met=peaks[-1] <= LIMIT * peaks[0])


def _peak(kind: str, url: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", kind, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    peak: float = json.loads(done.stdout)
    return peak


def main() -> None:
    """`python -m benchmarks.memory KIND URL`: run once, print the peak in MB."""
    kind, url = sys.argv[1:]
    if kind == "purge":
        our_run(url)
    elif kind == "expiry":
        our_expiry(url, lock_first=True)
    else:
        _relay(url)
    print(json.dumps(own_peak()))


def _relay(url: str) -> None:
    engine = open_database(url)
    relay_seconds(engine, to_nobody(engine), MESSAGES[-1])
    engine.dispose()


def own_peak() -> float:
    """In MB. Not `ru_maxrss` on Linux: that begins with the peak of the process that started us."""
    if sys.platform == "linux":
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)


if __name__ == "__main__":
    main()
