"""Q6: values that the driver cannot turn into Python: years before Christ, infinity, the year 20000.

Such a row is changed like any other, or set aside; never does it stop the rows behind it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from sexton import Job, Message, WarnOnce, now, text_key
from sexton.runs.context import Limits
from sexton.testing import preview_job, run_job
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres")

PAST = ("-infinity", "4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00+00 BC", "0001-12-31 23:59:59.999999+00 BC")
FUTURE = ("infinity", "20000-01-01 00:00:00+00", "294276-12-31 23:59:59.999999+00")


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("kind", ["purge", "expire", "expire locked"])
def test_q6_dates_that_python_has_not_are_purged_and_changed_like_any_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str, rows: int
) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)  # batches stay of one size
    shop = with_deadlines(engine, PAST)
    options = {"lock_first": True} if kind.endswith("locked") else {}

    run = run_job(engine, getattr(shop, kind.split()[0])(**options), at=NOON, limits=Limits(rows=rows))

    assert (run.state, run.said) == ("succeeded", "")
    assert (run.total.picked, run.total.changed, run.total.poison) == (8, 8, 0)
    assert shop.ids(status="open") == []


@pytest.mark.parametrize("rows", [1, 500])
def test_q6_dates_beyond_pythons_reach_are_warned_about_in_their_order(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)
    shop = with_deadlines(engine, FUTURE)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sessions SET expires_at = :later WHERE id > 100"), {"later": NOON + HOUR})
    columns = shop.table.c
    tell = Message("open", key=text_key("open", columns.id), payload={"ends": columns.expires_at})
    work = WarnOnce(shop.table, by=columns.expires_at, when=columns.expires_at > now(), tell=tell)

    run = run_job(engine, Job("shop.tell_open", work=work), at=NOON, limits=Limits(rows=rows))

    assert run.state in ("succeeded", "partial")
    assert run.total.told + run.total.poison == 7
    assert {f"open:{number}" for number in (101, 102, 103, 104)} <= set(shop.messages())


def test_q6_the_preview_counts_them(engine: Engine) -> None:
    shop = with_deadlines(engine, (*PAST, *FUTURE))

    assert preview_job(engine, shop.purge(), at=NOON).total.picked == 8


HOUR = timedelta(hours=1)


def with_deadlines(engine: Engine, deadlines: tuple[str, ...]) -> Sessions:
    """Sessions 1, 2, … with these deadlines, and four ordinary ones that are due: 101 to 104."""
    shop = make_sessions(engine)
    shop.add(4, age=HOUR, start=101)
    with engine.begin() as connection:
        for number, deadline in enumerate(deadlines, 1):
            connection.execute(
                text("INSERT INTO sessions VALUES (:id, 'open', CAST(:deadline AS timestamptz), now())"),
                {"id": number, "deadline": deadline},
            )
    return shop
