"""Who may create objects in a schema of the search path runs nothing as the role of the jobs (SEC-1, SEC-17)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, select, text

from sexton.db.connect import open_database, read_only
from sexton.db.search_path import search_path
from sexton.db.sessions import own_tables_only
from tests.cli.shell import Done, Shell
from tests.support.databases import Databases
from tests.support.roles import Town, new_town, quoted

pytestmark = pytest.mark.databases("postgres")

TRAPS = """
CREATE TABLE {schema}.called (by text, what text);
GRANT ALL ON {schema}.called TO PUBLIC;
CREATE FUNCTION {schema}.noted(what text) RETURNS void LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN INSERT INTO {schema}.called VALUES (current_user, what); END $$;
CREATE FUNCTION {schema}.eqtv(text, varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM {schema}.noted('text = varchar'); RETURN $1 OPERATOR(pg_catalog.=) $2::text; END $$;
CREATE FUNCTION {schema}.eqvv(varchar, varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM {schema}.noted('varchar = varchar'); RETURN $1::text OPERATOR(pg_catalog.=) $2::text; END $$;
CREATE FUNCTION {schema}.eqor(oid, regtype) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM {schema}.noted('oid = regtype'); RETURN $1 OPERATOR(pg_catalog.=) $2::oid; END $$;
CREATE OPERATOR {schema}.= (LEFTARG = text, RIGHTARG = varchar, FUNCTION = {schema}.eqtv);
CREATE OPERATOR {schema}.= (LEFTARG = oid, RIGHTARG = regtype, FUNCTION = {schema}.eqor);
CREATE FUNCTION {schema}.lower(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM {schema}.noted('lower'); RETURN pg_catalog.lower($1::text); END $$;
CREATE FUNCTION {schema}.set_config(text, varchar, boolean) RETURNS text LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN PERFORM {schema}.noted('set_config'); RETURN $2; END $$;
"""
"""Better matches than the built-in ones, for types that our statements, the library or a product have in them."""

AMBIGUOUS = "CREATE OPERATOR {schema}.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = {schema}.eqvv)"
"""With this one, text = unknown has two matches and none is best (42725)."""

SETTINGS = """
[policies.log]
purge = "log"
by = "ends"
keep = "1d"
only = "lower(status) = 'done'"
schedule = "17 3 * * *"
timezone = "UTC"
"""

ROWS = """
CREATE TABLE public.log (id int PRIMARY KEY, ends timestamptz NOT NULL, status varchar NOT NULL);
INSERT INTO public.log SELECT n, now() - interval '9 days', CASE WHEN n > 5 THEN 'Done' ELSE 'open' END
  FROM generate_series(1, 8) n
"""


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    with careless_town(databases, database_kind) as town:
        yield town


@contextmanager
def careless_town(databases: Databases, kind: str) -> Iterator[Town]:
    """A database as it was before PostgreSQL 15, or as a careless person made it."""
    with new_town(databases, kind, migrated=True) as town:
        town.role("boss")
        town.role("mallory")
        town.do("GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC", *ROWS.split(";"))
        town.do(f"ALTER TABLE public.log OWNER TO {boss(town)}", f"GRANT CREATE ON DATABASE {town.database} TO PUBLIC")
        for owned in ("TABLE", "SEQUENCE"):
            privileges = "SELECT, INSERT, UPDATE, DELETE" if owned == "TABLE" else "USAGE, SELECT"
            town.do(f"GRANT {privileges} ON ALL {owned}S IN SCHEMA sexton TO {boss(town)}")
        town.do(f"GRANT USAGE ON SCHEMA sexton TO {boss(town)}")
        yield town
        for role in town.roles:
            town.do(f"DROP OWNED BY {quoted(role)} CASCADE")


def boss(town: Town) -> str:
    return quoted(town.roles[0])


def set_traps(town: Town, schema: str = "public", *, ambiguous: bool = False) -> None:
    for statement in [*_statements(TRAPS), *([AMBIGUOUS] if ambiguous else [])]:
        town.do(statement.format(schema=schema), who=town.roles[1])


def _statements(sql: str) -> list[str]:
    """At semicolons that end a line of their own."""
    return [part.strip() for part in sql.strip().split(";\n") if part.strip()]


def calls(town: Town, schema: str = "public") -> object:
    return town.ask(f"SELECT count(*) FROM {schema}.called")


def shell(town: Town, tmp_path: Path, role: str, more: str = "") -> Shell:
    made = Shell(tmp_path)
    made.write("sexton.toml", f'database = "{town.url_of(role)}"\n{more}{SETTINGS}')
    return made


def done(result: Done, *codes: int) -> Done:
    assert result.code in (codes or (0,)), result
    return result


def test_the_traps_would_work(town: Town) -> None:
    """Else the tests below would show nothing."""
    set_traps(town)
    with town.engine(town.roles[0]).begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = public")
        connection.execute(
            text("SELECT lower(status) FROM public.log WHERE status::text = CAST(:x AS varchar)"), {"x": "open"}
        )
        connection.execute(text("SELECT set_config('lock_timeout', CAST(:x AS varchar), true)"), {"x": "1s"})
        connection.execute(text("SELECT 1 FROM pg_catalog.pg_type WHERE oid = to_regtype('text')"))
    assert town.ask("SELECT array_agg(DISTINCT what ORDER BY what) FROM public.called") == [
        "lower",
        "oid = regtype",
        "set_config",
        "text = varchar",
    ]


@pytest.mark.parametrize("ambiguous", [False, True])
def test_sec_1_nothing_in_a_schema_that_others_may_create_in_is_called(
    town: Town, tmp_path: Path, ambiguous: bool
) -> None:
    set_traps(town, ambiguous=ambiguous)
    user = shell(town, tmp_path, town.roles[0])
    for words in (("run", "--due"), ("check",), ("jobs",), ("history",), ("debt",), ("doctor",)):
        done(user.sexton(*words), 0, 1)
    done(user.sexton("run", "policies.log", "--dry-run"))
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("trigger", "log"))
    done(user.sexton("run", "policies.log"))
    done(user.sexton("explain", "policies.log"))
    assert town.ask("SELECT count(*) FROM public.log") == 5
    assert calls(town) == 0


def test_sec_1_a_superuser_calls_nothing_either(town: Town, tmp_path: Path) -> None:
    set_traps(town)
    root = town.role("root", "SUPERUSER")
    user = shell(town, tmp_path, root)
    done(user.sexton("migrate"))
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("run", "policies.log"))
    done(user.sexton("run", "--due"))
    assert (town.ask("SELECT count(*) FROM public.log"), calls(town)) == (5, 0)


def test_sec_1_looking_at_a_database_for_the_first_time_calls_nothing(town: Town, tmp_path: Path) -> None:
    set_traps(town)
    user = Shell(tmp_path)
    done(user.sexton("init", "--from", town.url_of(town.roles[0])))
    assert "log" in (tmp_path / "sexton.toml").read_text(encoding="utf-8")
    assert calls(town) == 0


def test_sec_1_a_schema_called_like_the_role_stands_first_in_the_path(town: Town, tmp_path: Path) -> None:
    """Who may create schemas takes that name, and shadows tables there, too."""
    schema = boss(town)
    town.do("GRANT SELECT ON public.log TO PUBLIC")
    town.do(f"CREATE SCHEMA {schema}", f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC", who=town.roles[1])
    set_traps(town, schema)
    town.do(
        f"CREATE TABLE {schema}.log AS SELECT * FROM public.log",
        f"GRANT ALL ON {schema}.log TO PUBLIC",
        who=town.roles[1],
    )
    user = shell(town, tmp_path, town.roles[0])
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("run", "policies.log"))
    assert town.ask("SELECT count(*) FROM public.log") == 5
    assert (town.ask(f"SELECT count(*) FROM {schema}.log"), calls(town, schema)) == (8, 0)


def test_sec_1_what_was_made_before_create_was_revoked_stays_out(town: Town, tmp_path: Path) -> None:
    set_traps(town)
    town.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    user = shell(town, tmp_path, town.roles[0])
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("run", "policies.log"))
    assert (town.ask("SELECT count(*) FROM public.log"), calls(town)) == (5, 0)
    with town.engine(town.roles[0]).begin() as connection:
        left_out = search_path(connection.dialect).left_out
    assert left_out == {"public": f"it holds functions or operators of {town.roles[1]}"}
    assert (
        f"holds functions or operators of {town.roles[1]}; drop what you do not know" in done(user.sexton("check")).out
    )


def test_sec_1_names_in_a_schema_that_is_searched_need_no_schema(town: Town) -> None:
    """A trigger of the product that relies on its path works on."""
    town.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "CREATE TABLE gone (id int)")
    town.do(
        f"GRANT INSERT ON gone TO {boss(town)}",
        "CREATE FUNCTION keep_id() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO gone VALUES (old.id); RETURN old; END $$",
        "CREATE TRIGGER keep_id BEFORE DELETE ON log FOR EACH ROW EXECUTE FUNCTION keep_id()",
    )
    with town.engine(town.roles[0]).begin() as connection:
        connection.execute(text("DELETE FROM log WHERE id = 1"))
        assert connection.execute(text("SHOW search_path")).scalar() == "public, pg_temp"
    assert town.ask("SELECT array_agg(id) FROM gone") == [1]


def test_sec_1_whom_the_settings_trust_may_create(town: Town) -> None:
    """And a name that is not found says where nobody looked."""
    engine, log = town.engine(town.roles[0]), Table("log", MetaData(), Column("id", Integer))
    with engine.begin() as connection:
        assert search_path(connection.dialect).left_out == {"public": "PUBLIC may create in it"}
        assert len(connection.execute(select(log)).all()) == 8  # it belongs to the role itself
        with pytest.raises(Exception, match="log_of_nobody"):
            connection.execute(text("SELECT 1 FROM log_of_nobody"))
    trusting = open_database(town.url_of(town.roles[0]), trusted=("PUBLIC",))
    with closing(trusting.connect()) as connection:
        assert connection.execute(text("SELECT count(*) FROM log")).scalar() == 8
    trusting.dispose()


@pytest.mark.databases("postgres15")  # which has the extension
def test_sec_1_a_type_whose_operators_are_not_searched_is_refused(town: Town, tmp_path: Path) -> None:
    """A citext compared as text: other rows would be due, in silence."""
    town.do("CREATE EXTENSION citext", "ALTER TABLE log ALTER status TYPE citext")
    user = shell(town, tmp_path, town.roles[0])
    user.write(
        "sexton.toml", (tmp_path / "sexton.toml").read_text().replace("lower(status) = 'done'", "status = 'done'")
    )
    line = done(user.sexton("run", "policies.log"), 1, 2).err
    assert "log.status is of type public.citext" in line
    assert "schema public is not searched, as PUBLIC may create in it" in line
    town.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    done(user.sexton("arm", "log", "--yes"))
    done(user.sexton("run", "policies.log"))
    assert town.ask("SELECT count(*) FROM public.log") == 5


def test_sec_1_own_tables_see_the_built_in_schema_only(town: Town) -> None:
    engine = town.engine(town.roles[0])
    with own_tables_only(engine) as connection:
        assert connection.execute(text("SHOW search_path")).scalar() == "pg_catalog, pg_temp"
    with read_only(engine) as connection:
        assert connection.execute(text("SHOW search_path")).scalar() == '""'


def test_sec_1_of_two_tables_of_strangers_none_is_meant_by_a_bare_name(town: Town, tmp_path: Path) -> None:
    schema = boss(town)
    town.do(f"ALTER TABLE public.log OWNER TO {quoted(town.role('shop'))}", f"GRANT ALL ON public.log TO {schema}")
    user = shell(town, tmp_path, town.roles[0])
    done(user.sexton("run", "policies.log", "--dry-run"))
    town.do(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.log (id int)", who=town.roles[1])
    town.do(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC", f"GRANT ALL ON {schema}.log TO PUBLIC", who=town.roles[1])
    line = done(user.sexton("run", "policies.log", "--dry-run"), 2).line
    assert "there is no table log in this database; not searched: schema " in line
    assert f"{town.roles[1]} may create in it" in line


def test_sec_17_settings_of_a_role_change_no_string(town: Town) -> None:
    role = boss(town)
    for setting in ("standard_conforming_strings = off", "datestyle = 'German, DMY'", "timezone = 'Asia/Tokyo'"):
        town.do(f"ALTER ROLE {role} SET {setting}")
    odd = Table("log", MetaData(), Column("id", Integer), Column("status", Text))
    engine = town.engine(town.roles[0])
    with engine.begin() as connection:
        asked = select(text("'\\'")).select_from(odd).limit(1)
        assert connection.execute(asked).scalar() == "\\"
        shown = connection.execute(text("SELECT current_setting('datestyle'), current_setting('timezone')")).one()
    assert tuple(shown) == ("ISO, MDY", "UTC")
