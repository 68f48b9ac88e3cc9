"""`sexton pg-cron`: what people see of install, status, diff, remove and script, and with which exit code (PGC-1)."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.pg_cron import CronShop, pg_cron_server, shop

from .shell import Inside

__all__ = ["pg_cron_server", "shop"]

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


LINE = "SELECT schedule, active FROM cron.job WHERE jobname LIKE 'sx:policies.codes@%'"
ZONES = "SELECT DISTINCT split_part(local_slot, ' ', 3) FROM sexton.slots WHERE slot > now()"


def test_pgc_3_procedure_slots_and_line_follow_a_job_that_is_rescheduled(command: Inside, shop: CronShop) -> None:
    first = command.sexton("reschedule", "policies.codes", "0 8 * * *")
    assert (first.code, first.out.count("\n")) == (0, 1), "it is not installed, so nothing has to follow"
    command.sexton("pg-cron", "install")
    done = command.sexton("reschedule", "policies.codes", "30 7 * * *", "--timezone", "Europe/Berlin")
    assert done.code == 0, done.out
    assert f"its procedure and slots in {shop.name} are made anew, and so is its line of pg_cron" in done.out
    assert shop.cron(LINE) == [("30 5,6 * * *", True)]
    assert shop.do(ZONES) == [("Europe/Berlin",)]
    assert command.sexton("pg-cron", "status").code == 0
    command.sexton("reschedule", "policies.codes", "every 10m")
    assert shop.cron(LINE) == [("*/10 * * * *", True)]
    assert command.sexton("pg-cron", "install").out == f"{shop.name}: up to date\n"


@pytest.mark.parametrize("why", ["pg_cron is out of reach", "the settings have changed"])
def test_pgc_3_one_that_cannot_follow_stands_still_and_is_named(command: Inside, shop: CronShop, why: str) -> None:
    """Its starts fail until then: neither its old times count nor any others without a line."""
    command.sexton("pg-cron", "install")
    if why == "the settings have changed":
        file = command.folder / "sexton.toml"
        file.write_text(file.read_text().replace('kind = "deadline"', 'kind = "deadline"\nonly = "id > 7"'))
    else:
        shop.cron(f"REVOKE USAGE ON SCHEMA cron FROM {shop.role}")
    done = command.sexton("reschedule", "policies.codes", "30 7 * * *")
    assert done.code == 3
    assert f"in {shop.name} it stands still until you run: sexton pg-cron install (" in done.out
    assert shop.cron(LINE) == [("0 3,4 * * *", True)]
    with pytest.raises(DBAPIError, match="on another schedule by now"):
        shop.do('CALL sexton."job_policies.codes"()')


def test_a_refusal_is_one_line(command: Inside, shop: CronShop) -> None:
    shop.cron(f"REVOKE USAGE ON SCHEMA cron FROM {shop.role}")
    done = command.sexton("pg-cron", "install")
    assert done.code == 2
    assert f"GRANT USAGE ON SCHEMA cron TO {shop.role};" in done.line
    command.write("sexton.toml", f'database = "{shop.url}"')
    assert "no job is to run inside PostgreSQL" in command.sexton("pg-cron", "status").line
