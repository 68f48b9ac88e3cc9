"""One definition, two places: policies run inside PostgreSQL as they run from Python, with the same outcome.

Rows, effects, messages, counts, rows set aside and history are compared; PGC-3, PGC-5, PGC-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import select

from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.packs.marketplace.demo import seed
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import tables
from sexton.runs.runner import RunOptions
from sexton.slots.due_run import DueRun
from tests.support.databases import Databases
from tests.support.inside import SMALL_BATCHES, autocommit, run_inside
from tests.support.market import JOBS, NOW, Market, at, later

pytestmark = pytest.mark.databases("postgres")

DRIFTED = 150
"""Product of the demonstration whose stock is too small: an order of it is set aside."""


@pytest.fixture
def twins(databases: Databases, database_kind: str) -> Iterator[tuple[Market, Market]]:
    """Two databases with the very same rows, those of the demonstration."""
    with ExitStack() as stack:
        markets = []
        for _ in range(2):
            engine = open_database(stack.enter_context(databases.fresh(database_kind, migrated=True)))
            stack.callback(engine.dispose)
            seed(engine, at(NOW))
            markets.append(Market(engine, Options(), tables(Options())))
        yield markets[0], markets[1]


def told(shop: Market) -> tuple[list[Any], list[Any]]:
    """Effects, and messages in the order of writing but for the deletion of files, which is compared by key."""
    ours = own_tables("postgresql")
    fact, event = ours.effects.c, ours.outbox_events.c
    known = select(fact.key, fact.job, fact.subject, fact.created_at).order_by(fact.key)
    written = select(event.key, event.event_type, event.recipient, event.payload, event.created_at)
    with shop.engine.connect() as connection:
        effects = list(connection.execute(known))
        messages = list(connection.execute(written.order_by(event.id)))
    files = [message for message in messages if message.event_type == "media_object_delete"]
    return effects, [message for message in messages if message not in files] + sorted(files, key=lambda one: one.key)


def history(shop: Market) -> list[Any]:
    """What the run rows say, but for who ran them, when, and in how many batches."""
    runs = own_tables("postgresql").runs.c
    told = select(runs.job, runs.slot, runs.attempt, runs.state, runs.as_of, runs.counts, runs.picked, runs.changed)
    told = told.add_columns(runs.told, runs.skipped, runs.error, runs.note, runs.outcome_code, runs.missed)
    with shop.engine.connect() as connection:
        return list(connection.execute(told.order_by(runs.id)))


@pytest.mark.parametrize("name", JOBS)
def test_a_job_does_the_same_inside_the_database_as_from_python(twins: tuple[Market, Market], name: str) -> None:
    """Every policy of the marketplace, over two days, in a session of another time zone and search path (SEC-1)."""
    python, inside = twins
    with autocommit(inside.engine) as connection:
        connection.exec_driver_sql(
            f"ALTER ROLE CURRENT_USER IN DATABASE {inside.engine.url.database} SET TimeZone = 'Asia/Jerusalem'"
        )

    for time in (at(NOW), later(NOW, days=1)):
        job, due = inside.job(name), DueRun(JOBS[name], None, time)
        python.run(name, at=time, limits=SMALL_BATCHES)
        run_inside(inside.engine, job, due, RunOptions(limits=SMALL_BATCHES))

    assert inside.dump(also_own=False) == python.dump(also_own=False)
    assert told(inside) == told(python)
    assert inside.poison() == python.poison()
    assert history(inside) == history(python)
    assert history(inside)[0].picked > 2 * SMALL_BATCHES.rows
