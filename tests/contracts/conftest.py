"""Child processes for these tests, and yards whose jobs an engine carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.worker import make_yard
from tests.support.workers import Start, nursery, start

from .carried import CarriedYard, carried_by, close_known
from .carriers import CARRIERS

__all__ = ["carried", "nursery", "start"]

JOBS = "tests.support.carried_jobs"

DATABASE_OF = {
    "files": ("sqlite", "postgres15"),
    "files, executors": ("postgres15",),
    "rq": ("postgres15",),
    "procrastinate": ("postgres15",),
    "celery, redis": ("postgres15",),
    "celery, redis, threads": ("sqlite",),
    "celery, rabbitmq": ("postgres15",),
}
"""What an engine does is the same over any database, and each case starts processes: so not all pairs are run."""

VARIANTS = ("celery, redis, threads", "celery, rabbitmq")
"""Celery passes the whole suite with Redis and processes; these, the cases in which pool or broker matter."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other pairs."""
    left_out = [item for item in items if not _is_run(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _is_run(item: pytest.Item) -> bool:
    callspec: Any = getattr(item, "callspec", None)  # of those with parameters
    params: dict[str, Any] = callspec.params if callspec is not None else {}
    name = params.get("carried") or getattr(params.get("case"), "name", None)
    if name not in DATABASE_OF or "database_kind" not in params:
        return True
    wanted = {name for mark in item.iter_markers("variants") for name in mark.args}
    return params["database_kind"] in DATABASE_OF[name] and (name not in VARIANTS or name in wanted)


@pytest.fixture(autouse=True)
def no_broker_left() -> Iterator[None]:
    """Brokers of the table of outcomes go with their test. Set up first, so it comes after the end of its processes."""
    yield
    close_known()


@pytest.fixture(params=CARRIERS, ids=str)
def carried(
    request: pytest.FixtureRequest,
    engine: Engine,
    database: str,
    tmp_path: Path,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CarriedYard]:
    """A yard whose jobs are carried by each of the engines."""
    carrier = CARRIERS[request.param]()
    yard = carried_by(carrier, make_yard(engine, database, tmp_path, start, jobs=JOBS), tmp_path)
    for path in yard.paths:
        monkeypatch.syspath_prepend(path)
    yield yard
    for process in yard.yard.workers:
        if process.runs:
            process.kill()
    carrier.close()
