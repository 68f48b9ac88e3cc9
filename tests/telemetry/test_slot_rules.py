"""PGC-3: slots written ahead that run out are an incident, until they are written again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from sexton import cron
from sexton.db.tables import own_tables
from sexton.jobs.job import IN_DATABASE
from sexton.slots.upcoming_slots import LOW, fill, refill

from .past import Past, at

NOW = "15 12:05"


@pytest.fixture
def inside(past: Past) -> Past:
    """A job that PostgreSQL runs by itself, and its slots."""
    past.job = replace(past.job, engine=IN_DATABASE, schedule=cron("0 12 * * *", "Europe/Berlin"))
    past.ran("15 10:00")
    with past.engine.begin() as connection:
        fill(connection, past.job, at(NOW))
    return past


def keep(past: Past, days: timedelta) -> None:
    """Of what is written, no more than so many days from now."""
    slots = own_tables("postgresql").slots
    with past.engine.begin() as connection:
        connection.execute(delete(slots).where(slots.c.slot > at(NOW) + days))


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(("days", "said"), [(LOW, "has slots until 2026-08-14 only"), (timedelta(0), "no slots left")])
def test_pgc_3_fewer_than_60_days_of_slots_are_an_incident_until_more_are_written(
    inside: Past, days: timedelta, said: str
) -> None:
    assert inside.events(NOW) == []
    keep(inside, days)
    (event,) = inside.assess(NOW)
    assert (event.what, event.kind, event.job) == ("open", "slots_low", inside.job.name)
    assert said in event.text
    with inside.engine.begin() as connection:
        assert refill(connection, [inside.job], at(NOW)) == [inside.job.name]
    assert inside.events("15 12:06") == [("close", "slots_low")]


@pytest.mark.databases("postgres")
def test_a_job_that_was_never_installed_or_is_a_workers_again_needs_none(inside: Past) -> None:
    keep(inside, timedelta(0))
    inside.job = replace(inside.job, engine="worker")
    assert inside.events(NOW) == []
    inside.job = replace(inside.job, engine=IN_DATABASE)
    keep(inside, -timedelta(days=999))
    assert inside.events(NOW) == []
