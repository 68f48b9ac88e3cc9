"""Roll-ups at the command line: run, rebuild, fill in, check, doctor, explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine, MetaData, create_mock_engine, func

from sexton import CoarserRollup, Purge, Rollup, cron, rolled_up
from sexton.doctor.roll_up_waits import rollup_warnings
from tests.support.sales import JOB, STEP, Sales, open_sales

from .shell import Inside

BEFORE = """
[policies.patient]
purge = "orders"
by = "created_at"
keep = "30d"
before = "shop.sales"
schedule = "17 4 * * *"
timezone = "UTC"
"""


@pytest.fixture
def shop(engine: Engine, database: str, inside: Inside, tmp_path: Path) -> Sales:
    """Orders of nine days, and the settings of their jobs."""
    inside.write("sexton.toml", f'database = "{database}"\njobs = ["tests.support.sales_jobs"]\n{BEFORE}')
    shop = open_sales(engine)
    for day in range(1, 10):
        shop.order(f"2026-03-0{day} 10:00", "INR", day)
    return shop


def test_a_run_a_rebuild_and_a_stretch(shop: Sales, inside: Inside) -> None:
    run = ("run", "shop.sales", "--now", "2026-03-09T13:00Z", "--json")
    done = inside.sexton(*run)
    shop.change(2, total_minor=20)
    shop.change(9, total_minor=90)
    shop.change(4, total_minor=40)

    stretch = inside.sexton(*run, "--from", "2026-03-02T00:00Z", "--to", "2026-03-03T00:00Z")
    dry = inside.sexton(*run, "--rebuild", "--dry-run")
    rebuilt = inside.sexton(*run, "--rebuild")

    assert (done.code, stretch.code, rebuilt.code) == (0, 0, 0)
    assert '"changed":9' in done.out.replace(" ", "")
    assert '"changed":1' in stretch.out.replace(" ", "")
    assert '"changed":2' in dry.out.replace(" ", "")
    assert '"changed":2' in rebuilt.out.replace(" ", "")
    assert [int(line.split()[-1]) for line in shop.summary()] == [1, 20, 3, 40, 5, 6, 7, 8, 90]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shop.hasty", "--rebuild"], "shop.hasty has no roll-up"),
        (["--due", "--rebuild"], "--due takes no --rebuild"),
        (["shop.sales", "--rebuild", "--from", "2026-03-01"], "it takes no --from"),
        (["shop.sales", "--from", "2026-03-02", "--to", "2026-03-01"], "--from is not before --to"),
    ],
)
@pytest.mark.databases("sqlite")
@pytest.mark.usefixtures("shop")
def test_what_makes_no_sense_is_refused_in_one_line(words: list[str], said: str, inside: Inside) -> None:
    done = inside.sexton("run", *words)

    assert done.code == 2
    assert said in done.line


@pytest.mark.usefixtures("shop")
def test_check_warns_of_purges_that_do_not_wait_and_of_those_that_wait_in_vain(inside: Inside) -> None:
    found = json.loads(inside.sexton("check", "--json").out)

    texts = {one["about"]: one["text"] for one in found if "shop.sales" in one["text"] and one["level"] == "warning"}
    assert set(texts) == {"shop.hasty", "shop.waiting"}
    assert "does not wait for it" in texts["shop.hasty"]
    assert "keep longer than 3d" in texts["shop.waiting"]
    assert [one["text"] for one in found if one["level"] == "wrong"] == []


def test_check_warns_of_purges_of_rows_that_a_roll_up_counts_on() -> None:
    """rows_kept says how long they are there; whoever deletes them sooner makes it say what is not so."""
    shop = open_sales(cast(Engine, create_mock_engine("sqlite://", lambda *_, **__: None)), make=False)
    orders = shop.orders.c
    purge = Purge(shop.orders, by=orders.created_at, keep="30d", only=rolled_up(orders.created_at, JOB, STEP))

    for rows_kept, warned in (("31d", True), ("30d", False), (None, False)):
        plans = [(JOB, shop.policy(rows_kept=rows_kept).plan(), None), ("shop.purge", purge.plan(), None)]
        texts = [text for about, text in rollup_warnings(plans) if about == "shop.purge"]
        assert ["keeps rows for 30d, less than the rows_kept of shop.sales" in text for text in texts] == [
            True
        ] * warned


def test_check_warns_of_a_roll_up_of_sums_that_does_not_wait_for_them() -> None:
    """A plain one takes the days that are there for a whole month."""
    shop = open_sales(cast(Engine, create_mock_engine("sqlite://", lambda *_, **__: None)), make=False)
    sums, months = shop.sums.c, shop.sums.to_metadata(MetaData(), name="sales_months")
    days, windows = shop.policy(windows=cron("0 0 * * *")), cron("0 0 1 * *")
    plain = Rollup(shop.sums, sums.window_start, months, {"orders": func.sum(sums.orders)}, windows)

    found = [
        list(rollup_warnings([(JOB, days.plan(), None), ("shop.months", work.plan(), None)]))
        for work in (plain, CoarserRollup(days, windows, months))
    ]

    words = "sums up sales_summary, which shop.sales writes, and does not wait for it: write CoarserRollup(…)"
    assert found == [[("shop.months", f"rollup_sales_summary {words}")], []]


def test_doctor_and_explain_know_the_statement_of_a_window(shop: Sales, inside: Inside) -> None:
    explained = inside.sexton("explain", "shop.sales")
    doctor = inside.sexton("doctor", "shop.sales", "--json")

    assert "window by window" in explained.out
    assert "sexton_differences" in explained.out
    findings = {one["about"]: one for one in json.loads(doctor.out) if one.get("step") == "sales"}
    assert "orders_created" in findings["plan"]["text"]
    assert [one for one in findings.values() if one["level"] == "wrong"] == []


def test_a_purge_of_the_settings_waits_for_the_roll_up(shop: Sales, inside: Inside) -> None:
    """`before` names its job; until a window is sealed nothing goes."""
    assert inside.sexton("arm", "patient", "--yes").code == 0
    purge = ("run", "policies.patient", "--now", "2026-04-20T00:00Z", "--json")
    before = inside.sexton(*purge)
    inside.sexton("run", "shop.sales", "--now", "2026-03-09T13:00Z")

    inside.sexton(*purge)

    assert '"changed":0' in before.out.replace(" ", "")
    with shop.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT total_minor FROM orders ORDER BY 1").scalars().all()
    assert list(left) == [7, 8, 9]
    words = inside.sexton("explain", "policies.patient").out
    assert "waits until windows of the roll-up in shop.sales are sealed" in words
