"""SEC-23: where an archive goes is confirmed with the rest; one that a version before armed keeps its first folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import Job
from sexton.app import App
from sexton.config import Settings
from sexton.db.tables import own_tables
from sexton.guard.arming import arm_job, folder_of
from sexton.runs.runner import planned
from sexton.testing import run_job
from tests.cli.shell import Shell

NOON = "2026-06-15T12:00:00Z"

pytestmark = pytest.mark.databases("sqlite", "postgres15")


@pytest.fixture
def job(engine: Engine, database: str, tmp_path: Path) -> Job:
    """An archive of two orders that are due."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)"))
        connection.execute(text("INSERT INTO orders VALUES (1, 1), (2, 2)"))
    return archiving(database, tmp_path)


def archiving(database: str, folder: Path, **more: Any) -> Job:
    """The same with other settings."""
    written = {"archive": "orders", "by": "ends", "unit": "s", "max_share": 1.0, **more}
    return App(Settings(database=database, policies={"tidy": written}), folder=folder).registry.get("policies.tidy")


def confirm(engine: Engine, job: Job) -> None:
    """As `sexton arm` does."""
    with engine.begin() as connection:
        arm_job(connection, job.name, planned(job, engine), {"tidy": 10}, "a test")


def folder_on_record(engine: Engine) -> str | None:
    """Where files of the policy may go."""
    armed = own_tables(engine.dialect.name).armed
    with engine.connect() as connection:
        known: str | None = connection.execute(armed.select()).one().folder
    return known


def test_sec_23_another_folder_is_another_policy(job: Job, engine: Engine, database: str, tmp_path: Path) -> None:
    confirm(engine, job)
    other = archiving(database, tmp_path, into="elsewhere")

    outcome = run_job(engine, other, at=NOON)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 0)
    went, confirmed = tmp_path / "elsewhere" / "tidy", tmp_path / "archive" / "tidy"
    why = f"its files would go to {went}, and {confirmed} was confirmed; look at it and confirm: sexton arm tidy"
    assert outcome.note == f"only counted, as {why}"
    assert not went.exists()
    assert run_job(engine, archiving(database, tmp_path, into=str(tmp_path / "archive")), at=NOON).total.changed == 2


@pytest.mark.parametrize("place", ["archive", "archive/tidy"])
def test_sec_23_links_are_followed_before_it_is_compared(place: str, job: Job, engine: Engine, tmp_path: Path) -> None:
    confirm(engine, job)
    there = tmp_path / "web"
    there.mkdir()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(there)

    outcome = run_job(engine, job, at=NOON)

    assert (outcome.total.changed, list(there.iterdir())) == (0, [])
    assert f"its files would go to {there}" in str(outcome.note)
    confirm(engine, job)
    assert run_job(engine, job, at=NOON).total.changed == 2


def test_sec_23_what_a_version_before_armed_stays_armed_for_the_first_folder(
    job: Job, engine: Engine, database: str, tmp_path: Path
) -> None:
    confirm(engine, job)
    armed = own_tables(engine.dialect.name).armed
    with engine.begin() as connection:
        connection.execute(armed.update().values(folder=None))

    assert run_job(engine, job, at=NOON).total.changed == 2
    assert folder_on_record(engine) == folder_of(planned(job, engine)[0]) == str(tmp_path / "archive" / "tidy")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (3, 3)"))
    assert run_job(engine, archiving(database, tmp_path, into="other"), at=NOON).total.changed == 0


def test_sec_23_arm_says_where_files_go_and_went(job: Job, engine: Engine, database: str, tmp_path: Path) -> None:
    confirm(engine, job)
    policy = 'archive = "orders"\nby = "ends"\nunit = "s"\nmax_share = 1.0\ninto = "new"'
    (tmp_path / "sexton.toml").write_text(f'database = "{database}"\n[policies.tidy]\n{policy}\n')

    done = Shell(tmp_path).sexton("arm", "tidy", "--yes")

    assert f"files go to {tmp_path / 'new' / 'tidy'}\n" in done.out
    assert f"its files would go to {tmp_path / 'new' / 'tidy'}, and {tmp_path / 'archive' / 'tidy'} was" in done.out
    assert folder_on_record(engine) == str(tmp_path / "new" / "tidy")
