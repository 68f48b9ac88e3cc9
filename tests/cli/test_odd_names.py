"""C7: names with percent signs, colons, quotes and dots go through every command on a policy, and back into tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from .shell import Inside

TABLE, KEY, TIME, CHILD = '100% :a "b"', "%s", ":ends", "%(x)s.:child"

POLICIES = """
[policies.tidy]
{action}
by = ":ends"
unit = "s"
max_share = 1.0
"""

ACTIONS = {
    "purge": '{action} = \'100% :a "b"\'\nchildren = {{"%(x)s.:child" = ":%"}}',
    "archive": '{action} = \'100% :a "b"\'\nchildren = {{"%(x)s.:child" = ":%"}}\ninto = "archive"',
    "transition": '{action} = \'100% :a "b"\'\nset = {{":%t" = "gone: 100%"}}',
    "anonymise": '{action} = \'100% :a "b"\'\nclear = [":%t"]\norder = ["%s"]',
    "warn": '{action} = \'100% :a "b"\'\nmessage = ["%s", ":%t"]\nonly = "\\":%t\\" <> \'%s :a\'"',
}


def quoted(name: str) -> str:
    """By hand: not by what is tested."""
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def odd(inside: Inside, engine: Engine) -> Inside:
    """Two rows that are due, one with a child, and two that are not."""
    statements = [
        f'CREATE TABLE {quoted(TABLE)} ("%s" int NOT NULL PRIMARY KEY, ":ends" bigint, ":%t" text)',
        f'CREATE TABLE {quoted(CHILD)} (id int PRIMARY KEY, ":%" int REFERENCES {quoted(TABLE)} ("%s"))',
        f"INSERT INTO {quoted(TABLE)} VALUES (1, 5, ':x %s'), (2, 5, 'y'), (3, 99999999999, 'z'), (4, NULL, 'z')",
        f"INSERT INTO {quoted(CHILD)} VALUES (1, 1), (2, 3)",
    ]
    run(engine, *statements)
    return inside


def run(engine: Engine, *statements: str) -> None:
    """Past the library, which would read percent signs and colons."""
    connection = engine.raw_connection()
    for statement in statements:
        connection.cursor().execute(statement)
    connection.commit()
    connection.close()


def rows(engine: Engine, table: str) -> list[tuple[object, ...]]:
    """Of a table, in order."""
    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {quoted(table)} ORDER BY 1")
    found = [tuple(row) for row in cursor.fetchall()]
    connection.close()
    return found


@pytest.mark.parametrize("action", ACTIONS)
def test_c7_odd_names_in_every_command(odd: Inside, engine: Engine, database: str, action: str) -> None:
    settings = POLICIES.format(action=ACTIONS[action].format(action=action))
    odd.write("sexton.toml", f'database = "{database}"\n{settings}')
    before = rows(engine, TABLE), rows(engine, CHILD)

    for command in (["migrate"], ["check"], ["explain", "tidy"], ["debt"], ["arm", "tidy", "--yes"]):
        done = odd.sexton(*command)
        assert (done.code, done.err) == (0, ""), (command, done.out)
    diagnosis = odd.sexton("doctor", "tidy", "--sample")
    assert diagnosis.code in (0, 1), diagnosis.err + diagnosis.out
    dry = odd.sexton("run", "tidy", "--dry-run")
    assert dry.code == 0, dry.err
    done = odd.sexton("run", "tidy")
    assert done.code == 0, done.err

    after = rows(engine, TABLE)
    if action in ("purge", "archive"):
        assert [row[0] for row in after] == [3, 4]
        assert [row[0] for row in rows(engine, CHILD)] == [2]
    elif action != "warn":
        assert [row[2] for row in after] == [*(["gone: 100%" if action == "transition" else None] * 2), "z", "z"]
    if action == "archive":
        (file,) = Path(odd.folder, "archive", "tidy").glob("*.jsonl.gz")
        restored = odd.sexton("archive", "restore", str(file), "--yes")
        assert restored.code == 0, restored.err
        assert (rows(engine, TABLE), rows(engine, CHILD)) == before


def test_c7_odd_names_are_proposed_as_they_are(odd: Inside, engine: Engine, database: str) -> None:
    run(
        engine,
        'CREATE TABLE "%s:sessions" ("i%d" int PRIMARY KEY, ":expires%_at" bigint)',
        'INSERT INTO "%s:sessions" VALUES (1, 1700000000), (2, 1700000001)',
    )

    odd.environment["SEXTON_DATABASE"] = database
    done = odd.sexton("init", "--from", database)

    assert (done.code, done.err) == (0, "")
    assert "%s:sessions" in (odd.folder / "sexton.toml").read_text()
    assert odd.sexton("migrate").code == 0
    checked = odd.sexton("check")
    assert checked.code == 0, checked.err
