"""BJ-25, S1 to S10: runs that an engine carries. Each case runs on every engine of `carriers.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.worker import make_yard
from tests.support.workers import Start

from .carried import CarriedYard, carried_by
from .carriers import CARRIERS

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
    carrier = CARRIERS[request.param]()
    yard = carried_by(carrier, make_yard(engine, database, tmp_path, start, jobs=JOBS), tmp_path)
    for path in yard.paths:
        monkeypatch.syspath_prepend(path)
    yield yard
    for process in yard.yard.workers:
        if process.runs:
            process.kill()
    carrier.close()


@pytest.mark.databases("sqlite", "postgres15")
def test_bj_25_1_what_is_asked_for_runs_in_a_worker_of_the_engine(carried: CarriedYard) -> None:
    carried.scheduler()
    carried.worker()

    number = carried.yard.ask_for("carried.quick")

    assert carried.yard.ended(number).state == "succeeded"
    carried.end()


@pytest.mark.databases("sqlite", "postgres15")
def test_bj_25_1_requests_with_arguments_are_carried_as_well(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    carried.worker()

    numbers = list(range(250))
    carried.enqueue("carried.note", numbers)

    carried.yard.wait_until(lambda: sorted(carried.notes()) == numbers)
    carried.end()
