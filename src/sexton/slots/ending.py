"""How a run ends, as it is put on record: its state, what is said to people, and why in one word for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..run_counts import Counts, total
from ..run_state import OutcomeCode, OutcomeState


@dataclass(frozen=True, slots=True)
class Ending:
    """error: one line, of a run that did not go well.  note: one line, of one that did.  code: None: nothing special.

    state: a `NoRun` where there is nothing to write, or nobody to write to.
    """

    state: OutcomeState
    error: str | None = None
    note: str | None = None
    code: OutcomeCode | None = None

    def columns(self) -> dict[str, Any]:
        """For the run row."""
        return {"state": self.state, "error": self.error, "note": self.note, "outcome_code": self.code}


COUNTED = ("picked", "changed", "told", "skipped")
"""Counts of all steps together that are columns of the run row, as statements ask about them."""


def counts_columns(steps: Mapping[str, Counts]) -> dict[str, Any]:
    """What the steps did, for the run row. Every row has these; one without was written before revision 1013."""
    whole = total(steps)
    return {
        "counts": {step: counts.as_json() for step, counts in steps.items()},
        **{name: getattr(whole, name) for name in COUNTED},
    }
