"""Purges beside readers and consumers: a row in use is left, nobody waits longer than a batch (PF-139, PF-140)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, select, update

from sexton import Counts
from sexton.db.connect import open_database
from sexton.runs.context import Limits
from tests.support.market import NOW, Market, at, later
from tests.support.patience import PATIENCE
from tests.support.waiters import wait_for_writers

from .concurrent_sessions import BRIEF, rival


@pytest.mark.databases("postgres")
def test_a_notification_being_marked_as_read_is_left_for_the_next_run(shop: Market) -> None:
    """PF-139.2"""
    notes = shop.own.notifications
    for number in range(1, 6):
        shop.notification(number, created="2026-05-01")
    read = update(notes).where(notes.c.id == 3).values(read_at=at(NOW))

    with rival(shop, read) as reader:
        run = shop.run("notifications", limits=BRIEF)
        reader.commit()

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 4, 1)
    assert shop.notifications() == [3]
    assert shop.run("notifications").total.changed == 1


@pytest.mark.databases("postgres")
def test_pf_140_3_a_row_that_a_consumer_is_publishing_stays_and_the_consumer_never_waits(shop: Market) -> None:
    """Its last attempt is about to succeed: the consumer's lock wins."""
    events = shop.outbox
    for number in range(1, 6):
        shop.event(number, attempts=5, tried="2026-05-01")
    take = select(events).where(events.c.id == 3).with_for_update()

    with rival(shop, take) as consumer:
        run = shop.run("outbox", limits=BRIEF)
        consumer.exec_driver_sql("SET LOCAL lock_timeout = '1s'")  # nobody is left who could let go of a lock
        consumer.execute(update(events).where(events.c.id == 3).values(published_at=at(NOW)))
        consumer.commit()

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 4, 1)
    assert [row.id for row in shop.sent()] == [3]
    assert shop.run("outbox").state == "succeeded"


@pytest.mark.by_python("looks at each batch from the process")
@pytest.mark.databases("postgres")
def test_pf_140_3_a_consumer_at_work_during_the_purge_waits_for_none_of_its_batches(shop: Market) -> None:
    """He takes and publishes a row before each batch of thousands of old ones is committed: no wait would end."""
    old = {"published_at": later(NOW, days=-60)}
    events = [
        {
            "id": number,
            "key": f"k{number}",
            "event_type": "order_paid",
            "payload": {},
            "created_at": later(NOW, days=-70),
        }
        for number in range(1, 20_001)
    ]
    with shop.engine.begin() as connection:
        connection.execute(shop.outbox.insert(), events)
        connection.execute(update(shop.outbox).where(shop.outbox.c.id <= 5_000).values(old))
    other = open_database(shop.engine.url.render_as_string(hide_password=False))
    batches: list[str] = []
    published: list[str] = []

    def consume(_committing: Connection) -> None:
        with other.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            publish_next(connection, shop.outbox)
        published.append("one")

    event.listen(shop.engine, "commit", consume)
    run = shop.run("outbox", watch=lambda step, _counts: batches.append(step))
    other.dispose()

    assert (run.state, run.total.changed) == ("succeeded", 5_000)
    assert len(published) > len(batches) >= 1


def publish_next(connection: Connection, events: Table) -> None:
    """What a consumer does: take the next waiting row, and mark it published."""
    waiting = select(events.c.id).where(events.c.published_at.is_(None)).order_by(events.c.id).limit(1)
    number = connection.execute(waiting.with_for_update(skip_locked=True)).scalar_one()
    connection.execute(update(events).where(events.c.id == number).values(published_at=at(NOW)))


@pytest.mark.by_python("stops between two batches")
def test_a_row_that_ceases_to_be_due_between_two_batches_is_not_touched(shop: Market) -> None:
    """PF-138.2: every batch asks anew, of every database."""
    for number in (1, 2, 3):
        shop.order(number, created=f"2026-06-01 0{number}:00")

    def meanwhile(_step: str, counts: Counts) -> None:
        if counts.changed == 1:
            shop.change(shop.own.vendor_orders, 2, status="cancelled")

    shop.run("orders", limits=Limits(rows=1, batch=1e-6), watch=meanwhile)

    assert shop.orders() == {1: "expired", 2: "cancelled", 3: "expired"}


@pytest.mark.databases("sqlite")
def test_on_sqlite_a_writer_in_its_transaction_is_waited_for_and_wins(shop: Market) -> None:
    """PF-138.2: there is one writer at a time; the job comes after it and sees what it did."""
    shop.order(1, created="2026-06-01")
    shop.order(2, created="2026-06-01")
    orders = shop.own.vendor_orders
    cancelled = update(orders).where(orders.c.id == 1).values(status="cancelled")
    writes = Event()

    def note(_connection: Any, _cursor: Any, sql: str, _values: Any, _context: Any, _many: bool) -> None:
        if sql == "BEGIN IMMEDIATE":
            writes.set()

    wait_for_writers(shop.engine)
    with rival(shop, cancelled) as buyer, ThreadPoolExecutor(1) as threads:
        event.listen(shop.engine, "before_cursor_execute", note)
        job = threads.submit(shop.run, "orders")
        assert writes.wait(PATIENCE)
        waiting = not job.done()
        buyer.commit()

    assert waiting
    assert job.result().state == "succeeded"
    assert shop.orders() == {1: "cancelled", 2: "expired"}
