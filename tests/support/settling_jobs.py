"""Jobs that fail in a given way as often as the table `troubles` has rows for them, and then go well."""

from __future__ import annotations

from sqlalchemy import text

from sexton import Job, Misfire, Run, cron, parse_backoff
from sexton.errors import HeldElsewhere

DAILY = cron("0 3 * * *")
TROUBLES = {"held": HeldElsewhere("somebody migrates the table"), "error": ValueError("no price list")}


def work(run: Run) -> None:
    """Take a trouble from the table, if there is one, and have it."""
    with run.transaction() as connection:
        kind = connection.execute(text("SELECT kind FROM troubles WHERE job = :job"), {"job": run.job}).scalar()
        connection.execute(text("DELETE FROM troubles WHERE job = :job"), {"job": run.job})
    if kind is not None:
        raise TROUBLES[kind]


each = Job("settle.each", schedule=DAILY, work=work, misfire=Misfire("all", limit=4))
retried = Job("settle.retried", schedule=DAILY, work=work, misfire=Misfire("all", limit=4), retry=parse_backoff(["1h"]))
