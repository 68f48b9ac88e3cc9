"""Deleting notifications past keeping (PF-139)."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert

from sexton import Counts
from sexton.doctor.inspection import job_warnings
from sexton.runs.context import Limits
from sexton.runs.stop_signals import Stop
from tests.support.market import NOW, Market, later, open_market


def test_pf_139_1_deletes_what_is_older_than_30_days_by_created_at_read_or_not(shop: Market) -> None:
    shop.notification(1, created="2026-05-16 03:59:59.999999")
    shop.notification(2, created="2026-05-16 03:59:59.999999", read="2026-06-14")
    shop.notification(3, created="2026-05-16 04:00:00.000000")
    shop.notification(4, created="2026-05-16 04:00:00.000001")
    shop.notification(5, created="9999-12-31")

    run = shop.run("notifications", at="2026-06-15 04:00")

    assert shop.notifications() == [3, 4, 5]
    assert run.total == Counts(picked=2, changed=2)


def test_pf_139_1_unread_ones_are_kept_where_a_product_wants_that(engine: Engine) -> None:
    shop = open_market(engine, only_read=True, notifications_keep="7d")
    shop.notification(1, created="2026-01-01")
    shop.notification(2, created="2026-01-01", read="2026-01-02")
    shop.notification(3, created="2026-06-10", read="2026-06-11")

    shop.run("notifications", at="2026-06-15 04:00")

    assert shop.notifications() == [1, 3]


def test_pf_139_2_a_second_run_deletes_nothing(shop: Market) -> None:
    shop.notification(1, created="2026-05-01")
    shop.notification(2, created="2026-06-01")

    first = shop.run("notifications", at=NOW)
    second = shop.run("notifications", at=NOW)

    assert (first.total.changed, second.total) == (1, Counts())
    assert shop.notifications() == [2]


def fill(shop: Market, due: int) -> None:
    """So many notifications that are due, oldest first, and four times as many that are not."""
    start = later(NOW, days=-30, minutes=-due)
    rows = [{"id": number, "user_id": 1, "created_at": later(start, minutes=number)} for number in range(5 * due)]
    with shop.engine.begin() as connection:
        connection.execute(insert(shop.own.notifications), rows)
        connection.exec_driver_sql("ANALYZE")  # PostgreSQL chooses how to purge by what it knows of the table


@pytest.mark.by_python("looks at each batch from the process")
@pytest.mark.usefixtures("no_ceiling")
def test_pf_139_3_the_work_grows_with_the_rows_deleted_batch_by_batch(shop: Market) -> None:
    fill(shop, 40)
    batches: list[int] = []

    def watch(_step: str, counts: Counts) -> None:
        batches.append(counts.changed)

    shop.run("notifications", at=NOW, limits=Limits(rows=10, batch=60), watch=watch)

    assert batches[0] == 10
    assert batches[-1] == 40
    assert shop.notifications() == list(range(40, 200))


@pytest.mark.by_python("stops it from the process")
@pytest.mark.usefixtures("no_ceiling")
def test_pf_139_4_what_a_stopped_run_has_done_stays_done_and_the_next_one_goes_on(shop: Market) -> None:
    """The table stays bounded even when no run gets through to the end."""
    fill(shop, 40)
    stop = Stop()

    def watch(_step: str, counts: Counts) -> None:
        stop.ask(f"the office closes after {counts.changed}")

    stopped = shop.run("notifications", at=NOW, limits=Limits(rows=10), watch=watch, stop=stop)
    left = len(shop.notifications()) - 160
    resumed = shop.run("notifications", at=NOW)

    assert (stopped.state, stopped.error) == ("cancelled", "the office closes after 10")
    assert left == 30
    assert resumed.total.changed == left
    assert shop.notifications() == list(range(40, 200))


@pytest.mark.parametrize("indexed", [True, False])
def test_pf_139_3_a_missing_index_is_warned_about(engine: Engine, indexed: bool) -> None:
    shop = open_market(engine)
    if not indexed:
        for index in list(shop.own.notifications.indexes):
            index.drop(engine)

    warnings = job_warnings(engine, shop.job("notifications"))

    if indexed:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith("no index serves purge; CREATE INDEX")
        assert warning.endswith("ON notifications (created_at, id)")


def test_pf_139_2_no_archive_and_no_message_is_made(shop: Market) -> None:
    shop.notification(1, created="2026-05-01")
    before = shop.dump()

    shop.run("notifications", at=NOW)

    after = shop.dump()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.removeprefix("sexton").strip("._") for name in changed} == {"notifications", "runs", "leases"}
