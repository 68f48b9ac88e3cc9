"""Q1: a row changes while a job is about to take it. Users win: what was paid or prolonged is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import Column, Engine, ForeignKey, MetaData, Table, exists, not_, select, text, update

from sexton import Job, Transition
from sexton.db.column_types import BigKey
from sexton.db.connect import open_database
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.testing import run_job
from tests.faults.database.rivals import background, session, wait_for_a_waiter
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, Statement, call
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)
PATIENT = replace(UNHURRIED, lock_wait=PATIENCE)
PROLONG = "UPDATE sessions SET expires_at = expires_at + interval '1 year' WHERE id = 2"

KINDS = [("purge", {}), ("purge", {"lock_first": True}), ("expire", {}), ("expire", {"lock_first": True})]
kinds = pytest.mark.parametrize(("kind", "options"), KINDS, ids=["purge", "purge locked", "expire", "expire locked"])


@kinds
def test_q1_a_row_prolonged_between_two_batches_is_left_alone(
    engine: Engine, kind: str, options: dict[str, Any]
) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    def watch(_step: str, counts: Counts) -> None:
        if counts.picked == 1:
            with engine.begin() as connection:
                prolonged = update(shop.table).where(shop.table.c.id == 2).values(expires_at=NOON + HOUR)
                connection.execute(prolonged)

    run = run_job(engine, getattr(shop, kind)(**options), at=NOON, limits=Limits(rows=1, batch=1e-6), watch=watch)

    assert (run.state, run.total.changed) == ("succeeded", 2)
    assert shop.ids(status="open") == [2]


@kinds
@pytest.mark.databases("postgres")
def test_q1_a_row_whose_change_commits_while_we_wait_for_it_is_left_alone(
    engine: Engine, kind: str, options: dict[str, Any]
) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    with background() as start, session(engine) as customer, session(engine) as watcher:
        customer.execute("BEGIN")
        customer.execute(PROLONG)
        running = start(run_job, engine, getattr(shop, kind)(**options), at=NOON, limits=PATIENT)
        wait_for_a_waiter(watcher, "sexton")
        customer.execute("COMMIT")
        run = running.result(PATIENCE)

    assert (run.state, run.total.changed) == ("succeeded", 2)
    assert shop.ids(status="open") == [2]
    assert not any(":2:" in key for key in shop.effects())


@pytest.mark.databases("postgres")
def test_q1_a_row_prolonged_between_looking_and_deleting_is_left_alone(
    engine: Engine, open_proxy: Callable[[str], Proxy]
) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    proxy = open_proxy(address_of(engine))
    ours = open_database(proxy.url_for(address_of(engine)))

    with session(engine) as customer:
        proxy.on(
            lambda statement: statement.text.startswith("DELETE FROM sessions"),
            call(lambda _statement: customer.execute(PROLONG)),
        )
        run = run_job(ours, shop.purge(), at=NOON, limits=Limits(rows=3))
    ours.dispose()

    assert run.total == Counts(picked=2, changed=2)
    assert shop.ids() == [2]


@pytest.mark.databases("postgres")
def test_q1_between_locking_and_changing_nobody_gets_in(engine: Engine, open_proxy: Callable[[str], Proxy]) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    proxy = open_proxy(address_of(engine))
    ours = open_database(proxy.url_for(address_of(engine)))
    refused: list[str] = []

    with session(engine) as customer:
        customer.execute("SET lock_timeout = '10ms'")

        def prolong(_statement: Statement) -> None:
            with pytest.raises(LockNotAvailable) as error:
                customer.execute(PROLONG)
            refused.append(str(error.value))

        proxy.on(lambda statement: statement.text.startswith("WITH picked"), call(prolong))
        run = run_job(ours, shop.expire(lock_first=True), at=NOON)
    ours.dispose()

    assert len(refused) == 1
    assert run.total == Counts(picked=3, changed=3, told=6)


@pytest.mark.databases("postgres")
def test_q1_a_payment_in_another_table_that_commits_while_we_wait_keeps_its_order_alive(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    job = expire_unpaid(shop)

    # As a shop does it: lock the order, write the payment. The batch waits for the order's lock, not for the payment.
    with background() as start, session(engine) as customer, session(engine) as watcher:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 2 FOR UPDATE")
        customer.execute("INSERT INTO payments VALUES (1, 2)")
        running = start(run_job, engine, job, at=NOON, limits=PATIENT)
        wait_for_a_waiter(watcher, "sexton")
        customer.execute("COMMIT")
        run = running.result(PATIENCE)

    assert (run.state, run.total.changed) == ("succeeded", 2)
    assert shop.ids(status="open") == [2]


def test_q1_of_many_rows_paid_during_the_run_none_is_expired_and_none_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)  # batches stay of one size
    shop = make_sessions(engine)
    shop.add(300, age=HOUR)
    paid: list[int] = []

    def watch(_step: str, _counts: Counts) -> None:
        number = 300 - 7 * len(paid)
        with engine.begin() as connection:
            pay = update(shop.table).where(shop.table.c.id == number, shop.table.c.status == "open")
            paid.extend([number] * connection.execute(pay.values(status="paid")).rowcount)

    run = run_job(engine, shop.expire(), at=NOON, limits=Limits(rows=10), watch=watch)

    assert len(paid) > 10
    assert shop.ids(status="paid") == sorted(paid)
    assert run.total == Counts(picked=300 - len(paid), changed=300 - len(paid), told=2 * (300 - len(paid)))
    assert not {f"session_expired:{number}:owner" for number in paid} & set(shop.messages())


def expire_unpaid(shop: Sessions) -> Job:
    """open -> expired, unless there is a payment."""
    metadata = MetaData()
    Table("sessions", metadata, Column("id", BigKey, primary_key=True))
    payments = Table(
        "payments",
        metadata,
        Column("id", BigKey, primary_key=True),
        Column("session_id", BigKey, ForeignKey("sessions.id")),
    )
    with shop.engine.begin() as connection:
        connection.execute(text("CREATE TABLE payments (id bigint PRIMARY KEY, session_id bigint)"))
    columns = shop.table.c
    unpaid = not_(exists(select(1).where(payments.c.session_id == columns.id)))
    work = Transition(
        shop.table,
        {"status": "expired"},
        only=(columns.status == "open") & unpaid,
        by=columns.expires_at,
        kind="deadline",
        lock_first=True,
    )
    return Job("shop.expire_unpaid", work=work)


def address_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)
