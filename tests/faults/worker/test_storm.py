"""L4, P7, D2, D11: three workers, twenty jobs due every second, and for 15 seconds a database everything goes wrong.

`python -m tests.soak` does the same for ten minutes, with restarts of the server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine

from tests.support.chaos import EAGER, JOBS, Storm, assert_nothing_lost_or_doubled
from tests.support.proxy import Proxy
from tests.support.worker import make_yard
from tests.support.workers import Start

pytestmark = pytest.mark.slow

SECONDS = 15.0


@pytest.mark.databases("sqlite", "postgres18")
def test_l4_nothing_is_lost_and_nothing_runs_twice_in_a_storm(
    engine: Engine,
    database: str,
    tmp_path: Path,
    start: Start,
    open_proxy: Callable[[str], Proxy],
    chance: Random,
) -> None:
    yard = make_yard(engine, database, tmp_path, start, jobs=JOBS)
    network = open_proxy if engine.dialect.name == "postgresql" else None
    storm = Storm(yard, tmp_path, chance, network)
    storm.gather(3, database)
    yard.wait_until(lambda: bool(yard.runs(EAGER)))

    storm.blow(SECONDS)
    runs = storm.calm()

    print(storm.takeovers)
    assert_nothing_lost_or_doubled(runs)
