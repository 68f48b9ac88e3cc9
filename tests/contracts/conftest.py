"""Child processes for these tests, and yards whose jobs an engine carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.worker import make_yard
from tests.support.workers import Start, nursery, start

from .carried import CarriedYard, carried_by
from .carriers import CARRIERS

__all__ = ["carried", "nursery", "start"]

JOBS = "tests.support.carried_jobs"


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
