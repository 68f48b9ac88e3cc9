"""PGC-1, PGC-3: procedures, slots and lines are installed and removed, again and again, by a role without rights."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from sexton.engines.pg_cron.cron_database import CronLine, InstalledLine
from sexton.engines.pg_cron.installation import install, of_database, uninstall
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.guard.arming import arm
from sexton.guard.plan_fingerprint import definition, definitions_before
from sexton.runs.runner import ready
from tests.support.pg_cron import CronShop

OPTIONS = PgCronOptions()
LINES = "SELECT jobname, schedule, command, database, username, active FROM cron.job WHERE username = '{}' ORDER BY 1"
PROCEDURES = "SELECT proname FROM pg_proc WHERE pronamespace = 'sexton'::regnamespace AND prokind = 'p' ORDER BY 1"


def test_pgc_1_a_line_a_job_in_the_one_database_that_has_pg_cron(shop: CronShop) -> None:
    found, done = install(shop.app, OPTIONS)
    assert found.wrong == {}
    rows = {row.jobname: row for row in shop.cron(LINES.format(shop.role))}
    codes = rows[f"sx:policies.codes@{shop.name}"]
    assert codes.schedule == "0 3,4 * * *", "06:00 in Jerusalem, on a server that knows UTC only"
    assert codes.command == 'CALL sexton."job_policies.codes"()'
    assert (codes.database, codes.username, codes.active) == (shop.name, shop.role, True)
    assert rows[f"sx:policies.carts@{shop.name}"].schedule == "*/5 * * * *"
    assert rows[f"sx:+catch_up@{shop.name}"].command == 'CALL sexton."catch_up"()'
    assert "cron.job_run_details" in rows["sx:+history"].command
    assert rows["sx:+history"].database == "postgres"
    assert set(rows) >= {*done.lines}
    assert {row.proname for row in shop.do(PROCEDURES)} >= {"job_policies.codes", "job_policies.carts", "catch_up"}


@pytest.mark.parametrize("same", [True, False], ids=["the same", "another"])
def test_what_an_earlier_version_armed_stays_armed_with_the_share_that_is_installed(shop: CronShop, same: bool) -> None:
    """As after the first run by Python: who armed it has not confirmed a larger share, nor another rule."""
    job = shop.app.registry.get("policies.codes")
    (plan,) = ready(shop.database, job)
    with shop.database.begin() as connection:
        first, now = definitions_before(connection, plan)[0], definition(connection, plan)
        arm(connection, "codes", first if same else first[::-1], allowed=0, by="ada")
    install(shop.app, OPTIONS)
    expected = now if same else first[::-1]
    assert shop.do("SELECT definition, armed_by FROM sexton.armed WHERE policy = 'codes'") == [(expected, "ada")]


def test_a_second_time_nothing_is_done(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    before = shop.cron(LINES.format(shop.role))
    _, done = install(shop.app, OPTIONS)
    assert not done.changed
    assert shop.cron(LINES.format(shop.role)) == before


def test_what_is_removed_leaves_no_line_and_no_procedure_and_runs_stay(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    with shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CALL sexton.\"job_policies.codes\"('2026-12-01')"))
    shop.settle(engine="worker")  # whatever the settings say by now
    uninstall(shop.app, OPTIONS)
    assert shop.cron(LINES.format(shop.role)) == []
    assert shop.do(PROCEDURES) == []
    assert shop.do("SELECT state FROM sexton.runs") == [("succeeded",)]
    assert shop.do("SELECT 1 FROM sexton.slots") == []
    assert not uninstall(shop.app, OPTIONS).changed
    assert (
        shop.do(
            "SELECT 1 FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
            " WHERE d.datname = current_database()"
        )
        == []
    )


@pytest.mark.parametrize("stay", [True, False])
def test_the_limit_of_a_session_is_the_longest_timeout_and_half_a_minute(shop: CronShop, stay: bool) -> None:
    """It is armed once, before the CALL, and would end a run that is well within its time."""
    install(shop.app, OPTIONS, role_timeout=not stay)
    shop.database.dispose()
    with shop.database.connect() as connection:
        asked = text("SELECT reset_val FROM pg_settings WHERE name = 'statement_timeout'")
        assert connection.execute(asked).scalar() == ("0" if stay else "270000")


def test_lines_of_a_database_whose_name_ends_alike_are_left_alone() -> None:
    """A database may have an @ in its name, and no job has."""
    there = [
        InstalledLine(number, CronLine(name, "0 * * * *", "CALL …", database), True)
        for number, (name, database) in enumerate(
            [("sx:a.b@shop", "shop"), ("sx:a.c@shop", "moved"), ("sx:a.b@old@shop", "old@shop"), ("other", "shop")]
        )
    ]
    assert [line.number for line in of_database(there, "shop")] == [0, 1, 3]
    assert [line.number for line in of_database(there, "old@shop")] == [2]
