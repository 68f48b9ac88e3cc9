"""A database that the version before made, after `sexton migrate`: known, armed, set aside and archived as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from sexton import Job
from sexton.app import App
from sexton.clock import parse_instant
from sexton.config.sources import load
from sexton.db.connect import open_database
from sexton.db.migrate import HEAD_REVISION, revision
from sexton.db.tables import own_tables
from sexton.runs.outcome import Outcome
from sexton.testing import run_job
from tests.cli.shell import Shell
from tests.support import earlier_shop as earlier

pytestmark = pytest.mark.databases("sqlite", "postgres15")

SOON = parse_instant(earlier.NOW) + timedelta(minutes=30)
"""After the upgrade; what is set aside still rests."""

LATER = SOON + timedelta(days=2)


class Shop(Shell):
    """The shop after its upgrade."""

    def __init__(self, url: str, folder: Path, more: str = "") -> None:
        super().__init__(folder)
        self.engine: Engine = open_database(url)
        self.write("sexton.toml", f'database = "{url}"\n{earlier.SETTINGS}{more}')

    def fill(self, **rows: tuple[tuple[object, ...], ...]) -> None:
        """Rows of the product that are due, by table."""
        with self.engine.begin() as connection:
            for table, keys in rows.items():
                earlier.add(connection, table, *keys)

    def run(self, policy: str, at: object = SOON) -> Outcome:
        """The job of a policy, once."""
        app = App(load(self.folder / "sexton.toml", environ={}, folder=self.folder), folder=self.folder)
        return run_job(self.engine, app.registry.get(f"policies.{policy}"), at=at)  # type: ignore[arg-type]

    def run_job(self, job: Job, slot: datetime) -> Outcome:
        """A job of Python for a slot."""
        return run_job(self.engine, job, at=SOON, slot=slot)

    def count(self, name: str) -> int:
        """Rows in one of our tables."""
        with self.engine.connect() as connection:
            table = getattr(own_tables(self.engine.dialect.name), name)
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def shop(empty_database: str, tmp_path: Path) -> Iterator[Shop]:
    """Rows as they were when the earlier version ran last, and its tables brought to this revision."""
    shop = Shop(empty_database, tmp_path)
    with shop.engine.begin() as connection:
        earlier.build(connection)
    shop.fill(
        seats=earlier.PAIRS,
        bills=tuple((number,) for number in range(1, 6)),
        tokens=tuple((token,) for token in earlier.TEXTS),
        **earlier.REFUSED,
    )
    earlier.put_back(shop.engine, tmp_path)
    with shop.engine.connect() as connection:
        assert revision(connection) == earlier.REVISION < HEAD_REVISION
    done = shop.sexton("migrate")
    assert (done.code, done.err) == (0, "")
    yield shop
    shop.engine.dispose()


def test_sec_7_nobody_is_told_again_after_an_upgrade(shop: Shop) -> None:
    before = shop.count("effects"), shop.count("outbox_events")

    assert [shop.run(policy).total.told for policy in ("seats_over", "bills_over", "tokens_closed")] == [0, 0, 0]

    assert (shop.count("effects"), shop.count("outbox_events")) == before


def test_sec_7_rows_that_came_later_are_told_whatever_was_told_before(shop: Shop) -> None:
    shop.fill(seats=(("a~1b", "c"), ("a", "b~1c"), ("new", "one")), bills=((6,),), tokens=(("t~11",), ("t:2",)))

    told = {policy: shop.run(policy).total.told for policy in ("seats_over", "bills_over", "tokens_closed")}

    assert told == {"seats_over": 3, "bills_over": 1, "tokens_closed": 2}
    assert shop.run("seats_over").total.told == 0


def test_sec_7_rows_that_were_set_aside_still_are_until_their_next_try(shop: Shop) -> None:
    for policy, table in (("places_gone", "places"), ("codes_gone", "codes")):
        many = len(earlier.REFUSED[table])
        assert (shop.run(policy).total.picked, shop.run(policy).total.poison) == (0, 0), policy
        again = shop.run(policy, LATER).total
        assert (again.changed, again.poison) == (0, many), policy

    assert shop.count("poison") == sum(map(len, earlier.REFUSED.values()))


def test_policies_stay_armed_through_an_upgrade(shop: Shop) -> None:
    shop.fill(places=(("gone", "2"),), codes=(("gone 2",),), orders=((10,),))

    outcomes = {policy: shop.run(policy) for policy in ("places_gone", "codes_gone", "orders_kept")}

    assert {policy: outcome.total.changed for policy, outcome in outcomes.items()} == dict.fromkeys(outcomes, 1)


def test_archives_of_the_version_before_are_verified_and_put_back(shop: Shop) -> None:
    (file,) = (shop.folder / "kept" / "orders_kept").glob("*.gz")

    verified = shop.sexton("archive", "verify")
    restored = shop.sexton("archive", "restore", file.name, "--yes")

    assert (verified.code, verified.out.count("ok ")) == (0, 1), verified
    assert restored.code == 0, restored
    with shop.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id, note FROM orders ORDER BY id").all()
        items = connection.exec_driver_sql("SELECT count(*) FROM items").scalar_one()
    assert [tuple(row) for row in rows] == [(number, 'say "hello", ü') for number in range(1, 6)]
    assert items == 8
