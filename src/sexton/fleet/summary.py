"""What a run over the fleet came to: how many databases stand how, and why, without keeping all of them in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..exit_codes import DONE, FAILED, PARTIAL, UNREACHABLE
from .results import GridColumn, JobState, VisitReport, column_of

FIRST_NAMES = 3
"""Databases that are named with each reason."""

MOST_REASONS = 50
"""Reasons that are told apart of one run; the rest is one more."""

_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class Reason:
    """Why some databases stand so: how many, the words of the first, and the first names."""

    job: str
    column: GridColumn
    words: str
    number: int = 0
    names: list[str] = field(default_factory=list)


class Summary:
    """Counts by job and column, and reasons. Words that differ in numbers only are one reason."""

    def __init__(self) -> None:
        self.grid: dict[str, dict[GridColumn, int]] = {}
        self._reasons: dict[tuple[str, GridColumn, str], Reason] = {}

    def add(self, database: str, job: str, state: JobState, error: str | None) -> None:
        """One database."""
        column = column_of(state)
        cells = self.grid.setdefault(job, {})
        cells[column] = cells.get(column, 0) + 1
        if column is GridColumn.WAITING or (column is GridColumn.DONE and error is None):
            return
        words = (error or str(state)).replace(database, "NAME")
        key = (job, column, _NUMBER.sub("0", words))
        if key not in self._reasons and len(self._reasons) >= MOST_REASONS:
            key, words = (job, column, ""), "other reasons"
        reason = self._reasons.setdefault(key, Reason(job, column, error or str(state) if key[2] else words))
        reason.number += 1
        if len(reason.names) < FIRST_NAMES:
            reason.names.append(database)

    def take(self, report: VisitReport) -> None:
        """All jobs of one database."""
        for result in report.results:
            self.add(report.database, result.job, result.state, result.error)

    @property
    def reasons(self) -> list[Reason]:
        """By column, the most frequent first."""
        order = list(GridColumn)
        return sorted(self._reasons.values(), key=lambda one: (one.job, order.index(one.column), -one.number))

    def number(self, *columns: GridColumn) -> int:
        """Of all jobs together."""
        return sum(cells.get(column, 0) for cells in self.grid.values() for column in columns)

    @property
    def total(self) -> int:
        """Databases, each once a job."""
        return self.number(*GridColumn)

    def exit_code(self, *, halted: bool = False, stopped: bool = False, waiting_is_well: bool = False) -> int:
        """0 all done; 3 some not, or somebody stopped it; 1 a wave went badly, or none was done; 69 none reached."""
        well = self.number(GridColumn.DONE) + (self.number(GridColumn.WAITING) if waiting_is_well else 0)
        if self.total and self.total == self.number(GridColumn.UNREACHED):
            return UNREACHABLE
        if halted:
            return FAILED
        if self.total and not (well or self.number(GridColumn.PARTLY)):
            return FAILED
        return PARTIAL if stopped or self.total > well else DONE
