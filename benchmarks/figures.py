"""What a benchmark gives back, how it talks while it runs, and the few statistics that all of them use."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


class Row(TypedDict):
    """One line of the table of results. met: None where there is nothing to compare with."""

    id: str
    target: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Options:
    """rows: size of the tables.  rounds: how often both sides are measured, interleaved; at least 3."""

    rows: int = 1_000_000
    rounds: int = 3


_NOTES: list[str] = []


def note(line: str) -> None:
    """Print a detail and keep it for the file of results."""
    _NOTES.append(line)
    print(line, flush=True)


def notes() -> list[str]:
    """All details so far."""
    return list(_NOTES)


def median(values: Sequence[float]) -> float:
    """The middle; the one figure we judge by."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0.99) of the values lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """All rounds beside the median: `0.81 (0.79 0.81 0.84)`."""
    return f"{median(values):{form}} ({' '.join(format(value, form) for value in values)})"


def at_least(identity: str, target: str, ratios: Sequence[float], limit: float) -> Row:
    """A row that is met when the median of the rounds reaches `limit`."""
    return Row(id=identity, target=target, measured=spread(ratios), met=median(ratios) >= limit)


def at_most(identity: str, target: str, values: Sequence[float], limit: float, unit: str = "") -> Row:
    """A row that is met when the median of the rounds does not pass `limit`."""
    return Row(id=identity, target=target, measured=spread(values) + unit, met=median(values) <= limit)
