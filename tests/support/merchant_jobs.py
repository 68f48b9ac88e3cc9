"""Jobs over all merchants: a purge, and a function that no fleet runs."""

from __future__ import annotations

from sexton import Job, Run, cron

from .merchant_fleet import purge_job

purge = purge_job(schedule=None)
yearly = purge_job("shop.yearly_purge", schedule=cron("0 3 1 1 *"))


def _greet(_run: Run) -> None:
    """Nothing."""


greet = Job("shop.greet", work=_greet)
