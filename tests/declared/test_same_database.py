"""A policy of the settings file is matched with the database of its run, over the run's own connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.declared.policy_fingerprint import definition_of
from sexton.errors import DatabaseUnreachable, PolicyError
from sexton.guard.arming import arm
from sexton.runs.dry_run import dry_run
from sexton.runs.runner import planned
from sexton.testing import run_job
from tests.support.databases import Databases
from tests.support.roles import Town, new_town

from .shop import Shop, settings_of

SESSIONS: dict[str, Any] = {"purge": "sessions", "by": "ends", "unit": "s", "max_share": 1.0}


@pytest.fixture
def sessions(shop: Shop) -> Shop:
    """Two rows that are due."""
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)", "INSERT INTO sessions VALUES (1, 1), (2, 2)")
    return shop


@contextmanager
def connecting(where: type[Engine] | Engine) -> Iterator[list[object]]:
    """The connections that are opened meanwhile, by any engine of this process or by one."""
    opened: list[object] = []

    def connected(connection: object, _record: object) -> None:
        opened.append(connection)

    event.listen(where, "connect", connected)
    try:
        yield opened
    finally:
        event.remove(where, "connect", connected)


def test_a_run_opens_no_connection_but_those_of_its_own_engine(sessions: Shop) -> None:
    job = sessions.armed(**SESSIONS)
    with connecting(Engine) as all_opened:
        own = open_database(sessions.database)
        with connecting(own) as opened:
            assert run_job(own, job).total.changed == 2
            assert dry_run(own, job).total.picked == 0
        own.dispose()

    assert all_opened == opened != []


def test_without_a_database_it_says_what_is_missing(sessions: Shop) -> None:
    job = sessions.job(**SESSIONS)

    for loaded in (job.load, lambda: planned(job)):
        with pytest.raises(PolicyError, match=r"asks the database what its tables are: load\(database\)"):
            loaded()


def test_the_job_holds_no_address(shop: Shop) -> None:
    settings = Settings(database="postgresql://shop:hunter2@db/shop", policies={"tidy": SESSIONS})

    assert "hunter2" not in repr(App(settings).registry.get("policies.tidy"))
    with pytest.raises(PolicyError, match="sessions"):  # asked where the engine leads: there is no such table
        planned(App(settings).registry.get("policies.tidy"), shop.engine)


def test_no_file_is_made_where_the_database_is_missing(tmp_path: Path) -> None:
    app = App(Settings(database=f"sqlite:///{tmp_path}/shop.db", policies={"tidy": SESSIONS}), create=False)

    with pytest.raises(DatabaseUnreachable, match="there is no SQLite file"):
        planned(app.registry.get("policies.tidy"), app.database)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    with new_town(databases, database_kind, migrated=True) as town:
        yield town


@pytest.mark.databases("postgres")
def test_sec_1_names_mean_what_they_mean_to_the_engine_that_it_is_given(town: Town) -> None:
    """A stranger's table has the same name, and comes first on the search path of the role."""
    boss, mallory = town.role("boss", "SUPERUSER"), town.role("mallory")
    town.do(
        "CREATE SCHEMA open",
        f'GRANT USAGE, CREATE ON SCHEMA open TO "{mallory}"',
        f'ALTER ROLE "{boss}" SET search_path = open, public',
    )
    for schema in ("open", "public"):
        town.do(
            f"CREATE TABLE {schema}.sessions (id int PRIMARY KEY, ends bigint)",
            f"INSERT INTO {schema}.sessions VALUES (1, 1)",
        )
    town.do(f'ALTER TABLE open.sessions OWNER TO "{mallory}"')
    careful, trusting = town.engine(boss), open_database(town.url_of(boss), trusted=(mallory,))
    job = App(Settings(database=town.url_of(boss), policies={"tidy": SESSIONS})).registry.get("policies.tidy")

    try:
        assert changed(careful, job) == 1
        assert town.ask("SELECT count(*) FROM open.sessions") == 1
        assert changed(trusting, job) == 1
        assert town.ask("SELECT count(*) FROM open.sessions") == 0
    finally:
        trusting.dispose()


def changed(engine: Engine, job: Any) -> int:
    """Rows that a run takes, once it is armed."""
    with engine.begin() as connection:
        arm(connection, "tidy", definition_of(settings_of(SESSIONS)), allowed=10, by="a test")
    return run_job(engine, job).total.changed
