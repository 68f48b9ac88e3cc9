"""The table of steps that a person reads at a terminal: no line is longer than the terminal is wide."""

from __future__ import annotations

import pytest

from sexton.cli._run_report import step_table
from sexton.run_counts import Counts

STEPS = {
    "delete": Counts(14, 14, also={"deleted_drafts": 14, "invoice_items": 14}),
    "by_business": Counts(also={f"of business {number}": 10 - number for number in range(1, 9)}, skipped=3),
}


def test_what_else_a_step_did_goes_on_below_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    assert step_table(STEPS) == [
        "STEP         PICKED  CHANGED  TOLD  ALSO",
        "delete           14       14     0  14 deleted_drafts, 14 invoice_items",
        "by_business       0        0     0  9 of business 1, 8 of business 2,",
        "                                    7 of business 3, 6 of business 4,",
        "                                    5 of business 5, 4 of business 6,",
        "                                    3 of business 7, 2 of business 8,",
        "                                    3 locked by others",
    ]


def test_elsewhere_a_step_is_one_line_for_grep() -> None:
    assert len(step_table(STEPS)) == 1 + len(STEPS)
    assert step_table({"delete": Counts(1, 1)})[1] == "delete       1        1     0"
