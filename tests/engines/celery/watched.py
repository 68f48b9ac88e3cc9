"""What tests see of Celery's processes from outside."""

from __future__ import annotations

from pathlib import Path

from sexton.db.connect import read_only
from sexton.engines.registry import engine_of
from sexton.slots.engine_counts import EngineCounts, counts_since
from sexton.slots.history import RunRecord
from tests.contracts.carried import CarriedYard
from tests.support.sessions import NOON


def process_of(run: RunRecord) -> int:
    """The process in which it happened."""
    return int(run.worker.split(":")[1])


def children_of(process: int) -> set[int]:
    """Those that run, not those that have ended."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == process and state != "Z":
            found.add(int(folder.name))
    return found


def running(yard: CarriedYard, job: str) -> RunRecord:
    """The run of this job that is under way, once there is one."""
    yard.yard.wait_until(lambda: any(run.state == "running" for run in yard.yard.runs(job)))
    return next(run for run in yard.yard.runs(job) if run.state == "running")


def counted(yard: CarriedYard) -> EngineCounts:
    """What was counted of Celery."""
    with read_only(yard.yard.engine) as connection:
        return counts_since(connection, NOON).get("celery", EngineCounts())


def waiting(yard: CarriedYard) -> int | None:
    """Messages that nobody has taken; None when the broker does not answer."""
    app = yard.app()
    engine = engine_of(app, "celery")
    try:
        return engine.health().waiting
    finally:
        engine.close()
        app.database.dispose()
