"""REP-6, REP-40: one outcome for whatever a function does, whoever starts it; one job's end is never everybody's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.runs.runner import run
from sexton.testing.processes import wait_until
from tests.support.children import command_line
from tests.support.ending_jobs import ENDINGS
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, Yard, make_yard
from tests.support.workers import Start

LONGER = 2 * PATIENCE
"""Seconds for all of them; some have to be killed, and each of those takes a new process."""

SPOIL = ("leave", "hang_up", "leave_a_helper", "crash", "sleep", "doze")
"""They take the process along in which they run."""


def by_due(yard: Yard) -> None:
    """What a crontab line starts."""
    process = yard.start(command_line, "run", "--due", "--quiet", yard.config)
    assert process.wait(LONGER) == 1
    told = [json.loads(line)["job"] for line in process.output.splitlines()]
    assert sorted(told) == sorted(job.name for job, state, _ in ENDINGS.values() if state != "succeeded")


def by_worker(yard: Yard) -> None:
    """A worker."""
    yard.leader()


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("starter", [by_due, by_worker])
@pytest.mark.slow
def test_rep_6_every_end_of_a_function_is_one_outcome_and_the_next_job_runs(
    engine: Engine, database: str, tmp_path: Path, start: Start, starter: Callable[[Yard], None]
) -> None:
    yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.ending_jobs", lease=LONG)
    numbers = {name: yard.ask_for(job.name) for name, (job, _, _) in ENDINGS.items()}

    starter(yard)

    assert wait_until(lambda: set(numbers.values()) <= {run.id for run in yard.runs() if run.finished_at}, LONGER)
    runs = {run.id: run for run in yard.runs()}
    for name, (_, state, words) in ENDINGS.items():
        run = runs[numbers[name]]
        assert (run.state, words in (run.error or "")) == (state, True), (name, run.state, run.error)
    tries: dict[str, int] = {}
    for run in runs.values():
        tries[run.job] = tries.get(run.job, 0) + (run.state not in ("cancelled", "queued", "running"))
    assert {job: count for job, count in tries.items() if count > 1} == {}, "nothing is tried twice by accident"


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("name", [name for name in ENDINGS if name not in SPOIL])
def test_rep_6_the_same_by_hand(engine: Engine, name: str) -> None:
    job, state, words = ENDINGS[name]

    outcome = run(engine, job)

    assert (outcome.state, words in (outcome.error or "")) == (state, True), outcome.error
