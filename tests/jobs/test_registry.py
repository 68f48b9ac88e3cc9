"""The jobs of an application, by name and in the order they run (BJ-01.1, PF-136.2)."""

from __future__ import annotations

import pytest

from sexton.errors import PolicyError, UnknownName
from sexton.jobs.job import Job
from sexton.jobs.registry import Registry


def registry_of(**priorities: int) -> Registry:
    registry = Registry()
    for name, priority in priorities.items():
        registry.add(Job(name, priority=priority, work=print))
    return registry


def test_jobs_come_by_priority_and_then_as_they_were_added() -> None:
    registry = registry_of(purge=0, notify=5, archive=0, expire=5)

    assert registry.names() == ["notify", "expire", "purge", "archive"]
    assert [job.name for job in registry] == registry.names()
    assert len(registry) == 4


def test_a_job_is_found_by_its_name() -> None:
    """BJ-01.1, BJ-01.6"""
    assert registry_of(purge=0, notify=5).get("notify").priority == 5


def test_rep_34_of_two_jobs_with_one_name_neither_stays() -> None:
    registry = registry_of(purge=3)

    with pytest.raises(PolicyError, match="two jobs are named 'purge'"):
        registry.add(Job("purge", work=print))
    with pytest.raises(PolicyError, match="two jobs are named 'purge'"):
        registry.add(Job("purge", work=print))

    assert registry.names() == []  # nobody can tell which one is meant


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match="no job named 'purg'; did you mean purge"):
        registry_of(purge=0, notify=0).get("purg")
