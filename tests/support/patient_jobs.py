"""A job that runs for as long as the table `troubles` names it."""

from __future__ import annotations

import time

from sqlalchemy import text

from sexton import Job, Run, cron

DAILY = cron("0 3 * * *")


def wait(run: Run) -> None:
    """Look again and again, until the table has no trouble for it any more."""
    while True:
        with run.transaction() as connection:
            asked = text("SELECT count(*) FROM troubles WHERE job = :job")
            if connection.execute(asked, {"job": run.job}).scalar() == 0:
                return
        run.check()
        time.sleep(0.05)


patient = Job("settle.patient", schedule=DAILY, work=wait)
