"""Jobs that an engine carries, in tests with its real workers: quick ones, patient ones, and bad ones."""

from __future__ import annotations

from sexton import Job, Run

from .patient_jobs import wait
from .worker_jobs import brood, doze, quick, spin


def wander(run: Run) -> None:
    """Never asks whether it should stop, nor ends."""
    while True:
        pass


idle = Job("calm.idle", work=quick)
urgent = Job("urgent.idle", work=quick, priority=5)
patient = Job("settle.patient", work=wait)
waiting = Job("other.patient", work=wait)
wanderer = Job("bad.wander", work=wander, timeout="1h")
spinner = Job("bad.spin", work=spin, timeout="3s")
dozer = Job("bad.doze", work=doze, timeout="3s")
brooder = Job("bad.brood", work=brood, timeout="3s")
