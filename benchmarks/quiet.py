"""Others on the same machine: wait until they rest, and notice when they worked during a measurement.

Two sides of a ratio do not suffer alike from a busy machine: one DELETE is one process, a run is two that take turns.
So a measurement during which others took processor time is made again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from .figures import note

BUSY = 0.06
"""Share of all processor time that others may take during a measurement."""

TRIES = 4

T = TypeVar("T")


def undisturbed(measure: Callable[[], T], prepare: Callable[[], None], server: int | None) -> T:
    """`prepare`, wait for rest, `measure`; again while others disturbed it. server: process id of a server of ours."""
    disturbance = 0.0
    for _ in range(TRIES):
        prepare()
        wait_for_rest()
        before, own_before = _processor_time(), _own_time(server)
        outcome = measure()
        after, own_after = _processor_time(), _own_time(server)
        if before is None or after is None:
            return outcome
        others = (after[0] - before[0]) - (own_after - own_before)
        disturbance = others / max(after[1] - before[1], 1)
        if disturbance < BUSY:
            return outcome
    note(f"  (others took {disturbance:.0%} of the processors meanwhile, in {TRIES} tries)")
    return outcome


def wait_for_rest(seconds: float = 8.0) -> None:
    """Wait until the processors are nearly idle, but no longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = _processor_time()
        time.sleep(0.25)
        after = _processor_time()
        if before is None or after is None or after[0] - before[0] < 0.1 * (after[1] - before[1]):
            return


def _processor_time() -> tuple[int, int] | None:
    """Busy and total time of all processors so far in ticks; None where /proc is missing."""
    try:
        with open("/proc/stat") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
    except OSError:
        return None
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _own_time(server: int | None) -> int:
    """Ticks of this process, its ended children, and the server with its living and ended children."""
    own = os.times()
    ticks = round((own.user + own.system + own.children_user + own.children_system) * os.sysconf("SC_CLK_TCK"))
    return ticks + (0 if server is None else _family_time(server))


def _family_time(parent: int) -> int:
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if parent in (int(entry), int(fields[1])):
            total += int(fields[11]) + int(fields[12])
            if int(entry) == parent:
                total += int(fields[13]) + int(fields[14])
    return total
