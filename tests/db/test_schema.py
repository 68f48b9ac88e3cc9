"""Sexton's own tables: made once, whoever asks and how often, and as the code declares them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

import sexton.db
from sexton.db.connect import open_database, read_only
from sexton.db.migrate import HEAD_REVISION, migrate, require_schema, revision
from sexton.db.tables import own_name, own_tables
from sexton.errors import SchemaOutdated
from sexton.run_state import RunState
from tests.support.patience import PATIENCE

VERSIONS = Path(sexton.db.__file__).parent / "migrations" / "versions"

MIGRATE = """
import sys
from sexton.db import connect
from sexton.db.migrate import migrate
connect.SQLITE_BUSY_SECONDS = float(sys.argv[2])
sys.stdin.readline()
print(migrate(connect.open_database(sys.argv[1])))
"""
"""On a file the first one keeps the others waiting while it makes the tables, and on a busy machine for long."""


def test_migrating_again_changes_nothing(empty_database: str) -> None:
    engine = open_database(empty_database)

    assert [migrate(engine), migrate(engine), migrate(engine)] == [True, False, False]

    with engine.connect() as connection:
        assert revision(connection) == HEAD_REVISION
        require_schema(connection)
    engine.dispose()


def test_processes_that_migrate_at_once_make_the_tables_once(empty_database: str) -> None:
    """A new file of SQLite has to be turned to WAL as well, which it refuses to do for two at once."""
    all_of_them = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty_database, str(PATIENCE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in all_of_them:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=PATIENCE)[0].strip() for process in all_of_them]

    assert sorted(told) == ["False", "False", "False", "True"]
    assert [process.returncode for process in all_of_them] == [0] * 4


def test_the_tables_are_as_the_code_declares_them(engine: Engine) -> None:
    there = inspect(engine)
    for table in own_tables(engine.dialect.name).metadata.sorted_tables:
        columns = {column["name"]: column for column in there.get_columns(table.name, schema=table.schema)}
        declared = {column.name: column.nullable for column in table.c}
        assert {name: column["nullable"] for name, column in columns.items()} == declared, table.fullname
        key = there.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]
        assert key == [column.name for column in table.primary_key.columns]
        for column in table.c:
            kind = str(columns[column.name]["type"])
            assert family(kind) == family(str(column.type.compile(engine.dialect))), f"{table.fullname}.{column.name}"


def test_there_are_no_other_tables(engine: Engine) -> None:
    dialect = engine.dialect.name
    schema = own_name(dialect, "runs")[1]
    declared = {table.name for table in own_tables(dialect).metadata.sorted_tables}

    assert set(inspect(engine).get_table_names(schema=schema)) - declared == {own_name(dialect, "schema_version")[0]}


def test_the_head_is_the_newest_file_and_the_files_are_a_chain() -> None:
    files = sorted(VERSIONS.glob("[0-9]*.py"))
    found = [re.findall(r'^(?:down_)?revision = (?:"(\w+)"|None)$', path.read_text(), re.MULTILINE) for path in files]

    assert [path.name[:4] for path in files] == [own for own, _ in found]
    assert [before for _, before in found] == ["", *(own for own, _ in found[:-1])]
    assert found[-1][0] == HEAD_REVISION


def test_states_outside_the_list_are_refused_by_the_database(engine: Engine) -> None:
    name = "sexton.runs" if engine.dialect.name == "postgresql" else "sexton_runs"
    values = "'a', 'main', 1, '{state}', 'w', 1, '2026-01-01', '2026-01-01', '{{}}', ''"
    columns = "job, database, attempt, state, worker, epoch, as_of, started_at, counts, definition"
    with engine.begin() as connection:
        for state in RunState:
            connection.execute(text(f"INSERT INTO {name} ({columns}) VALUES ({values.format(state=state)})"))
    with pytest.raises(Exception, match="runs_state_check"), engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {name} ({columns}) VALUES ({values.format(state='odd')})"))


@pytest.mark.parametrize(("found", "says"), [("0000", "older"), ("9999", "newer")])
def test_another_revision_is_refused(engine: Engine, found: str, says: str) -> None:
    name, schema = own_name(engine.dialect.name, "schema_version")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {f'{schema}.' if schema else ''}{name} SET version_num = '{found}'"))

    with pytest.raises(SchemaOutdated, match=says), read_only(engine) as connection:
        require_schema(connection)


def test_l13_an_older_package_works_on_newer_tables_of_the_same_format(engine: Engine) -> None:
    """During a deploy old and new workers run together."""
    name, schema = own_name(engine.dialect.name, "schema_version")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {f'{schema}.' if schema else ''}{name} SET version_num = '1999'"))

    with read_only(engine) as connection:
        require_schema(connection)
    assert migrate(engine) is False


def family(kind: str) -> str:
    """Types that hold the same things in both dialects."""
    kind = kind.upper()
    for part, name in (
        ("JSON", "json"),
        ("TIMESTAMP", "time"),
        ("DATETIME", "time"),
        ("BIGINT", "int"),
        ("INT", "int"),
    ):
        if part in kind:
            return name
    return kind
