"""PGC-3: once an hour all jobs of a database are called, and one that fails keeps none of the others back for long."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from tests.support.pg_cron import CronShop

STATES = "SELECT job, state FROM sexton.runs ORDER BY id"
NOT_YET = "UPDATE sexton.schedules SET seen_at = now() + interval '1 day'"
"""A slot of the minute before an installation is due: `carts` has one every five."""

LONG_AGO = "UPDATE sexton.schedules SET seen_at = now() - interval '3 days'"


def call(shop: CronShop) -> None:
    """As pg_cron does."""
    with shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CALL sexton.catch_up()"))


def test_every_job_that_missed_its_slot_is_run_once(shop: CronShop) -> None:
    install(shop.app, PgCronOptions())
    shop.do(NOT_YET)
    call(shop)
    assert shop.do(STATES) == [], "nobody has missed anything yet"
    shop.do(LONG_AGO)
    call(shop)
    first = shop.do(STATES)
    assert sorted(row.job for row in first) == ["policies.carts", "policies.codes"]
    assert {row.state for row in first} == {"succeeded"}
    call(shop)
    assert [row for row in shop.do(STATES) if row.job == "policies.codes"] == [("policies.codes", "succeeded")]


def test_a_job_that_fails_keeps_no_other_back_and_is_named_at_the_end(shop: CronShop) -> None:
    install(shop.app, PgCronOptions())
    shop.do(LONG_AGO, "ALTER TABLE public.codes RENAME TO tokens")
    with pytest.raises(DBAPIError, match=r"called all the same: policies\.codes: run 1 has failed"):
        call(shop)
    assert shop.do(STATES) == [("policies.codes", "failed"), ("policies.carts", "succeeded")]


def test_a_job_that_cannot_begin_keeps_no_other_back_and_is_named_at_the_end(shop: CronShop) -> None:
    """It has no run that would put it behind the others: an error of its would end each call before them."""
    install(shop.app, PgCronOptions())
    shop.do(
        LONG_AGO,
        "CREATE FUNCTION sexton.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no lease for this one'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON sexton.leases FOR EACH ROW WHEN (new.name = 'job:policies.codes')"
        " EXECUTE FUNCTION sexton.refuse()",
    )
    with pytest.raises(DBAPIError, match=r"called all the same: policies\.codes: no lease for this one"):
        call(shop)
    assert shop.do(STATES) == [("policies.carts", "succeeded")]


def test_in_the_session_of_such_a_call_a_job_of_its_own_fails_as_ever(shop: CronShop) -> None:
    install(shop.app, PgCronOptions())
    shop.do(NOT_YET)
    with shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CALL sexton.catch_up()"))
        shop.do(LONG_AGO, "ALTER TABLE public.codes RENAME TO tokens")
        with pytest.raises(DBAPIError, match=r"run 1 of policies\.codes has failed"):
            connection.execute(text('CALL sexton."job_policies.codes"()'))


def test_objects_of_strangers_on_the_search_path_are_not_called(shop: CronShop) -> None:
    """SEC-1: the role's own path is in force again after each COMMIT inside."""
    install(shop.app, PgCronOptions())
    shop.do(
        "CREATE SCHEMA trap",
        "CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'trapped'; END $$",
        f"GRANT USAGE ON SCHEMA trap TO {shop.role}",
        f"ALTER ROLE {shop.role} IN DATABASE {shop.name} SET search_path = trap, pg_catalog, public",
        LONG_AGO,
    )
    shop.database.dispose()
    call(shop)
    assert len(shop.do(STATES)) == 2


def test_a_job_that_stands_still_until_it_is_installed_again_keeps_no_other_back(shop: CronShop) -> None:
    install(shop.app, PgCronOptions())
    shop.do(LONG_AGO, "UPDATE sexton.schedules SET expression = 'other' WHERE job = 'policies.codes'")
    with pytest.raises(DBAPIError, match=r"policies\.codes is on another schedule by now"):
        call(shop)
    assert shop.do(STATES) == [("policies.carts", "succeeded")]
    with (
        pytest.raises(DBAPIError, match="on another schedule by now"),
        shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.execute(text('CALL sexton."job_policies.codes"()'))
