"""How rows are summed up by windows, as `Rollup` has settled it; and what is told about a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Table

from ..db.outbox_table import Outbox
from ..errors import PolicyError
from ..jobs.schedule import Schedule

ALWAYS_REOPENED = timedelta(days=3)
"""How long past its end a window is computed again by every run, whatever `changed_at` says."""


@dataclass(frozen=True, slots=True)
class RollupReport:
    """A message about each window, once; and one for each time that it came out differently later.

    event: its type; the effect key is "<event>:<end of the window>".
    to: who is told (an id, an address).  payload: further fields of the JSON body, the same for all.
    correction: the event of later differences, default "<event>_correction"; its key has a number more, from 1.
    outbox: where messages are written; None: Sexton's own outbox.

    Fields of the body: `window_start`, `window_end` (UTC), `zone`, `lines`, one for each group, at most 100, and
    `groups`, how many there are. In a correction the lines are of groups that differ, and hold what is to be added to
    what was told before; numbers only, any other value stands there as it is now. It also has its `correction` number.
    A window without rows is told as well, without lines: no news would look like no report.
    """

    event: str
    to: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    correction: str = ""
    outbox: Outbox | None = None

    @property
    def correction_event(self) -> str:
        """The event of later differences."""
        return self.correction or f"{self.event}_correction"


@dataclass(frozen=True, slots=True)
class FinerWindows:
    """The roll-up whose sums another one sums up. job: None: that of the other one.

    step, windows, definition: its name, its windows, and what its mark says of them.
    """

    step: str
    windows: Schedule
    definition: str
    job: str | None = None

    def require_end(self, end: datetime, where: str) -> None:
        """PolicyError when a window that ends then would cut one of these in two."""
        if self.windows.previous(end) != end:
            raise PolicyError(
                f"{where}: a window ends at {end:%Y-%m-%d %H:%M} UTC, and none of {self.step} does: windows have to "
                "be made of whole ones, as months of days in the same zone"
            )


@dataclass(frozen=True, slots=True, eq=False)
class RollupRule:
    """What the runner needs to know beside the plan; fields as in `Rollup`, checked. group: name in `into` -> value."""

    into: Table
    by: Column[Any]
    group: Mapping[str, ColumnElement[Any]]
    aggregates: Mapping[str, ColumnElement[Any]]
    only: ColumnElement[bool]
    windows: Schedule
    lateness: timedelta
    close_after: timedelta
    changed_at: Column[Any] | None = None
    report: RollupReport | None = None
    rows_kept: timedelta | None = None
    finer: FinerWindows | None = None

    @property
    def definition(self) -> str:
        """Schedule and zone, which must not change under summaries that are there; also those of what it is made of."""
        own = f"{self.windows.text} {self.windows.zone}"
        return own if self.finer is None else f"{own} of {self.finer.definition}"
