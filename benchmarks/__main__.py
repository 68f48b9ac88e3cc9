"""Measure the targets: `python -m benchmarks [--rows N] [--rounds N] [ids…]`; without ids, all of them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .figures import Options, Row, note, notes
from .machine import machine_table

GROUPS = {
    "purge": ("P1", "P2", "P3", "P5", "P6"),
    "purge_neighbours": ("P4",),
    "purge_peers": ("P7",),
    "purge_slow_commit": ("P8",),
    "keyless": ("K1",),
    "sqlite_purge": ("S1",),
    "expiry": ("T1", "T2"),
    "memory": ("M1", "M2"),
    "startup": ("E1", "E2", "E3"),
    "schedules": ("D1", "D2"),
    "trigger": ("J3",),
    "on_demand": ("J2", "J4", "J5"),
    "engine_layer": ("J1",),
    "relay": ("R1", "R2"),
    "mail": ("L1",),
    "mail_latency": ("R3",),
    "asgi": ("A1",),
    "fleet": ("F1", "F2"),
    "procedures": ("G1",),
}
"""Module and the targets it measures; those of one module are measured together."""

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run what was asked for, print the table, keep it under results/. 1 when a target was missed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    known = [identity for group in GROUPS.values() for identity in group]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="id", help=f"targets: {' '.join(known)}; default: all")
    parser.add_argument("--rows", type=int, default=Options().rows, help="rows of the tables (default %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=Options().rounds, help="rounds of each comparison (default %(default)s)"
    )
    parser.add_argument("--no-file", action="store_true", help="print only")
    arguments = parser.parse_args()
    unknown = set(arguments.ids) - set(known)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; there are {' '.join(known)}")
    wanted = set(arguments.ids or known)
    rows = [row for row in _measured(wanted, Options(arguments.rows, arguments.rounds)) if row["id"] in wanted]
    text = _text(rows, arguments.rows, arguments.rounds)
    print(text)
    if not arguments.no_file:
        _keep(text)
    return int(any(row["met"] is False for row in rows))


def _measured(wanted: set[str], options: Options) -> Iterable[Row]:
    for module, identities in GROUPS.items():
        if not wanted & set(identities):
            continue
        if find_spec(f"benchmarks.{module}") is None:
            note(f"{module}: not there, left out")
            continue
        note(f"--- {module}: {' '.join(identities)}")
        measure: Callable[..., list[Row]] = import_module(f"benchmarks.{module}").run
        yield from measure() if module == "schedules" else measure(options)


def _text(rows: list[Row], size: int, rounds: int) -> str:
    verdicts = {True: "met", False: "MISSED", None: "-"}
    lines = [f"Sexton benchmarks, {datetime.now(UTC):%Y-%m-%d}: tables of {size:,} rows, {rounds} rounds", ""]
    lines += [f"{fact:<11} {value}" for fact, value in machine_table()]
    lines += ["", "Ratios per round in brackets, the median before them.", ""]
    width = max((len(row["target"]) for row in rows), default=0)
    lines += [f"{row['id']:<3} {row['target']:<{width}}  {verdicts[row['met']]:<6}  {row['measured']}" for row in rows]
    return "\n".join(lines)


def _keep(text: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.txt"
    file.write_text("\n".join([text, "", "Details", "", *notes(), ""]))
    print(f"\nkept in benchmarks/results/{file.name}")


if __name__ == "__main__":
    raise SystemExit(main())
