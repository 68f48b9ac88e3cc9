"""The contract stays compilable: policies run inside PostgreSQL as they run from Python, with the same outcome."""

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
from sexton.runs.runner import planned
from tests.support.databases import Databases
from tests.support.market import JOBS, NOW, Market, at, later

from .procedure import call, procedure

pytestmark = pytest.mark.databases("postgres")

DRIFTED = 150
"""Product of the demonstration whose stock is too small: a procedure does not set rows aside."""


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
            markets[-1].change(markets[-1].own.inventory, DRIFTED, reserved=3)
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


@pytest.mark.parametrize("name", JOBS)
def test_a_job_does_the_same_inside_the_database_as_from_python(twins: tuple[Market, Market], name: str) -> None:
    """Every policy of the marketplace, over two days, in a session of another time zone and search path (SEC-1)."""
    python, inside = twins
    text = procedure(planned(inside.job(name)), inside.engine.dialect)
    with inside.engine.begin() as connection:
        connection.exec_driver_sql(text.replace("%", "%%"))

    batches = 0
    for time in (at(NOW), later(NOW, days=1)):
        assert python.run(name, at=time).state == "succeeded"
        moment = f"{time:%Y-%m-%d %H:%M:%S}"
        batches += call(inside.engine, job=JOBS[name], at=moment, batch=40, zone="Asia/Jerusalem")

    assert batches > 3
    assert inside.dump(also_own=False) == python.dump(also_own=False)
    assert told(inside) == told(python)
