"""What a run did, step by step, as kept in `runs.counts` and shown to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """Rows of one step.

    picked: were due.  changed: of the step's own table.  told: facts put on record for the first time.
    also: rows that hung on them, by name.  skipped: locked by others to the end.  poison: set aside.
    kept: found, and neither changed nor refused: a trigger, for instance, swallowed the change.
    """

    picked: int = 0
    changed: int = 0
    told: int = 0
    also: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    poison: int = 0
    kept: int = 0

    def add(self, picked: int, changed: int, told: int, also: Mapping[str, int]) -> None:
        """Count one batch."""
        self.picked += picked
        self.changed += changed
        self.told += told
        for name, rows in also.items():
            if rows:
                self.also[name] = self.also.get(name, 0) + rows

    def as_json(self) -> dict[str, Any]:
        """For the run row: zeros of `skipped`, `poison` and `kept` left out."""
        shown: dict[str, Any] = {"picked": self.picked, "changed": self.changed, "told": self.told}
        for name in ("also", "skipped", "poison", "kept"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        return shown

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Counts:
        """Read back what `as_json` wrote."""
        return cls(**kept)


def total(steps: Mapping[str, Counts]) -> Counts:
    """All steps together."""
    whole = Counts()
    for counts in steps.values():
        whole.add(counts.picked, counts.changed, counts.told, counts.also)
        whole.skipped += counts.skipped
        whole.poison += counts.poison
        whole.kept += counts.kept
    return whole
