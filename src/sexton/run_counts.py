"""What a run did, step by step, as kept in `run_counts` and shown to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

LEFT = ("skipped", "poison", "kept", "referred")
"""Counts of rows that were due and are still there; a run that has any is partial."""


@dataclass(slots=True)
class Counts:
    """Rows of one step.

    picked: were due.  changed: of the step's own table.  told: facts put on record for the first time.
    also: rows that hung on them, by name.  skipped: locked by others to the end.  poison: set aside.
    kept: found, and not changed by the database: a trigger would not have it.  referred: not deleted, as rows of
    tables that the policy does not list refer to them.
    told_before: facts whose message was withheld, as they were on record.
    call_milliseconds: that calls to the outside took, all together; no two runs take the same.
    """

    picked: int = 0
    changed: int = 0
    told: int = 0
    also: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    poison: int = 0
    kept: int = 0
    referred: int = 0
    told_before: int = 0
    call_milliseconds: int = field(default=0, compare=False)

    @property
    def taken(self) -> int:
        """Rows that it changed; where it only tells: that it told about."""
        return self.changed or self.told

    def add(self, picked: int, changed: int, told: int, also: Mapping[str, int], told_before: int = 0) -> None:
        """Count one batch."""
        self.told_before += told_before
        self.picked += picked
        self.changed += changed
        self.told += told
        for name, rows in also.items():
            if rows:
                self.also[name] = self.also.get(name, 0) + rows

    def as_json(self) -> dict[str, Any]:
        """For the run row: zeros of what is rare left out."""
        shown: dict[str, Any] = {"picked": self.picked, "changed": self.changed, "told": self.told}
        for name in ("also", *LEFT, "told_before", "call_milliseconds"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        return shown

    @classmethod
    def from_json(cls, kept: object) -> Counts:
        """Read back what `as_json` wrote: also that of a later version, which counts more, and what others left there.

        What is no number of rows counts as none: one odd row of history must not hide all others.
        """
        told = kept if isinstance(kept, dict) else {}
        numbers = {one.name: _whole(told.get(one.name)) for one in fields(cls) if one.name != "also"}
        also = told.get("also")
        return cls(
            **numbers, also={name: _whole(rows) for name, rows in also.items()} if isinstance(also, dict) else {}
        )


def steps_from_json(kept: object) -> dict[str, Counts]:
    """Counts by step, from the column `counts`; see `Counts.from_json`."""
    return {step: Counts.from_json(counts) for step, counts in kept.items()} if isinstance(kept, dict) else {}


def _whole(number: object) -> int:
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def total(steps: Mapping[str, Counts]) -> Counts:
    """All steps together."""
    whole = Counts()
    for counts in steps.values():
        whole.add(counts.picked, counts.changed, counts.told, counts.also, counts.told_before)
        whole.call_milliseconds += counts.call_milliseconds
        for name in LEFT:
            setattr(whole, name, getattr(whole, name) + getattr(counts, name))
    return whole
