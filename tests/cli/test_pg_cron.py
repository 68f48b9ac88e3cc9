"""`sexton pg-cron`: what people see of install, status, diff, remove and script, and with which exit code (PGC-1)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sexton.testing.postgres import Server
from tests.support.databases import Databases
from tests.support.pg_cron import CronShop, new_shop, start_pg_cron

from .shell import Inside

SETTINGS = """
engine = "pg_cron"

[policies.codes]
purge = "public.codes"
kind = "deadline"
by = "expires_at"
schedule = "0 6 * * *"
timezone = "Asia/Jerusalem"

[job."sexton.housekeeping"]
engine = "worker"
"""


@pytest.fixture(scope="module")
def cron_server(databases: Databases) -> Iterator[Server]:
    """With pg_cron."""
    with start_pg_cron(databases) as server:
        yield server


@pytest.fixture
def shop(cron_server: Server) -> Iterator[CronShop]:
    """A database on it."""
    with new_shop(cron_server) as shop:
        yield shop


@pytest.fixture
def command(inside: Inside, shop: CronShop) -> Inside:
    """`sexton` in a folder with settings."""
    inside.write("sexton.toml", f'database = "{shop.url}"\n{SETTINGS}')
    (inside.folder / "sexton.toml").chmod(0o600)
    return inside


def test_pgc_1_install_status_diff_remove(command: Inside, shop: CronShop) -> None:
    before = command.sexton("pg-cron", "status")
    assert before.code == 1
    assert "its procedure is not installed" in before.out
    done = command.sexton("pg-cron", "install")
    assert done.code == 0, done.err
    assert f"{shop.name}: 2 procedures and 3 lines made" in done.out
    again = command.sexton("pg-cron", "install")
    assert again.out == f"{shop.name}: up to date\n"
    status = command.sexton("pg-cron", "status")
    assert (status.code, status.err) == (0, "")
    assert "0 3,4 * * *" in status.out
    assert max(map(len, status.out.splitlines())) <= 80
    assert command.sexton("pg-cron", "diff").code == 0
    shop.cron("UPDATE cron.job SET active = false WHERE jobname LIKE 'sx:policies%'")
    drifted = command.sexton("pg-cron", "status")
    assert drifted.code == 1
    assert "its line is disabled" in drifted.out
    assert "sexton pg-cron install" in drifted.out
    removed = command.sexton("pg-cron", "remove")
    assert removed.code == 0
    assert command.sexton("pg-cron", "remove").out == "nothing was installed here\n"


def test_status_as_json(command: Inside, shop: CronShop) -> None:
    made = json.loads(command.sexton("pg-cron", "install", "--json", "--no-role-timeout").out)
    assert made["limit"] == ""
    assert made["database"] == shop.name
    found = json.loads(command.sexton("pg-cron", "status", "--json").out)
    assert found["agrees"] is True
    (codes,) = [job for job in found["jobs"] if job["job"] == "policies.codes"]
    assert codes["fields"] == "0 3,4 * * *"
    assert codes["drift"] == []
    assert codes["slots_until"]


def test_script_writes_files_and_changes_nothing(command: Inside, shop: CronShop) -> None:
    done = command.sexton("pg-cron", "script", "ddl")
    assert done.code == 0
    files = sorted(path.name for path in (command.folder / "ddl").iterdir())
    assert files == ["1_procedures.down.sql", "1_procedures.up.sql", "2_schedule.down.sql", "2_schedule.up.sql"]
    assert done.out.splitlines()[0] == "ddl/1_procedures.up.sql"
    assert shop.do("SELECT * FROM sexton.slots") == []


@pytest.mark.parametrize("words", [("script",), ("install", "ddl")])
def test_a_folder_is_for_script_only(command: Inside, words: tuple[str, ...]) -> None:
    done = command.sexton("pg-cron", *words)
    assert done.code == 2
    assert "script needs a folder" in done.line


def test_a_refusal_is_one_line(command: Inside, shop: CronShop) -> None:
    shop.cron(f"REVOKE USAGE ON SCHEMA cron FROM {shop.role}")
    done = command.sexton("pg-cron", "install")
    assert done.code == 2
    assert f"GRANT USAGE ON SCHEMA cron TO {shop.role};" in done.line
    command.write("sexton.toml", f'database = "{shop.url}"')
    assert "no job is to run inside PostgreSQL" in command.sexton("pg-cron", "status").line
