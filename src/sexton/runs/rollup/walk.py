"""Which windows a run goes through: from the oldest that may differ to the newest that is closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ...db.watermarks import LATE_COMMIT_MARGIN, Watermark
from ...jobs.schedule import Schedule
from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import RollupStatements, Window


@dataclass(slots=True)
class Walk:
    """cursor: start of the next window.  end: of the last.  mark: of the step, before and while it goes on.

    seal_to: end of the last window that is past its lateness.  progress: the name under which a backfill keeps how far
    it has come; None: it is no backfill, and moves the mark of the step.
    changed_to: before it only windows are computed whose rows were changed since the mark looked at them.
    """

    statements: RollupStatements
    request: Request
    mark: Watermark
    cursor: datetime
    end: datetime
    seal_to: datetime
    progress: str | None = None
    changed_to: datetime | None = None
    finished: bool = False

    def next(self, connection: Connection) -> Window | None:
        """The next window; None: that was the last."""
        if self.changed_to is not None and self.cursor < self.changed_to:
            self._to_changed(connection, self.changed_to)
        self.finished = self.cursor >= self.end
        if self.finished:
            return None
        window, finer = Window(self.cursor, self.schedule.next(self.cursor)), self.statements.rule.finer
        if finer is not None:
            finer.require_end(window.end, f"roll-up of {self.statements.rule.by.table.fullname}")
        return window

    def passed(self, connection: Connection, window: Window, *, differs: bool) -> Window | None:
        """Go on behind `window`. A stretch without rows behind it, of which nothing is told, is passed over as one.

        So one row of 1970 among those of today costs no fifty years of windows. That stretch; None: there is none.
        Where windows are told, sums without rows end it: that they are gone is told, too.
        """
        self.cursor = window.end
        if differs or self.is_news(window) or self.cursor >= self.end:
            return None
        row = self._row(connection, "first_row", self.cursor)
        target = self.end if row is None else min(self.end, max(self.cursor, self.schedule.previous(row)))
        if self.progress is None:
            target = min(target, max(self.cursor, self.mark.told_from, self.mark.closed_to))
        if self.statements.rule.report is not None:
            target = min(target, self._next_kept(connection, target))
        if target <= self.cursor:
            return None
        stretch = Window(max(self.cursor, self.mark.kept_to or self.cursor), target)
        self.cursor = target
        return stretch if stretch.start < target else None

    def is_news(self, window: Window) -> bool:
        """Whether the window is told. The effects do not decide that alone: they are forgotten after some time."""
        return self.progress is None and window.end > max(self.mark.told_from, self.mark.closed_to)

    def is_careful(self, window: Window) -> bool:
        """Whether its sums stay where no row is left."""
        return self.mark.kept_to is not None and window.end <= self.mark.kept_to

    @property
    def schedule(self) -> Schedule:
        """Of the windows."""
        return self.statements.rule.windows

    def _to_changed(self, connection: Connection, limit: datetime) -> None:
        row = self._row(connection, "first_changed_row", self.cursor, limit)
        self.cursor = limit if row is None else max(self.cursor, self.schedule.previous(row))

    def _next_kept(self, connection: Connection, limit: datetime) -> datetime:
        """Start of the next window of which sums are kept that do not stay without rows; at most `limit`."""
        start = max(self.cursor, self.mark.kept_to or self.cursor)
        kept = self._row(connection, "next_kept", start, limit)
        return limit if kept is None else max(self.cursor, self.schedule.previous(kept))

    def _row(self, connection: Connection, which: str, start: datetime, end: datetime | None = None) -> datetime | None:
        asked = getattr(self.statements, which)()
        looked_at = self.mark.looked_at or self.mark.begins_at
        more = {"sexton_since": looked_at - LATE_COMMIT_MARGIN}
        values = parameters(asked, self.request, **Window(start, end or start).values(), **more)
        found: datetime | None = connection.execute(asked, values).scalar()
        return found
