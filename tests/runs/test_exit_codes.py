"""R30, BJ-01.5: 0 done, 1 failed, 2 usage or settings, 3 partial, 69 unreachable, 75 held; by real processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from sexton.runs import hard_limit
from sexton.slots.claim import claim
from sexton.slots.due_run import DueRun
from tests.support.children import command_line, command_line_to_the_last_word, write_settings
from tests.support.patience import PATIENCE
from tests.support.ports import closed_port
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Start, sexton

EXPIRE, PURGE = "shop.expire_sessions", "shop.purge_sessions"
Prepare = Callable[[Sessions], None]


def over(shop: Sessions) -> None:
    """Three sessions that are over."""
    shop.add(3, age=timedelta(days=3650))


def used(shop: Sessions) -> None:
    """One of them cannot be deleted."""
    over(shop)
    with shop.engine.begin() as connection:
        connection.execute(insert(shop.accesses).values(session_id=2))


def held(shop: Sessions) -> None:
    """Another process runs the job, for minutes: a lease of more than ten would count as one of a wrong clock."""
    claim(shop.engine, DueRun(EXPIRE, None, NOON), lease_seconds=500)


def stopped_by_its_timeout(folder: Path) -> None:
    """Settings with a timeout of a second for the thinker."""
    with (folder / "sexton.toml").open("a") as file:
        file.write('[job."shop.think"]\ntimeout = "1s"\n')


CASES: dict[str, tuple[list[str], Prepare, int, str, str]] = {
    "0 done": (["run", EXPIRE], over, 0, '"changed": 3', ""),
    "0 nothing to do": (["run", EXPIRE], lambda shop: None, 0, '"changed": 0', ""),
    "0 quiet": (["run", EXPIRE, "--quiet"], over, 0, "", ""),
    "2 no such job": (["run", "shop.expire_session"], over, 2, "", "did you mean shop.expire_sessions"),
    "2 no job named": (["run"], over, 2, "", "name one job, or say --due"),
    "3 a row is refused": (["run", PURGE, "--quiet"], used, 3, '"poison": 1', ""),
    "75 held elsewhere": (["run", EXPIRE], held, 75, "", ""),
    "0 dry run although held": (["run", EXPIRE, "--dry-run"], held, 0, '"dry run"', ""),
}
"""Words, what is there, exit code, what is printed, what is complained; "" means nothing at all."""


@pytest.mark.parametrize(("words", "prepare", "code", "said", "complained"), CASES.values(), ids=CASES)
def test_exit_code(
    words: list[str],
    prepare: Prepare,
    code: int,
    said: str,
    complained: str,
    engine: Engine,
    database: str,
    tmp_path: Path,
    start: Start,
) -> None:
    prepare(make_sessions(engine))

    worker = start(command_line, *words, write_settings(tmp_path, database))

    assert worker.wait() == code
    assert said in worker.output
    assert complained in worker.errors
    assert bool(said) == bool(worker.output)
    assert bool(complained) == bool(worker.errors)
    assert worker.errors.count("\n") <= 1


def test_exit_code_1_failed(engine: Engine, database: str, tmp_path: Path, start: Start) -> None:
    config = write_settings(tmp_path, database, jobs="tests.faults.schedule.jobs")

    worker = start(command_line, "run", "shop.failing", "--quiet", config)

    assert worker.wait() == 1
    assert '"state": "failed"' in worker.output


def patient_command_line(*words: str) -> int:
    """A child whose run is given the time to end by itself."""
    hard_limit.HARD_LIMIT_GRACE_SECONDS = PATIENCE
    return command_line_to_the_last_word(*words)


@pytest.mark.databases("sqlite")
def test_exit_code_1_timed_out(engine: Engine, database: str, tmp_path: Path, start: Start) -> None:
    config = write_settings(tmp_path, database)
    stopped_by_its_timeout(tmp_path)

    worker = start(patient_command_line, "run", "shop.think", config)

    assert worker.wait() == 1
    assert '"state": "timed_out"' in worker.output


def test_exit_code_2_tables_of_ours_are_missing(empty_database: str, tmp_path: Path, start: Start) -> None:
    if empty_database.startswith("sqlite"):
        Path(empty_database.removeprefix("sqlite:///")).touch()
    worker = start(command_line, "run", EXPIRE, write_settings(tmp_path, empty_database))

    assert worker.wait() == 2
    assert worker.errors.endswith("run: sexton migrate\n")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "words", [("run", EXPIRE), ("jobs",), ("check",), ("history",), ("explain", EXPIRE), ("debt",)]
)
def test_no_command_but_migrate_makes_a_file(words: tuple[str, ...], tmp_path: Path, start: Start) -> None:
    """A mistyped name would be a new, empty database."""
    file = tmp_path / "mistyped.db"
    settings = write_settings(tmp_path, f"sqlite:///{file}")

    start(command_line, *words, settings).wait()
    assert not file.exists()
    assert start(command_line, "migrate", settings).wait() == 0
    assert file.exists()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "words", [("run", EXPIRE), ("run", "--due"), ("run", EXPIRE, "--dry-run"), ("history",)], ids=" ".join
)
@pytest.mark.parametrize("where", ["a port nobody listens on", "a folder that is not there"])
def test_exit_code_69_the_database_cannot_be_reached(
    where: str, words: tuple[str, ...], tmp_path: Path, start: Start
) -> None:
    database = f"sqlite:///{tmp_path}/missing/shop.db"
    with closed_port() as port:
        if "port" in where:
            database = f"postgresql+psycopg://me:hunter2@127.0.0.1:{port}/shop"

        worker = start(command_line, *words, write_settings(tmp_path, database))

        assert worker.wait() == 69
    assert worker.output == ""
    assert ("cannot be reached" if "port" in where else "there is no SQLite file") in worker.errors
    assert worker.errors.count("\n") == 1
    assert "hunter2" not in worker.errors


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("words", "prepare", "code"),
    [
        (["run", EXPIRE], over, 0),
        (["run", "shop.expire"], over, 2),
        (["run", PURGE], used, 3),
        (["run", EXPIRE], held, 75),
        (["run", EXPIRE, "--database=sqlite:////nowhere/shop.db"], over, 69),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_exit_code_of_the_interpreter_itself(
    words: list[str], prepare: Prepare, code: int, engine: Engine, database: str, tmp_path: Path
) -> None:
    """The same from scratch, as cron starts it; nothing on the way out changes the code or adds a word."""
    prepare(make_sessions(engine))

    with sexton(*words, write_settings(tmp_path, database)) as process:
        _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == code
    assert errors.count("\n") == (1 if code in (2, 69) else 0)
