"""M1: memory of a run does not grow with the rows it handles. Each run is a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from .events import fill_events, our_run
from .figures import Options, Row, note
from .orders import fill_orders, our_expiry
from .server import durable_server

LIMIT = 1.1


def run(options: Options) -> list[Row]:
    """Peak memory at a tenth of the rows, at the rows, and at twice as many."""
    sizes = [options.rows // 10, options.rows, options.rows * 2]
    with durable_server() as server:
        found: dict[str, list[float]] = {"purge": [], "expiry": []}
        for size in sizes:
            name = fill_events(server, "events", rows=size, share=0.8, shuffled=False)
            found["purge"].append(_peak("purge", server.url_of(name)))
            server.drop_database(name)
            name = fill_orders(server, "orders", size // 5)
            found["expiry"].append(_peak("expiry", server.url_of(name)))
            server.drop_database(name)
    rows = []
    for kind, peaks in found.items():
        handled = sizes if kind == "purge" else [size // 5 for size in sizes]
        shown = ", ".join(f"{size:,}: {peak:.0f} MB" for size, peak in zip(handled, peaks, strict=True))
        note(f"  {kind}: {shown}")
        target = f"{kind}: peak memory at {handled[-1]:,} rows <= {LIMIT} of that at {handled[0]:,}"
        rows.append(Row(id="M1", target=target, measured=shown, met=peaks[-1] <= LIMIT * peaks[0]))
    return rows


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
    else:
        our_expiry(url, lock_first=True)
    print(json.dumps(_own_peak()))


def _own_peak() -> float:
    """In MB. Not `ru_maxrss` on Linux: that begins with the peak of the process that started us."""
    if sys.platform == "linux":
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)


if __name__ == "__main__":
    main()
