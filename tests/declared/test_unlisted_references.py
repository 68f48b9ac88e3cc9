"""REP-4: rows that others refer to, of tables that no policy lists: foreseen, left out, and told with what to write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from sexton.doctor.inspection import job_warnings
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job
from tests.support.pace import RunClock
from tests.support.past_runs import set_aside_rows

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1

pytestmark = pytest.mark.databases("sqlite", "postgres15")


def users(shop: Shop, count: int, *, referred: str, rule: str = "", key: str = "user_id") -> None:
    """So many users that are due, in order of their ids, and an order of each of those that `referred` says."""
    ids = f"(WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {count}) SELECT id FROM n) n"
    shop.do(
        "CREATE TABLE users (id int PRIMARY KEY, ends bigint)",
        f"CREATE TABLE orders (id int PRIMARY KEY, {key} int REFERENCES users (id) {rule})",
        f"CREATE INDEX orders_by_user ON orders ({key})",
        f"INSERT INTO users SELECT id, {PAST} - {count} + id FROM {ids}",
        f"INSERT INTO orders SELECT id, id FROM {ids} WHERE {referred}",
    )


def policy(**written: Any) -> dict[str, Any]:
    return {"purge": "users", "by": "ends", "unit": "s", "max_share": 1.0} | written


def told(shop: Shop, outcome: Outcome, rows: str) -> None:
    """What is said names the table, the constraint, the number, and what to write."""
    by = "" if shop.sqlite else " by orders_user_id_fkey"
    assert f"{rows} in users, as orders (user_id){by} refers to them" in outcome.said
    assert 'write children = { orders = "user_id" }, or unless_referenced_by = { orders = "user_id" }' in outcome.said


def test_rep_4_when_each_row_is_referred_to_the_run_fails_soon_and_says_what_to_write(shop: Shop) -> None:
    users(shop, 3000, referred="true")
    job = shop.armed(**policy())

    before = preview_job(shop.engine, job, at=NOON)
    outcome = run_job(shop.engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.referred) == ("failed", 0, 3000)
    assert outcome.total == before.total
    told(shop, outcome, "3,000 rows stay")
    told(shop, before, "3,000 rows stay")
    assert set_aside_rows(shop.engine) == []


@pytest.mark.parametrize("referred", ["id <= 450", "id > 50", "id % 10 <> 0"], ids=["first", "last", "among"])
@pytest.mark.parametrize("rule", ["", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"])
def test_rep_4_free_rows_go_wherever_they_are(rule: str, referred: str, shop: Shop) -> None:
    users(shop, 500, referred=referred, rule=rule)
    job = shop.armed(**policy())

    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.referred) == ("partial", 50, 450)
    assert outcome.total == before
    told(shop, outcome, "450 rows stay")
    assert set_aside_rows(shop.engine) == []
    assert shop.ids("users", "id NOT IN (SELECT user_id FROM orders)") == []


def test_rep_4_a_few_are_set_aside_one_by_one_as_ever(shop: Shop) -> None:
    users(shop, 60, referred="id IN (7, 30)")
    job = shop.armed(**policy())

    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 58, 2)
    assert outcome.total == before
    assert [row["subject"] for row in set_aside_rows(shop.engine)] == ["30", "7"]


def test_rep_4_check_names_the_table_and_counts_the_rows(shop: Shop) -> None:
    users(shop, 40, referred="id <= 33")

    (warning,) = [one for one in job_warnings(shop.engine, shop.armed(**policy())) if "orders" in one]

    assert "33 rows stay in users, as orders (user_id)" in warning
    assert 'children = { orders = "user_id" }' in warning


@pytest.mark.parametrize(
    "listed",
    [{"unless_referenced_by": {"orders": "user_id"}}, {"children": {"orders": "user_id"}},
     {"children": {"orders": {"column": "user_id", "action": "refuse"}}},
     {"only": "id NOT IN (SELECT user_id FROM orders)"}],
    ids=["unless_referenced_by", "children", "refuse", "only"],
)  # fmt: skip
def test_rep_4_what_a_policy_lists_is_no_warning(listed: dict[str, Any], shop: Shop) -> None:
    users(shop, 40, referred="id <= 33")
    job = shop.armed(**policy(**listed))

    assert not any("would keep" in one or "stay" in one for one in job_warnings(shop.engine, job))
    assert preview_job(shop.engine, job, at=NOON).total.referred == 0


def test_rep_4_a_key_of_several_columns(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE users (shop int, id int, ends bigint, PRIMARY KEY (shop, id))",
        'CREATE TABLE "my orders" (no int PRIMARY KEY, s int, u int, FOREIGN KEY (s, u) REFERENCES users (shop, id))',
        "INSERT INTO users SELECT 1, id, " + str(PAST) + " FROM (WITH RECURSIVE n (id) AS"
        " (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 60) SELECT id FROM n) n",
        'INSERT INTO "my orders" SELECT id, 1, id FROM users WHERE id > 5',
        'INSERT INTO "my orders" VALUES (1, NULL, 3)',
    )

    outcome = run_job(shop.engine, shop.armed(**policy()), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.referred) == ("partial", 5, 55)
    assert 'children = { "my orders" = ["s", "u"] }' in str(outcome.note)


def test_rep_4_rows_that_refer_to_one_another_go_from_their_ends(shop: Shop) -> None:
    """A chain of 40, the newest last; and 40 more, whose newest is not due: those stay."""
    numbers = "(WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 40) SELECT id FROM n) n"
    shop.do(
        "CREATE TABLE users (id int PRIMARY KEY, ends bigint, invited_by int REFERENCES users (id) DEFERRABLE)",
        f"INSERT INTO users SELECT id, {PAST} - 100 + id, CASE id WHEN 1 THEN NULL ELSE id - 1 END FROM {numbers}",
        f"INSERT INTO users SELECT id + 100, {PAST} - 50 + id, CASE id WHEN 1 THEN NULL ELSE id + 99 END"
        f" FROM {numbers}",
        f"UPDATE users SET ends = {PAST} + 100 WHERE id = 140",
        "CREATE INDEX users_invited_by ON users (invited_by)",
    )

    outcome = run_job(shop.engine, shop.armed(**policy(batch=5)), at=NOON)

    assert shop.ids("users") == list(range(101, 141)), outcome
    assert (outcome.state, outcome.total.changed, outcome.total.referred) == ("partial", 40, 39)


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("of", ["users", "users_old"])
def test_rep_4_partitions_on_both_sides(of: str, shop: Shop) -> None:
    shop.do(
        "CREATE TABLE users (id int, ends bigint, PRIMARY KEY (id, ends)) PARTITION BY RANGE (ends)",
        f"CREATE TABLE users_old PARTITION OF users FOR VALUES FROM (0) TO ({PAST})",
        f"CREATE TABLE users_new PARTITION OF users FOR VALUES FROM ({PAST}) TO ({PAST + 10**6})",
        "CREATE TABLE orders (id int, u int, e bigint, FOREIGN KEY (u, e) REFERENCES users) PARTITION BY HASH (id)",
        "CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        f"INSERT INTO users SELECT n, {PAST} - 60 + n FROM generate_series(1, 50) n",
        "INSERT INTO orders SELECT id, id, ends FROM users WHERE id > 10",
    )

    outcome = run_job(shop.engine, shop.armed(**policy(purge=of)), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.referred) == ("partial", 10, 40), outcome.error
    assert str(outcome.note).count("refers to them") == 1


@pytest.mark.databases("postgres15")
def test_rep_4_a_timeout_meanwhile_is_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each refusal may take a while, as no index serves the reference: the run is over before it has met a dozen."""
    users(shop, 100, referred="true")
    clock, refusals = RunClock(monkeypatch), list[object]()

    def refused(context: object) -> None:
        refusals.append(context)
        if len(refusals) == 12:
            clock.forward(3600)

    event.listen(shop.engine, "handle_error", refused)
    outcome = run_job(shop.engine, replace(shop.armed(**policy()), timeout="1h"), at=NOON)

    assert len(refusals) >= 12
    assert (outcome.state, outcome.error) == ("timed_out", "its timeout passed")
