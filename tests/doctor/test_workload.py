"""What the doctor says about the rows that are due, and how it asks so that nobody waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from sexton.doctor import finding, workload
from tests.support.findings import about, apply, examined
from tests.support.sessions import Sessions, make_sessions


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Two hundred sessions that are due."""
    shop = make_sessions(engine)
    shop.add(200, age=timedelta(days=1))
    apply(engine, "ANALYZE")
    return shop


def one(findings: list[Any]) -> Any:
    (only,) = findings
    return only


@pytest.mark.parametrize(("rows", "words"), [(100, "100 rows are due now"), (150, "200 rows are due now")])
def test_due_rows_are_counted_so_far_and_then_estimated(
    engine: Engine, shop: Sessions, monkeypatch: pytest.MonkeyPatch, rows: int, words: str
) -> None:
    monkeypatch.setattr(workload, "MAX_COUNTED_ROWS", rows)
    apply(engine, "DELETE FROM sessions WHERE id > 100" if rows == 100 else "ANALYZE")

    told = one(about(examined(engine, shop.purge()), "due")).text

    if rows == 150 and engine.dialect.name == "sqlite":
        words = "more than 150 rows are due now"
    assert words in told
    assert told.endswith("--sample measures it")


def test_a_sample_is_measured_and_rolled_back(engine: Engine, shop: Sessions) -> None:
    for job in (shop.purge(), shop.expire()):
        told = one(about(examined(engine, job, sampling=True), "sample"))

        assert told.level == "ok"
        assert "rolled back; 200 due: about " in told.text
        assert ("of WAL" in told.text) is (engine.dialect.name == "postgresql")
    assert shop.ids(status="open") == list(range(1, 201))
    assert shop.effects() == shop.messages() == []


@pytest.mark.databases("postgres")
def test_a_sample_waits_for_nobody(engine: Engine, shop: Sessions) -> None:
    with engine.begin() as other:
        other.execute(text("SELECT 1 FROM sessions FOR UPDATE"))

        told = one(about(examined(engine, shop.purge(), sampling=True), "sample"))

    assert (told.level, told.text.partition(":")[0]) == ("note", "not measured")


@pytest.mark.databases("postgres")
def test_a_locked_table_is_a_note_and_not_a_wait(engine: Engine, shop: Sessions) -> None:
    with engine.begin() as other:
        other.execute(text("LOCK TABLE sessions"))

        found = one(examined(engine, shop.purge()))

    assert found.level == "note"
    assert "locked by others" in found.text


def test_a_question_that_takes_too_long_is_given_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "QUESTION_SECONDS", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def ask(connection: Connection) -> list[finding.Finding]:
        connection.execute(text(endless)).all()
        return []

    answer = one(finding.answers(engine, "load", ask))

    assert (answer.level, answer.text) == ("note", "not known: no answer within 0.05 s")


@pytest.mark.databases("sqlite")
def test_text_that_is_no_time_is_counted(engine: Engine, shop: Sessions) -> None:
    apply(engine, "UPDATE sessions SET expires_at = 'soon' WHERE id <= 3", "UPDATE sessions SET status = 1")

    found = one(about(examined(engine, shop.purge()), "time column"))

    assert found.level == "warning"
    assert found.text.startswith("3 rows have something in expires_at that is no time")
