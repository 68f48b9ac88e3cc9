"""Policies that wait for another one: for the time that its newest complete run went up to, and never in a circle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sexton.errors import SettingsError
from sexton.testing import run_job

from .shop import Shop
from .test_options import jobs_of, stored

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


def test_a_policy_does_not_wait_for_what_a_limit_left(shop: Shop) -> None:
    """The mark is that of a run that took all there was."""
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends timestamp, state text)")
    shop.do("CREATE TABLE raw (id int PRIMARY KEY, ends timestamp)")
    for number in (1, 2):
        shop.do("INSERT INTO orders VALUES (:id, :at, 'x')", id=number, at=stored(shop, NOON - 3 * DAY))
        shop.do("INSERT INTO raw VALUES (:id, :at)", id=number, at=stored(shop, NOON - 3 * DAY))
    jobs = jobs_of(
        shop,
        mark={"transition": "orders", "by": "ends", "set": {"state": "y"}, "limit": 1, "max_share": 1.0},
        tidy={"purge": "raw", "by": "ends", "before": "mark", "max_share": 1.0},
    )

    for left in ([1, 2], [1, 2], []):
        run_job(shop.engine, jobs["mark"], at=NOON)
        run_job(shop.engine, jobs["tidy"], at=NOON)
        assert shop.ids("raw") == left


def test_an_archive_that_waits_for_a_policy_which_never_ran_finds_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends timestamp)")
    shop.do("INSERT INTO orders VALUES (1, :at)", at=stored(shop, NOON - 3 * DAY))
    jobs = jobs_of(
        shop,
        mark={"warn": "orders", "by": "ends", "max_share": 1.0},
        keep={"archive": "orders", "by": "ends", "before": "mark", "into": str(tmp_path), "max_share": 1.0},
    )

    outcome = run_job(shop.engine, jobs["keep"], at=NOON)

    assert (outcome.state, outcome.error, outcome.total.picked) == ("succeeded", None, 0)


@pytest.mark.databases("postgres")
def test_one_table_is_one_however_it_is_written(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends timestamp, state text)")
    written: dict[str, Any] = {"by": "ends", "max_share": 1.0}
    jobs = jobs_of(
        shop,
        mark={"transition": "public.orders", "set": {"state": "y"}, **written},
        tidy={"purge": "orders", "before": "mark", **written},
    )
    run_job(shop.engine, jobs["mark"], at=NOON)
    shop.do("INSERT INTO orders VALUES (1, :at, 'late')", at=stored(shop, NOON - 3 * DAY))

    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == 0


def test_policies_do_not_wait_for_each_other(shop: Shop) -> None:
    from sexton.app import App
    from sexton.config import Settings

    one = {"purge": "orders", "by": "ends", "unit": "s"}
    policies = {"a": {**one, "before": "b"}, "b": {**one, "before": "c"}, "c": {**one, "before": "a"}}

    with pytest.raises(SettingsError, match=r"policies.a.before: they wait for each other: a before b before c"):
        App(Settings(database=shop.database, policies=policies))
