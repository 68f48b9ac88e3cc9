"""The licence job as a whole: order of its steps, determinism, what is told through which outbox (PF-137)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sexton.db.connect import open_database
from sexton.packs.marketplace.licences import steps
from sexton.packs.marketplace.options import Options
from sexton.runs.context import Limits
from tests.support.databases import Databases
from tests.support.market import Market, at, open_market

from .concurrent_sessions import refuse_to_insert

Twins = tuple[Market, Market]


@pytest.fixture
def twins(databases: Databases, database_kind: str) -> Iterator[Twins]:
    """Two databases with the very same rows."""
    with ExitStack() as stack:
        markets = []
        for _ in range(2):
            url = stack.enter_context(databases.fresh(database_kind, migrated=True))
            engine = open_database(url)
            stack.callback(engine.dispose)
            markets.append(filled(open_market(engine)))
        yield markets[0], markets[1]


def filled(shop: Market) -> Market:
    """Licences to warn about, to expire and to delete, the latter with files, some of them shared."""
    for number in range(1, 13):
        shop.licence(number, expires=f"2026-06-{10 + number} 04:00", store=number % 5)
    for number in range(21, 27):
        shop.licence(number, expires="2026-05-01", status="expired", store=number % 5)
        shop.file(30 - number, licences=(number,))
    shop.file(100, licences=(21, 26))
    shop.file(101, licences=(22, 1))
    return shop


def run_two_days(shop: Market, limits: Limits) -> None:
    """Today and tomorrow: on the second day licences are deleted as well."""
    for time in ("2026-06-15 04:00", "2026-06-16 04:00"):
        shop.run("licences", at=time, limits=limits)


def test_pf_137_7_the_same_snapshot_gives_the_same_messages_in_the_same_order(twins: Twins) -> None:
    for shop in twins:
        run_two_days(shop, Limits())

    assert "media_object_delete file-100" in twins[0].messages()
    assert twins[0].messages() == twins[1].messages()
    assert twins[0].dump(also_own=False) == twins[1].dump(also_own=False)


def test_pf_137_7_the_size_of_the_batches_changes_neither_the_messages_nor_their_order(twins: Twins) -> None:
    """Batches are sized by the time they take: with other neighbours the same rows are cut at other places."""
    run_two_days(twins[0], Limits(rows=500))
    run_two_days(twins[1], Limits(rows=1, batch=1e-6))

    assert twins[0].messages() == twins[1].messages()
    assert twins[0].dump(also_own=False) == twins[1].dump(also_own=False)


def test_pf_137_7_the_steps_stand_in_the_order_of_the_ticket() -> None:
    names = [step.plan().step for step in steps(Options())]
    assert names == ["warn", "expire", "record", "revoke", "delete"]


def test_pf_137_7_messages_come_step_by_step_and_by_date_within_a_step(shop: Market) -> None:
    shop.licence(1, expires="2026-06-13")
    shop.licence(2, expires="2026-06-12")
    shop.licence(3, expires="2026-06-12")
    shop.licence(4, expires="2026-06-25")
    shop.licence(5, expires="2026-06-24")
    shop.licence(10, expires="2026-06-24")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.messages() == [
        "license_expiring_soon 5",
        "license_expiring_soon 10",
        "license_expiring_soon 4",
        "license_expired 2",
        "license_expired 3",
        "license_expired 1",
    ]


def test_pf_137_7_expired_revoked_and_later_deleted_each_exactly_once(shop: Market) -> None:
    shop.licence(1, expires="2026-05-01")
    shop.file(1, licences=(1,))

    days = ["2026-04-20", "2026-05-02", "2026-05-31", "2026-06-01", "2026-06-02"]
    seen = []
    for day in days:
        shop.run("licences", at=f"{day} 04:00")
        seen.append((shop.messages()[-1:], shop.licences(), shop.stores(), shop.files()))

    assert seen == [
        (["license_expiring_soon 1"], {1: "verified"}, {1: "verified"}, [1]),
        (["license_expired 1"], {1: "expired"}, {1: "expired"}, [1]),
        (["media_object_delete file-1"], {}, {1: "expired"}, []),
        (["media_object_delete file-1"], {}, {1: "expired"}, []),
        (["media_object_delete file-1"], {}, {1: "expired"}, []),
    ]
    assert len(shop.messages()) == 3


def test_pf_137_9_the_tables_are_those_of_the_ticket_and_no_date_is_ever_changed(shop: Market) -> None:
    shop.licence(1, expires="2026-06-14 12:00")
    shop.licence(2, expires="2026-05-01 12:00", status="expired", store=2)
    shop.file(1, licences=(2,))
    before = shop.dump(also_own=False)

    for day in ("2026-06-15 04:00", "2026-06-16 04:00"):
        shop.run("licences", at=day)

    after = shop.dump(also_own=False)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"licenses", "stores", "media", "media_attachments"}
    assert shop.states(shop.own.licenses, "expires_at") == {1: at("2026-06-14 12:00")}


def test_pf_137_8_a_state_and_its_message_are_written_together_or_not_at_all(shop: Market) -> None:
    """The message is written to the outbox in the transaction of the change: where it is refused, the state stays."""
    shop.licence(1, expires="2026-06-14")
    refuse_to_insert(shop.engine, shop.outbox)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert run.state == "partial"
    assert shop.poison() == [("expire", "1")]
    assert shop.licences() == {1: "verified"}
    assert shop.effects() == []
