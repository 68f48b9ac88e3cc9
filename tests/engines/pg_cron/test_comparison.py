"""PGC-1: status says what differs from the settings, whoever changed it, and changes nothing itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sexton import Job, cron
from sexton.engines.pg_cron.comparison import compare, differences
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.slots.schedule_overrides import reschedule
from tests.support.pg_cron import POLICIES, CronShop

OPTIONS = PgCronOptions()
LINE = "jobname LIKE 'sx:policies.codes@%'"
CODES = 'PROCEDURE sexton."job_policies.codes"'


def drift(shop: CronShop) -> dict[str, str]:
    """What differs, by job."""
    found = compare(shop.app, OPTIONS)
    said = {job.job: "; ".join(job.drift) for job in found.jobs if job.drift}
    assert found.agrees == (not said)
    return said


def test_nothing_differs_after_an_installation(shop: CronShop) -> None:
    assert set(drift(shop)) == {"policies.codes", "policies.carts", "all jobs"}, "nothing is there yet"
    install(shop.app, OPTIONS)
    assert drift(shop) == {}
    assert [*differences(shop.app, OPTIONS)] == []


CHANGES: dict[str, tuple[str, Callable[[CronShop], object]]] = {
    "the wrong database": (
        "its line is of database postgres",
        lambda shop: shop.cron(f"UPDATE cron.job SET database = 'postgres' WHERE {LINE}"),
    ),
    "renamed": (
        "its line is named nightly",
        lambda shop: shop.cron(f"UPDATE cron.job SET jobname = 'nightly' WHERE {LINE}"),
    ),
    "disabled": ("its line is disabled", lambda shop: shop.cron(f"UPDATE cron.job SET active = false WHERE {LINE}")),
    "another time": (
        "its line is 0 5 * * *, and should be 0 3,4 * * *",
        lambda shop: shop.cron(f"UPDATE cron.job SET schedule = '0 5 * * *' WHERE {LINE}"),
    ),
    "another command": (
        "its line does SELECT 1",
        lambda shop: shop.cron(f"UPDATE cron.job SET command = 'SELECT 1' WHERE {LINE}"),
    ),
    "no line": ("pg_cron has no line for it", lambda shop: shop.cron(f"DELETE FROM cron.job WHERE {LINE}")),
    "dropped": ("its procedure is not installed", lambda shop: shop.do(f"DROP {CODES}")),
    "definer": ("SECURITY DEFINER", lambda shop: shop.do(f"ALTER {CODES} SECURITY DEFINER")),
    "a SET clause": ("SET work_mem=8MB", lambda shop: shop.do(f"ALTER {CODES} SET work_mem = '8MB'")),
    "open to all": ("PUBLIC may call", lambda shop: shop.do(f"GRANT EXECUTE ON {CODES} TO PUBLIC")),
    "edited": (
        "edited by hand",
        lambda shop: shop.do(
            "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('sexton.\"job_policies.codes\"'::regproc),"
            " 'END LOOP', 'END LOOP /* quicker */'); END $$"
        ),
    ),
    "no slots": ("no slots are left", lambda shop: shop.do("DELETE FROM sexton.slots")),
    "few slots": (
        "slots are written until",
        lambda shop: shop.do("DELETE FROM sexton.slots WHERE slot > now() + interval '50 days'"),
    ),
    "a slot that is gone": (
        "of its slots are not those of its schedule and zone",
        lambda shop: shop.do(
            "DELETE FROM sexton.slots WHERE slot BETWEEN now() + interval '5 days' AND now() + interval '7 days'"
        ),
    ),
    "other rules of the zone": (
        "of its slots are not those of its schedule and zone",
        lambda shop: shop.do("UPDATE sexton.slots SET local_slot = 'other' WHERE slot > now()"),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_by_somebody_is_said_and_mended(shop: CronShop, what: str) -> None:
    said, change = CHANGES[what]
    install(shop.app, OPTIONS)
    change(shop)
    found = drift(shop)
    assert set(found) == {"policies.codes"}
    assert said in found["policies.codes"]
    assert drift(shop) == found, "a look changes nothing"
    install(shop.app, OPTIONS)
    assert drift(shop) == {}


def test_another_owner_is_said(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    shop.do(f"ALTER {CODES} OWNER TO postgres")
    assert "belongs to role postgres" in drift(shop)["policies.codes"]


def test_another_definition_is_said_and_shown(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    shop.settle(policies={"codes": POLICIES["codes"] | {"only": "id > 7"}, "carts": POLICIES["carts"]})
    assert "another definition" in drift(shop)["policies.codes"]
    lines = [*differences(shop.app, OPTIONS)]
    assert any(line.startswith("+") and "7" in line for line in lines)
    assert any("installed/job_policies.codes" in line for line in lines)


def test_a_job_that_is_gone_is_said_and_taken_out(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    shop.settle(policies={"codes": POLICIES["codes"]})
    said = drift(shop)
    assert "no job of the settings has this procedure" in said["policies.carts"]
    assert any("no job of the settings has line" in what for what in said.values())
    _, done = install(shop.app, OPTIONS)
    assert "job_policies.carts" in done.removed
    assert drift(shop) == {}


def test_pgc_3_a_job_that_is_rescheduled_is_to_be_installed_again(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    with shop.database.begin() as connection:
        job = shop.app.registry.get("policies.codes")
        reschedule(connection, job, "30 7 * * *", "Europe/Berlin", reason="", by="test")
    assert "and should be 30 5,6 * * *" in drift(shop)["policies.codes"]
    install(shop.app, OPTIONS)
    assert drift(shop) == {}
    assert shop.do("SELECT DISTINCT split_part(local_slot, ' ', 3) FROM sexton.slots WHERE slot > now()") == [
        ("Europe/Berlin",)
    ]


def test_a_session_that_would_be_cut_off_is_said(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    shop.do(f"ALTER ROLE {shop.role} IN DATABASE {shop.name} SET statement_timeout = '1min'")
    assert "statement_timeout of the role is 1min" in drift(shop)["all jobs"]


def test_a_session_that_only_reads_is_said_and_no_run_passes_in_silence(shop: CronShop) -> None:
    install(shop.app, OPTIONS)
    shop.do(f"ALTER ROLE {shop.role} IN DATABASE {shop.name} SET default_transaction_read_only = on")
    shop.database.dispose()
    assert "default_transaction_read_only is on here" in drift(shop)["all jobs"]
    for procedure in ('"job_policies.codes"', "catch_up"):
        with (
            pytest.raises(DBAPIError, match=r"policies\.\w+ cannot run, as transactions are read-only here"),
            shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            connection.execute(text(f"CALL sexton.{procedure}()"))


def test_jobs_that_cannot_be_compiled_are_left_to_a_worker_with_the_reason(shop: CronShop) -> None:
    shop.add(Job("shop.report", schedule=cron("0 7 * * *"), work=print))
    found, _ = install(shop.app, OPTIONS)
    assert "Python function" in found.left["shop.report"]
    assert compare(shop.app, OPTIONS).agrees
    assert shop.cron("SELECT 1 FROM cron.job WHERE jobname LIKE 'sx:shop.report@%'") == []
