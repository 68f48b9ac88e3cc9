"""PGC-1: what cannot work is refused before anything is made, by one line that says what would help."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions, options_of
from sexton.errors import SettingsError, UsageError
from sexton.testing.postgres import Server
from tests.support.pg_cron import RIGHTS, CronShop, as_superuser, new_shop

PROCEDURES = "SELECT proname FROM pg_proc WHERE pronamespace = 'sexton'::regnamespace AND prokind = 'p'"


def refused(shop: CronShop, options: PgCronOptions | None = None) -> str:
    """The line; and that nothing was made."""
    with pytest.raises(UsageError) as found:
        install(shop.app, options or PgCronOptions())
    assert shop.do(PROCEDURES) == []
    assert shop.do("SELECT * FROM sexton.slots") == []
    said = str(found.value)
    assert "\n" not in said
    return said


def test_pgc_1_missing_rights_are_named_as_grants_that_help(pg_cron_server: Server) -> None:
    with new_shop(pg_cron_server, rights=False) as shop:
        said = refused(shop)
        grants = [f"{right.format(role=shop.role)};" for right in RIGHTS]
        assert "in database postgres" in said
        for grant in grants:
            assert grant in said
            shop.cron(grant)
        install(shop.app, PgCronOptions())


def test_a_superuser_is_refused(pg_cron_server: Server, shop: CronShop) -> None:
    """Triggers of the product's tables run in the procedure."""
    shop.do(f"ALTER ROLE {shop.role} SUPERUSER")
    try:
        assert f"role {shop.role} is a superuser" in refused(shop)
    finally:
        shop.do(f"ALTER ROLE {shop.role} NOSUPERUSER")


def test_pgc_1_a_database_without_the_extension_is_refused(shop: CronShop) -> None:
    there = PgCronOptions(database=shop.url)
    assert f"database {shop.name} has no extension pg_cron" in refused(shop, there)
    shop.do(f"GRANT pg_read_all_settings TO {shop.role}")
    assert "it belongs into postgres (cron.database_name)" in refused(shop, there)


def test_another_role_is_refused(shop: CronShop, pg_cron_server: Server) -> None:
    with new_shop(pg_cron_server) as other:
        there = PgCronOptions(database=other.url.replace(f"/{other.name}", "/postgres"))
        assert f"role {other.role} would schedule in postgres, and {shop.role} owns the jobs" in refused(shop, there)


def test_another_server_is_refused(shop: CronShop, start_server: Callable[..., Server]) -> None:
    other = start_server(15)
    as_superuser(other.url, f"CREATE ROLE {shop.role} LOGIN")
    said = refused(shop, PgCronOptions(database=other.url.replace("postgres@", f"{shop.role}@")))
    assert "postgres is a database of another server" in said


def test_a_role_whose_sessions_only_read_is_refused(shop: CronShop) -> None:
    shop.do(f"ALTER ROLE {shop.role} IN DATABASE {shop.name} SET default_transaction_read_only = on")
    shop.database.dispose()
    said = refused(shop)
    assert f"sessions of role {shop.role} only read in {shop.name}" in said
    assert "default_transaction_read_only" in said


def test_no_job_and_no_postgresql_are_refused(shop: CronShop) -> None:
    shop.settle(engine="worker")
    assert "no job is to run inside PostgreSQL" in refused(shop)
    lite = App(Settings(database="sqlite://", engine="pg_cron"))
    with pytest.raises(UsageError, match="needs PostgreSQL"):
        install(lite, PgCronOptions())


def test_a_role_that_may_make_nothing_in_the_schema_is_told(shop: CronShop) -> None:
    shop.do("ALTER SCHEMA sexton OWNER TO postgres", f"GRANT USAGE ON SCHEMA sexton TO {shop.role}")
    try:
        with pytest.raises(UsageError, match="schema sexton"):
            install(shop.app, PgCronOptions())
    finally:
        shop.do(f"ALTER SCHEMA sexton OWNER TO {shop.role}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"called_by": "crond"}, "'crond'"),
        ({"spread": "2h"}, "spread"),
        ({"databse": "x"}, "databse"),
    ],
)
def test_options_that_cannot_be_are_refused(shop: CronShop, given: dict[str, object], said: str) -> None:
    app = shop.settle(engines={"pg_cron": given})
    with pytest.raises(SettingsError, match=said):
        options_of(app)


def test_the_password_of_the_other_database_is_never_shown(shop: CronShop) -> None:
    """SEC-9: neither in the options as text nor in what is said about them."""
    options = PgCronOptions(database="postgresql://jobs:hushhush@127.0.0.1:1/postgres?connect_timeout=1")
    assert "hushhush" not in repr(options)
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as found:
        install(shop.app, options)
    assert "hushhush" not in str(found.value)
