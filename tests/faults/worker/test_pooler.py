"""D12: between worker and PostgreSQL stands PgBouncer in transaction mode. Everything works, only NOTIFY is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.pgbouncer import pgbouncer
from tests.support.worker import Yard, assert_no_slot_twice, has_every_slot, make_yard
from tests.support.workers import Start

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Iterator[Yard]:
    """Workers that reach the database through a pooler; the test itself does not."""
    with pgbouncer(database) as pooled:
        yield make_yard(engine, pooled, tmp_path, start)


@pytest.mark.databases("postgres18")
def test_d12_slots_triggers_and_takeover_through_a_transaction_pooler(yard: Yard) -> None:
    leader = yard.leader()
    standby = yard.worker()
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) >= 2)

    assert yard.ended(yard.ask_for("calm.idle")).state == "succeeded"
    leader.kill()
    standby.wait_for('"leading"')

    seen = len(yard.runs("tick.every_slot"))
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) >= seen + 3)
    assert_no_slot_twice(yard.runs())
    assert has_every_slot(yard.runs("tick.every_slot"))
