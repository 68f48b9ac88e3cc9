"""SEC-7 on SQLite, whose columns take anything: each row is told, or set aside, under a name of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from sexton.testing import run_job

from .shop import Shop

pytestmark = pytest.mark.databases("sqlite")

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
VALUES = ("x'6162'", "'ab'", "'6162'", "'a' || char(0) || 'b'", "1", "'1x'", "0.1 + 0.2", "0.3", "'~X6162'", "'~R0.3'")


@pytest.fixture(params=["", "BLOB", "NUMERIC", "TEXT"])
def things(request: pytest.FixtureRequest, shop: Shop) -> Shop:
    """Rows whose keys are of every kind, in a column of one; what can be one there is one."""
    shop.do(f"CREATE TABLE things (k {request.param} PRIMARY KEY, ends datetime, note text)")
    for value in VALUES:
        shop.do(f"INSERT OR IGNORE INTO things VALUES ({value}, '2026-06-14 12:00:00', 'note')")
    return shop


def count(shop: Shop, what: str) -> int:
    with shop.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count({what}")).scalar_one())


def test_sec_7_each_is_told_once(things: Shop) -> None:
    job = things.armed(warn="things", by="ends", keep="1h", message=["note"])
    rows = count(things, "*) FROM things")

    assert [run_job(things.engine, job, at=NOON).total.told for _ in range(2)] == [rows, 0]
    assert count(things, "DISTINCT subject) FROM sexton_effects") == rows


@pytest.mark.parametrize("action", ["purge", "archive"])
def test_sec_7_each_is_set_aside_by_itself(
    action: str, things: Shop, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    things.do(
        "CREATE TRIGGER stay BEFORE DELETE ON things WHEN CAST(old.k AS TEXT) <> '1'"
        " BEGIN SELECT RAISE(ABORT, 'it stays'); END"
    )
    written: dict[str, Any] = {action: "things", "by": "ends", "keep": "1h", "max_share": 1.0}
    job = things.armed(**written)

    first, again = run_job(things.engine, job, at=NOON).total, run_job(things.engine, job, at=NOON).total

    left = count(things, "*) FROM things")
    assert (first.changed, first.poison, count(things, "*) FROM sexton_poison")) == (1, left, left)
    assert (again.picked, again.poison) == (0, 0)
