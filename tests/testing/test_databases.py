"""The fixtures themselves: fresh databases, markers, and what becomes of a missing server."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from sexton.testing.postgres import Server
from tests.support import databases as support
from tests.support.databases import TESTS, Databases, default_kinds, kinds_for, when_on_second_major


@pytest.mark.parametrize("_again", range(2))
def test_each_test_gets_an_empty_database(empty_database: str, database_kind: str, _again: int) -> None:
    engine = create_engine(empty_database)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE left_over (id INTEGER PRIMARY KEY)"))
        if database_kind.startswith("postgres"):
            version = connection.scalar(text("SHOW server_version"))
            assert database_kind == f"postgres{str(version).partition('.')[0]}"
    engine.dispose()


@pytest.mark.parametrize("_again", range(2))
def test_each_test_gets_its_own_migrated_database(engine: Engine, database_kind: str, _again: int) -> None:
    prefix, schema = ("sexton_", None) if database_kind == "sqlite" else ("", "sexton")
    with engine.begin() as connection:
        assert f"{prefix}runs" in inspect(connection).get_table_names(schema)
        connection.execute(text("CREATE TABLE left_over (id INTEGER PRIMARY KEY)"))


def test_a_fresh_database_is_gone_afterwards(databases: Databases, database_kind: str) -> None:
    with databases.fresh(database_kind, migrated=False) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE here (id INTEGER PRIMARY KEY)"))
    engine.dispose()
    if database_kind == "sqlite":
        assert not list(databases.folder.glob(f"{Path(url).name}*"))
    else:
        with pytest.raises(OperationalError, match="does not exist"), engine.connect():
            pass


@pytest.mark.databases("sqlite")
def test_marker_restricts_to_sqlite(database_kind: str) -> None:
    assert database_kind == "sqlite"


@pytest.mark.databases("postgres")
def test_marker_restricts_to_postgres(database_kind: str, server: Server) -> None:
    assert database_kind == f"postgres{server.version}"


@pytest.mark.databases("postgres18")
def test_a_server_that_a_test_left_down_comes_up_again(
    databases: Databases, server: Server, database_kind: str
) -> None:
    server.shut_down()
    assert databases.server(database_kind) is server
    assert server.pid is not None


@pytest.mark.parametrize(
    ("here", "required", "expected"),
    [
        ({15, 16, 18}, set(), ["sqlite", "postgres15", "postgres18"]),
        ({16, 18}, set(), ["sqlite", "postgres16", "postgres18"]),
        ({15, 16, 17}, set(), ["sqlite", "postgres15", "postgres17"]),
        ({16, 18}, {"all"}, ["sqlite", "postgres16", "postgres18"]),
        ({16, 18}, {"postgres15"}, ["sqlite", "postgres15", "postgres18"]),
        ({17}, set(), ["sqlite", "postgres17", "postgres18"]),
        (set(), set(), ["sqlite", "postgres15", "postgres18"]),
    ],
)
def test_a_missing_major_is_replaced(
    here: set[int], required: set[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "find_programs", lambda: dict.fromkeys(here, Path()))
    monkeypatch.setattr(support, "REQUIRED", required)
    assert default_kinds() == expected
    assert kinds_for(["postgres"]) == expected[1:]
    assert kinds_for(["postgres15", "sqlite"]) == [expected[1], "sqlite"]
    assert kinds_for(["postgres14"]) == ["postgres14"]
    assert kinds_for([]) == expected


@pytest.mark.parametrize(
    ("file", "mark"),
    [
        (TESTS / "statements" / "test_windows.py", "slow"),
        (TESTS / "runs" / "test_batches.py", "second_major"),
        (TESTS / "faults" / "rows" / "test_poison.py", "second_major"),
        (Path("/elsewhere/test_of_a_product.py"), "slow"),
    ],
)
def test_what_is_not_about_statements_waits_for_a_run_of_its_own_on_the_older_major(file: Path, mark: str) -> None:
    assert when_on_second_major(file).name == mark
