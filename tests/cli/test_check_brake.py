"""SEC-8: `check` asks `run.pause_while` once, and says what is wrong with it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from tests.support.patience import PATIENCE

from .shell import Inside


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    ("asked", "code", "line"),
    [
        ("SELECT count(*) > 0 FROM keep", 0, "ok       run.pause_while: can be asked; runs rest now"),
        ("SELECT count(*) > 9 FROM keep", 0, "ok       run.pause_while: can be asked; runs go on now"),
        ("SELECT nonsense FROM nowhere", 2, "wrong    run.pause_while: cannot be asked: "),
        ("COMMIT; DELETE FROM keep; SELECT false", 2, "sexton: "),
    ],
)
def test_sec_8_check_asks_the_query_of_the_settings(
    inside: Inside,
    engine: Engine,
    database: str,
    asked: str,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sexton.runs.throttle.EVERY", PATIENCE)  # what it may take
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE keep (id int)"))
        connection.execute(text("INSERT INTO keep VALUES (1)"))
    inside.write("sexton.toml", f'database = "{database}"\n[run]\npause_while = "{asked}"\n')

    done = inside.sexton("check")

    assert done.code == code, done.out + done.err
    assert [told for told in (done.out + done.err).splitlines() if told.startswith(line)] != []
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM keep")).scalar_one() == 1
