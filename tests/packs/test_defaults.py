"""BJ-23.4, BJ-23.5, BJ-28: each schedule of a pack is documented, and the defaults fit shared hosting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from sexton.app import PACKS, App
from sexton.config import Settings
from sexton.engines.crontab.text import CPANEL_LIMIT
from sexton.jobs.crowding import crowding_warnings
from sexton.jobs.job import Job

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(params=PACKS)
def jobs(request: pytest.FixtureRequest) -> list[Job]:
    """The jobs of a pack with its default settings, and Sexton's own."""
    return list(App(Settings(packs=(request.param,))).registry)


def test_bj_23_4_every_schedule_is_documented(jobs: list[Job]) -> None:
    for job in jobs:
        assert job.description, job.name
        if job.schedule is None:
            continue
        page = REFERENCE / f"{job.name.partition('.')[0]}.md"
        if page.exists():
            assert f"`{job.schedule.text}`" in page.read_text(), job.name


def test_bj_23_5_a_run_ends_before_shared_hosts_end_it(jobs: list[Job]) -> None:
    assert [job.name for job in jobs if job.time_limit >= CPANEL_LIMIT] == []


def test_bj_23_5_no_job_is_due_more_often_than_shared_hosts_start_anything(jobs: list[Job]) -> None:
    for job in jobs:
        slots = job.schedule.between(NOW, NOW + timedelta(days=2)) if job.schedule is not None else []
        assert all(later - earlier >= CPANEL_LIMIT for earlier, later in pairwise(slots)), job.name


def test_bj_28_3_the_schedules_are_spread(jobs: list[Job]) -> None:
    """BJ-28.1, BJ-28.3: no crowded minute, no midnight, no time that a clock change moves."""
    assert list(crowding_warnings({job.name: job.schedule for job in jobs if job.schedule}, NOW)) == []
