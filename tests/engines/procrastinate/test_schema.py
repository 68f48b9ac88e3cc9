"""The schema of Procrastinate: made, brought up to date from an earlier version, left alone where it is not ours."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton.app import App
from sexton.config import Settings
from sexton.engines.procrastinate import schema
from sexton.engines.procrastinate.engine import ProcrastinateEngine
from sexton.engines.procrastinate.options import ProcrastinateOptions
from sexton.engines.procrastinate.schema import bring_up_to_date, unapplied
from sexton.errors import SchemaOutdated, SchemaUntrusted, SettingsError
from tests.support.children import command_line
from tests.support.databases import Databases
from tests.support.roles import new_town
from tests.support.workers import Start, Worker

pytestmark = pytest.mark.databases("postgres")

FIRST_OF_3 = "03.00.00_01_pre_cancel_notification.sql"

CATALOGUE = text(
    """
SELECT 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable
  || coalesce(' ' || column_default, '') FROM information_schema.columns
  WHERE table_schema = :schema AND table_name <> 'sexton_applied'
UNION SELECT 'function ' || p.oid::regprocedure || ' ' || p.prosrc FROM pg_proc p
  WHERE p.pronamespace = CAST(:schema AS regnamespace)
UNION SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename <> 'sexton_applied'
UNION SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE c.relnamespace = CAST(:schema AS regnamespace) AND NOT t.tgisinternal
UNION SELECT 'type ' || t.typname || ' ' || e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
  WHERE t.typnamespace = CAST(:schema AS regnamespace)
ORDER BY 1
""".replace("::regprocedure", "\\:\\:regprocedure")
)


def catalogue(engine: Engine, name: str) -> list[str]:
    """What there is in a schema, without its name."""
    with engine.begin() as connection:
        connection.execute(text(f'SET LOCAL search_path = "{name}"'))
        return [row.replace(f"{name}.", "") for row in connection.execute(CATALOGUE, {"schema": name}).scalars()]


def file_names() -> list[str]:
    """Of the installed library, in order."""
    found = (file.name for file in files("procrastinate.sql").joinpath("migrations").iterdir())
    return sorted(name for name in found if name.endswith(".sql"))


@pytest.fixture
def at_version(engine: Engine) -> str:
    """A schema made by the first files of the library, up to version 3.0.0, each in a transaction of its own."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA earlier; CREATE TABLE earlier.sexton_applied (name text PRIMARY KEY)"))
    for name in file_names():
        if name < FIRST_OF_3:
            apply(engine, name)
    return "earlier"


def apply(engine: Engine, name: str) -> None:
    """One file of the library, as it is, and the note of it."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path = earlier, pg_temp"))
        driver: Any = connection.connection.driver_connection
        driver.execute(files("procrastinate.sql").joinpath("migrations", name).read_text())
        connection.execute(text("INSERT INTO earlier.sexton_applied VALUES (:name)"), {"name": name})


def test_bj_25_1_made_once_and_all_files_count_as_applied(engine: Engine) -> None:
    assert bring_up_to_date(engine, "carried") == file_names()
    assert bring_up_to_date(engine, "carried") == []
    with engine.begin() as connection:
        assert unapplied(connection, "carried") == []
        assert connection.execute(text("SELECT to_regclass('public.procrastinate_jobs')")).scalar() is None


def test_bj_25_1_an_earlier_version_gets_what_is_new_before_and_after_in_order(engine: Engine, at_version: str) -> None:
    later = [name for name in file_names() if name >= FIRST_OF_3]
    with engine.begin() as connection:
        assert unapplied(connection, at_version) == later

    assert bring_up_to_date(engine, at_version) == later

    bring_up_to_date(engine, "fresh")
    assert catalogue(engine, at_version) == catalogue(engine, "fresh")
    assert bring_up_to_date(engine, at_version) == []


def test_bj_25_1_by_the_command_line(database: str, tmp_path: Path, start: Start) -> None:
    file = tmp_path / "sexton.toml"
    file.write_text(f'database = "{database}"\nengine = "procrastinate"\n')

    def engines(*words: str) -> Worker:
        process = start(command_line, "engines", f"--config={file}", *words)
        process.wait()
        return process

    before = engines()
    assert before.exit_code == 69
    assert "run: sexton engines migrate" in before.output
    assert f"up to {file_names()[-1]}" in engines("migrate").output
    assert engines("migrate").output == "procrastinate: up to date\n"
    after = engines()
    assert after.exit_code == 0
    assert "procrastinate" in after.output


def test_what_was_cut_off_goes_on_where_it_was(
    engine: Engine, at_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema._files()
    later = [name for name in known if name >= FIRST_OF_3]
    monkeypatch.setattr(schema, "_files", lambda: {name: known[name] for name in known if name < later[3]})
    assert bring_up_to_date(engine, at_version) == later[:3]
    monkeypatch.undo()

    assert bring_up_to_date(engine, at_version) == later[3:]


def test_tables_that_somebody_else_made_are_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA theirs; CREATE TABLE theirs.procrastinate_jobs (id bigint)"))
    with pytest.raises(SettingsError, match=r"Sexton did not make; name another schema, or set app"):
        bring_up_to_date(engine, "theirs")


def test_those_of_the_products_app_are_the_products(database: str) -> None:
    app = App(Settings(database=database))
    carrier = ProcrastinateEngine(app, ProcrastinateOptions(app="shop.tasks:app"))
    assert carrier.options.place == "public"
    with pytest.raises(SettingsError, match="its tables are the product's"):
        carrier.migrate()


def test_who_may_not_make_a_schema_is_told_what_to_grant(databases: Databases, database_kind: str) -> None:
    with new_town(databases, database_kind) as town:
        poor = town.role("poor")
        with pytest.raises(SchemaOutdated, match="GRANT CREATE ON DATABASE"):
            bring_up_to_date(town.engine(poor), "carried")


def test_sec_15_nothing_is_made_in_a_schema_of_strangers(databases: Databases, database_kind: str) -> None:
    with new_town(databases, database_kind) as town:
        jobs, mallory = town.role("jobs"), town.role("mallory")
        town.do(f'GRANT CREATE ON DATABASE "{town.database}" TO "{jobs}"')
        town.do(f'CREATE SCHEMA carried AUTHORIZATION "{mallory}"')
        with pytest.raises(SchemaUntrusted, match="nothing was made"):
            bring_up_to_date(town.engine(jobs), "carried")
