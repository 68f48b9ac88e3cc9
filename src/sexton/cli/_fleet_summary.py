"""How a fleet stands, for people: jobs by how they ended, then the reasons with counts and the first names."""

from __future__ import annotations

from ..console import say
from ..fleet.results import GridColumn
from ..fleet.summary import Summary
from ..texts import visible, width
from ._common import table
from ._fleet import SCREEN, print_wrapped

LEAST_NAME = 12
"""Columns that the name of a job has at least."""


def print_summary(summary: Summary) -> None:
    """At most 80 columns wide."""
    shown = [column for column in GridColumn if summary.number(column)]
    headings = [column.upper() for column in shown]
    room = max(SCREEN - sum(max(len(heading), 6) + 2 for heading in headings), LEAST_NAME)
    rows = [
        [_named(job, room), *(f"{cells[column]:,}" if cells.get(column) else "" for column in shown)]
        for job, cells in sorted(summary.grid.items())
    ]
    say(*table(["JOB", *headings], rows, right=headings))
    several = len(summary.grid) > 1
    for reason in summary.reasons:
        names = ", ".join(reason.names) + (", …" if reason.number > len(reason.names) else "")
        about = f"{reason.job}, " if several else ""
        print_wrapped(f"{reason.number:,} {reason.column.lower()}: {about}{reason.words} ({names})")


def _named(job: str, room: int) -> str:
    """What tells jobs of one pack apart stands at the end."""
    name = visible(job)
    return name if width(name) <= room else f"…{name[-(room - 1) :]}"
