"""The SQL files hold what runs; and every statement in them stands alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sexton.db.render import for_driver, render
from sexton.statements.batch_strategy import Request, parameters
from tests.support.market import NOW, at, open_market

from .calls import texts_of_calls
from .texts import FOLDER, plans, statements, texts, wrap

MARK = "2026-06-01 00:00:00+00"
"""Where a batch ends, as the database writes it."""

MEND = "the SQL of a policy has changed; if that is meant, run: python -m tests.sql"


def test_every_file_holds_what_runs() -> None:
    there = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.glob("*/*.sql")}
    wanted = texts() | texts_of_calls()

    assert sorted(there) == sorted(wanted), MEND
    stale = [name for name in wanted if there[name] != wanted[name]]
    assert stale == [], MEND


def test_lines_are_broken_between_words_and_never_inside_a_text() -> None:
    line = "SELECT 'a, b AND c' AS t, " + ", ".join(f"orders.column_{number} AS c{number}" for number in range(20))

    lines = wrap(line)

    assert len(lines) > 3
    assert max(map(len, lines)) <= 115
    assert " ".join(part.strip() for part in lines) == line


@pytest.mark.databases("postgres")
def test_a_statement_printed_with_its_values_runs_as_it_stands(engine: Engine) -> None:
    """What `explain` and the choice of a way to execute are made of."""
    open_market(engine)
    failed = {}
    for name, plan in plans("postgresql"):
        for title, statement in statements(plan):
            request = Request(10, (MARK, 1), at(NOW), "job", 1)
            values = parameters(statement, request, sexton_among=[1], sexton_upto_0=MARK, sexton_upto_1=1)
            sql = render(statement, engine.dialect, values=values)
            with engine.connect() as connection:
                try:
                    connection.exec_driver_sql(for_driver(sql, connection.dialect))
                except Exception as error:
                    failed[f"{name}, {title}"] = str(error).splitlines()[0]
    assert failed == {}
