"""REP-20: a child that somebody renews while its parent's delete waits for it keeps the parent, and is not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, exists, select, text

from sexton import Child, Job, Purge, UtcDateTime
from sexton.runs.context import Limits
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.waiters import somebody_waits

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST, LATER = int(NOON.timestamp()) - 1, int(NOON.timestamp()) + 9999
OLD = f"NOT EXISTS (SELECT 1 FROM mails m WHERE m.box = boxes.id AND m.sent_at >= {PAST})"

pytestmark = pytest.mark.databases("postgres15")


@contextmanager
def renewed_while_we_wait(shop: Shop, statement: str) -> Iterator[None]:
    """Somebody has done this and not committed; he does as soon as somebody waits for him."""
    with shop.engine.connect() as rival:
        rival.execute(text(statement))

        def commit_when_waited_for() -> None:
            wait_until(lambda: somebody_waits(shop.engine), PATIENCE, pause=0.002)
            rival.commit()

        thread = threading.Thread(target=commit_when_waited_for)
        thread.start()
        yield
        thread.join()


def boxes(shop: Shop, rule: str) -> None:
    """Twenty boxes that are due, with two old mails each, and a line of headers to each mail."""
    shop.do(
        "CREATE TABLE boxes (id int PRIMARY KEY, ends bigint)",
        f"CREATE TABLE mails (id int PRIMARY KEY, box int REFERENCES boxes (id) {rule}, sent_at bigint)",
        "CREATE TABLE headers (mail int REFERENCES mails (id) ON DELETE CASCADE, seen_at bigint)",
        f"INSERT INTO boxes SELECT n, {PAST} - 100 + n FROM generate_series(1, 20) n",
        f"INSERT INTO mails SELECT n, 1 + n % 20, {PAST} - 50 FROM generate_series(1, 40) n",
        f"INSERT INTO headers SELECT n, {PAST} - 50 FROM generate_series(1, 40) n",
    )


def policy(**written: Any) -> dict[str, Any]:
    return {"purge": "boxes", "by": "ends", "unit": "s", "max_share": 1.0, "only": OLD} | written


LISTED = {
    "cascade, not listed": ("ON DELETE CASCADE", {}),
    "cascade, listed": ("ON DELETE CASCADE", {"children": {"mails": "box"}}),
    "listed": ("", {"children": {"mails": "box"}}),
    "set null, not listed": ("ON DELETE SET NULL", {}),
    "set null, listed": ("", {"children": {"mails": {"column": "box", "action": "set null"}}}),
}


@pytest.mark.parametrize(("rule", "written"), LISTED.values(), ids=LISTED)
def test_rep_20_a_child_that_is_renewed_meanwhile_keeps_its_parent(
    rule: str, written: dict[str, Any], shop: Shop
) -> None:
    boxes(shop, rule)
    job = shop.armed(**policy(**written))

    with renewed_while_we_wait(shop, f"UPDATE mails SET sent_at = {LATER} WHERE id = 6"):
        run = run_job(shop.engine, job, at=NOON, limits=Limits(lock_wait=PATIENCE))

    assert (run.state, run.total.changed) == ("succeeded", 19), run.error
    assert shop.ids("boxes") == [7]
    assert shop.ids("mails", "box = 7") == [6, 26]


def test_rep_20_a_child_of_a_child_that_the_condition_asks_about(shop: Shop) -> None:
    boxes(shop, "")
    only = (
        "NOT EXISTS (SELECT 1 FROM mails m JOIN headers h ON h.mail = m.id"
        f" WHERE m.box = boxes.id AND h.seen_at >= {PAST})"
    )
    job = shop.armed(**policy(only=only, children={"mails": {"column": "box", "children": {"headers": "mail"}}}))

    with renewed_while_we_wait(shop, f"UPDATE headers SET seen_at = {LATER} WHERE mail = 6"):
        run = run_job(shop.engine, job, at=NOON, limits=Limits(lock_wait=PATIENCE))

    assert (run.state, shop.ids("boxes"), shop.ids("mails")) == ("succeeded", [7], [6, 26]), run.error


def test_rep_20_a_child_that_comes_meanwhile_keeps_its_parent(shop: Shop) -> None:
    """Who adds one locks the parent, as the foreign key asks for it."""
    boxes(shop, "ON DELETE CASCADE")
    job = shop.armed(**policy())

    with renewed_while_we_wait(shop, f"INSERT INTO mails VALUES (99, 7, {LATER})"):
        run = run_job(shop.engine, job, at=NOON, limits=Limits(lock_wait=PATIENCE))

    assert (run.state, shop.ids("boxes")) == ("succeeded", [7]), run.error


def test_rep_20_a_child_that_nobody_lets_go_is_left_over(shop: Shop) -> None:
    boxes(shop, "ON DELETE CASCADE")
    job = shop.armed(**policy())

    with shop.engine.connect() as rival:
        rival.execute(text(f"UPDATE mails SET sent_at = {LATER} WHERE id = 6"))
        run = run_job(shop.engine, job, at=NOON, limits=Limits(lock_wait=0.05))

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 19, 1), run.error
    assert shop.ids("boxes") == [7]


def test_rep_20_a_policy_of_python_locks_the_children_that_it_asks_about(shop: Shop) -> None:
    boxes(shop, "")
    shop.do("DROP TABLE headers", "ALTER TABLE boxes ALTER ends TYPE timestamptz USING to_timestamp(ends)")
    metadata = MetaData()
    table = Table("boxes", metadata, Column("id", Integer, primary_key=True), Column("ends", UtcDateTime))
    columns = Column("id", Integer, primary_key=True), Column("box", Integer), Column("sent_at", Integer)
    mails = Table("mails", metadata, *columns)
    old = ~exists(select(mails.c.id).where(mails.c.box == table.c.id, mails.c.sent_at >= PAST))
    children = (Child(mails, mails.c.box),)
    work = Purge(table, by=table.c.ends, keep="0s", kind="deadline", only=old, children=children)

    with renewed_while_we_wait(shop, f"UPDATE mails SET sent_at = {LATER} WHERE id = 6"):
        run = run_job(shop.engine, Job("shop.purge_boxes", work=work), at=NOON, limits=Limits(lock_wait=PATIENCE))

    assert (run.state, shop.ids("boxes"), shop.ids("mails")) == ("succeeded", [7], [6, 26]), run.error
