"""Each run compares one old window that it does not compute with its rows, and says so where they differ.

Which one is drawn by the job, the step and the time of the run, so that a dry run looks at the same one, and in time
all are looked at. Only windows whose rows are all there: those that are not sealed, but left alone as no row of theirs
was changed (`changed_at`), and sealed ones while `rows_kept` lasts. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from ...clock import iso
from ...db.watermarks import LATE_COMMIT_MARGIN
from ...jobs.duration import TICK
from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import RollupStatements, Window
from .walk import Walk

AUDITED, DRIFTED = "audited", "drifted"
"""Under these names windows are counted that were looked at, and groups of theirs that are not as their rows say."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A look at one window. careful: sums stay where no row is left.

    changed_since: rows that were changed since then are another run's to bring in; None: nobody looks for those.
    """

    statements: RollupStatements
    request: Request
    window: Window
    careful: bool
    changed_since: datetime | None

    def differing(self, connection: Connection) -> int:
        """How many groups are not as the rows of the window say."""
        asked = self.statements.preview(self.careful)
        groups: int = connection.execute(asked, parameters(asked, self.request, **self.window.values())).scalar_one()
        if not groups or self.changed_since is None:
            return groups
        changed = self.statements.first_changed_row()
        values = parameters(changed, self.request, **self.window.values(), sexton_since=self.changed_since)
        return groups if connection.execute(changed, values).first() is None else 0

    def words(self, step: str, groups: int) -> str:
        """That it differs, and what to do, for the run's note."""
        start, end = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in self.window)
        differ = "1 group differs" if groups == 1 else f"{groups} groups differ"
        again = f"sexton run {self.request.job} --from {start} --to {end}"
        return f"{step}: {differ} from the rows of the window {start} to {end}; compute it anew: {again}"


def chosen(walk: Walk, step: str) -> Audit | None:
    """The window that this run looks at, before it goes; None: there is none, or others were asked for."""
    rule, mark, schedule = walk.statements.rule, walk.mark, walk.schedule
    if walk.progress is not None:
        return None
    newest = max(walk.request.as_of, mark.looked_at or walk.request.as_of)
    kept_from = max(walk.seal_to, walk.cursor) - LATE_COMMIT_MARGIN
    if rule.rows_kept is not None:
        kept_from = min(kept_from, newest - rule.rows_kept + LATE_COMMIT_MARGIN)
    first = schedule.next(max(kept_from, mark.begins_at) - TICK)
    end = max(walk.cursor, walk.changed_to or walk.cursor)
    if first >= end:
        return None
    drawn = sha256(f"{walk.request.job} {step} {iso(walk.request.as_of)}".encode()).digest()
    share = int.from_bytes(drawn[:6], "big") / 2**48
    start = max(first, schedule.previous(min(first + (end - first) * share, end - TICK)))
    window = Window(start, schedule.next(start))
    sealed = start < walk.cursor  # what is changed in it is brought in by nobody
    since = None if sealed or mark.looked_at is None else mark.looked_at - LATE_COMMIT_MARGIN
    return Audit(walk.statements, walk.request, window, walk.is_careful(window), since)
