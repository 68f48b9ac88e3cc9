"""Cases in which a procedure once did something else than Python: texts, neighbours, rows that are refused, people."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton import Job, Transition
from sexton.runs.runner import run
from sexton.slots.due_run import DueRun
from tests.support.inside import call, install
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres15")

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Without rows."""
    return make_sessions(engine)


def do(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


LINES = "first  \n  second\n\n    'third' -- {step} $procedure$ \t\n"


def test_a_text_of_several_lines_is_written_as_it_is(shop: Sessions) -> None:
    """Line feeds, blanks around them, and braces of a policy's texts are no layout of the procedure."""
    shop.add(2, age=HOUR)
    columns = shop.table.c
    work = Transition(
        shop.table, {"status": LINES}, only=columns.status == "open", by=columns.expires_at, kind="deadline"
    )
    assert call(shop.engine, install(shop.engine, Job("shop.lines", work=work, guard=None)), NOON) is None
    assert ask(shop.engine, "SELECT DISTINCT status FROM sessions") == [(LINES,)]

    do(shop.engine, "UPDATE sessions SET status = 'open'")
    run(shop.engine, Job("shop.lines", work=work, guard=None), DueRun("shop.lines", None, NOON))
    assert ask(shop.engine, "SELECT DISTINCT status FROM sessions") == [(LINES,)]
