"""What got past, or was broken by, transactions that set their own search path (SEC-1, SEC-8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select, text
from sqlalchemy.exc import DBAPIError

from sexton.db.connect import open_database
from sexton.db.faults import describe
from sexton.db.operator_query import ask_in_own_session
from sexton.db.search_path import search_path
from tests.support.databases import Databases
from tests.support.proxy import Proxy
from tests.support.roles import Town, quoted

from .test_search_path import careless_town, done, set_traps, shell

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    with careless_town(databases, database_kind) as town:
        yield town


@pytest.mark.databases("postgres15")  # which has the extension
@pytest.mark.parametrize("kind", ["twice", "twice[]"])
def test_sec_1_attack_a_domain_over_a_domain_over_a_type_whose_operators_are_not_searched(
    town: Town, tmp_path: Path, kind: str
) -> None:
    """Taken for text, 'Done' is not 'done': nothing would ever be due, in silence."""
    town.do("CREATE EXTENSION citext", "CREATE DOMAIN once AS citext", "CREATE DOMAIN twice AS once")
    value = "ARRAY[status]::" if kind.endswith("]") else "status::"
    town.do(f"ALTER TABLE log ALTER status TYPE {kind} USING {value}{kind}")
    user = shell(town, tmp_path, town.roles[0])
    wanted = "status IS NOT NULL" if kind.endswith("]") else "status = 'done'"
    settings = (tmp_path / "sexton.toml").read_text()
    user.write("sexton.toml", settings.replace("lower(status) = 'done'", wanted))
    assert "log.status is of type public.citext" in done(user.sexton("run", "policies.log"), 1, 2).err


def test_sec_1_attack_an_enum_and_its_array_use_built_in_operators(town: Town, tmp_path: Path) -> None:
    town.do(
        "CREATE TYPE state AS ENUM ('open', 'Done')",
        "ALTER TABLE log ALTER status TYPE state USING status::state",
        "ALTER TABLE log ADD former state[] NOT NULL DEFAULT '{open}'",
    )
    user = shell(town, tmp_path, town.roles[0])
    settings = (tmp_path / "sexton.toml").read_text()
    user.write("sexton.toml", settings.replace("lower(status) = 'done'", "status = 'Done' AND former IS NOT NULL"))
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("run", "policies.log"))
    assert town.ask("SELECT count(*) FROM public.log") == 5


def test_sec_1_attack_a_table_is_not_made_as_a_temporary_one_where_no_schema_is_safe(town: Town) -> None:
    """It would be gone with the session, and whoever made it would not know."""
    engine = town.engine(town.roles[0])
    with engine.begin() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(text("CREATE TABLE report AS SELECT 1 AS x"))
    assert "not searched: schema public, as PUBLIC may create in it" in describe(refused.value)
    with engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE sheet AS SELECT 1 AS x"))
        assert connection.execute(text("SELECT x FROM sheet")).scalar() == 1
        connection.execute(text("CREATE TABLE public.report AS SELECT 1 AS x"))
    assert town.ask("SELECT count(*) FROM public.report") == 1


@pytest.mark.parametrize("options", [{"stream_results": True}, {"yield_per": 10}])
def test_sec_1_attack_a_connection_that_reads_by_server_side_cursors_begins_all_the_same(
    town: Town, options: dict[str, int]
) -> None:
    engine = town.engine(town.roles[0])
    with engine.connect().execution_options(**options) as connection:
        for _ in range(2):
            assert len(connection.execute(text("SELECT id FROM public.log ORDER BY id")).all()) == 8
            connection.commit()


def test_sec_1_attack_a_table_that_moved_is_found_in_the_next_transaction(town: Town) -> None:
    """Not after a minute only."""
    town.do("CREATE SCHEMA other", "GRANT ALL ON SCHEMA other TO PUBLIC")
    town.do(f'ALTER ROLE "{town.roles[0]}" SET search_path = public, other')
    engine, log = town.engine(town.roles[0]), Table("log", MetaData(), Column("id", Integer))
    with engine.begin() as connection:
        assert len(connection.execute(select(log)).all()) == 8
    town.do("ALTER TABLE public.log SET SCHEMA other")
    with engine.begin() as connection, pytest.raises(DBAPIError, match="does not exist"):
        connection.execute(select(log))
    with engine.begin() as connection:
        assert len(connection.execute(select(log)).all()) == 8


def test_sec_1_attack_check_says_that_a_schema_with_functions_of_others_is_not_searched(
    town: Town, tmp_path: Path
) -> None:
    set_traps(town)
    town.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    told = done(shell(town, tmp_path, town.roles[0]).sexton("check")).out
    assert (
        "warning  database: schema public of the search path is not searched, as it holds functions or operators of "
        f'{town.roles[1]}; drop what you do not know, give the rest to "{town.roles[0]}", or name its owner in '
        "trusted_roles"
    ) in told


def test_sec_1_attack_the_name_of_a_role_does_not_cut_the_reason(town: Town) -> None:
    odd = town.role("mal\nrun 99 succeeded")
    town.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC", f"GRANT CREATE ON SCHEMA public TO {quoted(odd)}")
    with town.engine(town.roles[0]).begin() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(text("SELECT 1 FROM log"))
    assert describe(refused.value).endswith("or see trusted_roles")


def test_sec_8_attack_pause_while_does_not_read_the_whole_catalogue_each_second(town: Town) -> None:
    with Proxy(town.url_of(town.roles[0])) as proxy:
        engine = open_database(proxy.url_for(town.url_of(town.roles[0])))
        with engine.begin() as connection:
            assert search_path(connection.dialect).tables == ("log",)
        assert any("pg_proc" in statement.text for statement in proxy.statements)
        before = len(proxy.statements)
        assert ask_in_own_session(engine, "SELECT true", 60) is True
        asked = [statement.text for statement in proxy.statements[before:]]
        engine.dispose()
    assert any("SELECT true" in sql for sql in asked)
    assert not any("pg_proc" in sql or "pg_class" in sql for sql in asked)
