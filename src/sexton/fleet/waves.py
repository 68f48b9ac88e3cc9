"""Waves: a changed job goes to a few databases first, then to 1, 10, 50 and 100 of a hundred; trouble stops it.

They guard a change. A job whose definition has been everywhere once runs everywhere at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256

from .database import FleetDatabase
from .results import GridColumn, JobState, column_of

SHARES = (0.01, 0.10, 0.50, 1.0)
"""Of all databases, those that have had their turn after each wave behind the canaries."""

CANARY_LABEL = "canary"
"""A database with this label, whatever it says, goes first."""

CANARIES = 3
"""So many go first where nobody has named any."""

SAMPLED = 20
"""So many are looked at to find those with most rows due: an idle one proves nothing."""

FAILED_SHARE = 0.05
"""Of all that had their turn; more of them failed, and it stops."""

UNREACHED_SHARE = 0.20
"""The same of those that could not be reached or were put off: their own trouble, but so much of it is a sign."""

AT_LEAST = 3
"""Fewer never stop it, but for canaries that have all failed."""


def in_order(databases: Iterable[FleetDatabase], definition: str) -> list[FleetDatabase]:
    """Another order for each change, and the same in every process: no database is always the one that goes first."""
    return sorted(databases, key=lambda database: sha256(f"{definition}\n{database.name}".encode()).digest())


def named_canaries(databases: Iterable[FleetDatabase]) -> list[str]:
    """Those with the label."""
    return [one.name for one in databases if CANARY_LABEL in one.labels]


def waves_of(
    databases: Iterable[FleetDatabase], canaries: Collection[str], definition: str
) -> list[list[FleetDatabase]]:
    """The canaries, then a wave for each of `SHARES`; one may be empty. Each database is in one of them."""
    ordered = in_order(databases, definition)
    first = [one for one in ordered if one.name in canaries]
    rest = [one for one in ordered if one.name not in canaries]
    waves, taken = [first], 0
    for share in SHARES:
        upto = max(math.ceil(share * len(ordered)) - len(first), 0)
        waves.append(rest[taken:upto])
        taken = max(taken, upto)
    return waves


class Tally:
    """How databases stand that had their turn."""

    def __init__(self) -> None:
        self.columns: Counter[GridColumn] = Counter()

    def add(self, state: JobState) -> None:
        """One more."""
        self.columns[column_of(state)] += 1

    @property
    def turns(self) -> int:
        """How many had theirs; those that are behind, or not who we think, did not run what changed."""
        apart = (GridColumn.WAITING, GridColumn.BEHIND, GridColumn.BARRED)
        return sum(number for column, number in self.columns.items() if column not in apart)

    def too_few(self, number: int) -> str:
        """Why that many databases have not proven a change: too few have run it; "" where it is proven."""
        ran = self.columns[GridColumn.DONE] + self.columns[GridColumn.PARTLY]
        return f"ran in {ran} of {number} databases" if ran < min(CANARIES, number) else ""

    def trouble(self) -> str:
        """Why no further wave may go; "" while it may."""
        failed = self.columns[GridColumn.FAILED]
        if failed >= AT_LEAST and failed > FAILED_SHARE * self.turns:
            return f"{failed} of {self.turns} failed, more than {FAILED_SHARE:.0%}"
        missing = self.columns[GridColumn.UNREACHED] + self.columns[GridColumn.PUT_OFF]
        if missing >= AT_LEAST and missing > UNREACHED_SHARE * self.turns:
            return f"{missing} of {self.turns} were not reached or put off, more than {UNREACHED_SHARE:.0%}"
        return ""

    def all_failed(self) -> bool:
        """Whether not one went well, and at least one failed: what canaries are for."""
        return self.columns[GridColumn.FAILED] > 0 and self.columns[GridColumn.FAILED] == self.turns


def most_due(found: Sequence[tuple[int, str]]) -> list[str]:
    """Names of those with most rows due, of (rows, name)."""
    return [name for _, name in sorted(found, key=lambda one: (-one[0], one[1]))[:CANARIES]]
