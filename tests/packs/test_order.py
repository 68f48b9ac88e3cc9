"""BJ-28.2: of jobs that are due at once, those that tell somebody come before those that only delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from sexton import Purge
from sexton.app import PACKS, App
from sexton.config import Settings
from sexton.jobs.job import Job


def only_deletes(job: Job) -> bool:
    """Whether every step is a purge."""
    steps = job.load()
    return isinstance(steps, list) and all(isinstance(step, Purge) for step in steps)


BY_TICKET = {
    "storefront.release_stale_holds": "HIGH: deleting a hold gives its stock back (ORA-INV.1)",
    "storefront.purge_password_resets": "MEDIUM, by the guide's table (ORA-PWD, ORA-SUM)",
}
"""Jobs that only delete, and whose priority a ticket names."""


@pytest.mark.parametrize("pack", PACKS)
def test_bj_28_2_critical_jobs_come_before_cleanup(pack: str) -> None:
    app = App(Settings(packs=(pack,)), folder=Path())
    cleanup = {job.name for job in app.registry if only_deletes(job)} - BY_TICKET.keys()

    order = app.registry.names()
    assert cleanup, "a pack without retention?"
    assert set(order[-len(cleanup) :]) == cleanup
    assert order[-1] == "sexton.housekeeping"


def test_bj_28_2_a_job_of_ones_own_comes_before_the_cleanup_of_packs(tmp_path: Path) -> None:
    """Though it is registered after them, and without its author having thought of it."""
    (tmp_path / "own.py").write_text('from sexton import Job\n\nretry = Job("shop.retry", work=print)\n')
    app = App(Settings(packs=("marketplace",), jobs=("own.py",)), folder=tmp_path)

    names = app.registry.names()
    assert names.index("marketplace.expire_orders") < names.index("shop.retry")
    assert names.index("shop.retry") < names.index("marketplace.purge_notifications")
