"""Whom the role of the jobs trusts, with real roles and a search path full of traps (SEC-1, SEC-15, SEC-19)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from sexton.db.connect import open_database
from sexton.db.search_path import search_path
from sexton.db.trust import untrusted_creators
from tests.support.databases import Databases
from tests.support.roles import Town, new_town, quoted

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    with new_town(databases, database_kind) as town:
        yield town


def creators(town: Town, who: str, *schemas: str, trusted: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    with town.engine(who).begin() as connection:
        return untrusted_creators(connection, schemas, trusted)


def path(town: Town, who: str, trusted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Where a new session of this role looks names up."""
    engine = open_database(town.url_of(who), trusted=trusted)
    with engine.begin() as connection:
        safe = search_path(connection.dialect).safe
    engine.dispose()
    return safe


def test_sec_1_who_may_create_in_a_schema(town: Town) -> None:
    boss, mallory, shop = town.role("boss"), town.role('mal"lo%r:y\\'), town.role("shop")
    town.do(
        f"CREATE SCHEMA hers AUTHORIZATION {quoted(mallory)}",
        "CREATE SCHEMA open",
        "GRANT USAGE, CREATE ON SCHEMA open TO PUBLIC",
        "CREATE SCHEMA two",
        f"GRANT CREATE ON SCHEMA two TO {quoted(shop)}, {quoted(mallory)}",
        f"CREATE SCHEMA own AUTHORIZATION {quoted(boss)}",
        "CREATE SCHEMA readable",
        f"GRANT USAGE ON SCHEMA readable TO {quoted(mallory)}",
    )
    schemas = ("hers", "open", "two", "own", "readable", "pg_catalog", "not there")
    assert creators(town, boss, *schemas) == {"hers": (mallory,), "open": ("PUBLIC",), "two": (mallory, shop)}
    assert creators(town, boss, *schemas, trusted=(shop, "nobody"))["two"] == (mallory,)
    assert creators(town, boss, "hers", trusted=(mallory,)) == {}
    # What she owns she may give herself again.
    town.do(f"REVOKE ALL ON SCHEMA hers FROM {quoted(mallory)}")
    assert creators(town, boss, "hers") == {"hers": (mallory,)}


def test_sec_1_roles_it_is_a_member_of_are_trusted_over_others_too(town: Town) -> None:
    boss, team, firm = town.role("boss"), town.role("team"), town.role("firm", "NOINHERIT")
    town.do(
        f"GRANT {quoted(firm)} TO {quoted(team)}",
        f"GRANT {quoted(team)} TO {quoted(boss)}",
        f"CREATE SCHEMA theirs AUTHORIZATION {quoted(firm)}",
        f"CREATE SCHEMA its AUTHORIZATION {quoted(boss)}",
    )
    assert creators(town, boss, "theirs", "its") == {}
    # Not the other way round: who is a member of this role may become it, but it is not theirs to be trusted.
    assert creators(town, firm, "its") == {"its": (boss,)}


def test_sec_1_who_made_a_role_does_not_trust_it(town: Town) -> None:
    """From PostgreSQL 16 on, it is made a member of the new role, to administer it and no more."""
    boss = town.role("boss", "CREATEROLE")
    mallory = town.role("mallory")
    if town.ask("SELECT current_setting('server_version_num')::int >= 160000"):
        town.do(f"GRANT {quoted(mallory)} TO {quoted(boss)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    town.do(f"CREATE SCHEMA hers AUTHORIZATION {quoted(mallory)}")
    assert creators(town, boss, "hers") == {"hers": (mallory,)}


def test_sec_1_a_superuser_does_not_trust_everybody(town: Town) -> None:
    """`pg_has_role` says that a superuser is a member of each role there is."""
    root, mallory, boss = town.role("root", "SUPERUSER"), town.role("mallory"), town.role("boss")
    town.do(f"CREATE SCHEMA hers AUTHORIZATION {quoted(mallory)}", "CREATE TABLE hers.things (id int)")
    town.do(f"ALTER TABLE hers.things OWNER TO {quoted(mallory)}", f"CREATE SCHEMA his AUTHORIZATION {quoted(root)}")
    assert creators(town, root, "hers") == {"hers": (mallory,)}
    assert creators(town, boss, "his") == {}


def test_sec_1_the_owner_of_the_database_is_trusted(town: Town) -> None:
    boss, host = town.role("boss"), town.role("host")
    town.do(f"CREATE SCHEMA hosted AUTHORIZATION {quoted(host)}", "CREATE SCHEMA by_right")
    town.do("GRANT CREATE ON SCHEMA by_right TO pg_database_owner")
    assert creators(town, boss, "hosted", "by_right") == {"hosted": (host,)}
    town.do(f"ALTER DATABASE {quoted(town.database)} OWNER TO {quoted(host)}")
    assert creators(town, boss, "hosted", "by_right") == {}
    town.do(f"ALTER DATABASE {quoted(town.database)} OWNER TO postgres")


def test_sec_1_the_safe_path_leaves_out_what_strangers_may_fill(town: Town) -> None:
    boss, mallory = town.role("boss"), town.role("mallory")
    town.do(
        f"CREATE SCHEMA {quoted(boss)} AUTHORIZATION {quoted(mallory)}",  # "$user" stands first in the usual path
        f"GRANT USAGE ON SCHEMA {quoted(boss)} TO PUBLIC",
        "CREATE SCHEMA closed",
        "CREATE SCHEMA shop",
        "GRANT USAGE ON SCHEMA shop TO PUBLIC",
    )
    usual = '"$user", shop, public, closed, "not there", pg_temp, pg_catalog, shop'
    town.do(f"ALTER ROLE {quoted(boss)} SET search_path = {usual}")
    assert path(town, boss) == ("shop", "public", "pg_catalog")
    assert path(town, boss, trusted=(mallory,)) == (boss, "shop", "public", "pg_catalog")
    town.do("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert path(town, boss) == ("shop", "pg_catalog")


TRAPS = """
CREATE TABLE caught (who text);
GRANT SELECT, INSERT ON caught TO PUBLIC;
CREATE FUNCTION note() RETURNS bool LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN INSERT INTO hers.caught VALUES (current_user); RETURN true; END $$;
CREATE FUNCTION has_schema_privilege(oid, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM hers.note(); RETURN true; END $$;
CREATE FUNCTION starts_with(name, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM hers.note(); RETURN false; END $$;
CREATE FUNCTION current_database() RETURNS name LANGUAGE plpgsql AS
  $$ BEGIN PERFORM hers.note(); RETURN 'x'; END $$;
"""
"""As mallory would leave them; operators for each pair of types that these statements compare follow."""

PAIRS = ("name, name", "name, text", "text, name", "text, text", "oid, oid", "text, varchar", '"char", "char"')


def test_sec_1_nothing_of_strangers_is_called_while_it_is_found_out(town: Town) -> None:
    boss, mallory = town.role("boss"), town.role("mallory")
    town.do(f"CREATE SCHEMA hers AUTHORIZATION {quoted(mallory)}", "GRANT USAGE ON SCHEMA hers TO PUBLIC")
    town.do("SET LOCAL search_path = hers", TRAPS, who=mallory)
    for number, pair in enumerate(PAIRS):
        left, right = pair.split(", ")
        body = "$$ BEGIN PERFORM hers.note(); RETURN true; END $$"
        town.do(
            f"CREATE FUNCTION hers.eq{number}({pair}) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS {body}",
            f"CREATE OPERATOR hers.= (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = hers.eq{number})",
            who=mallory,
        )
    with town.engine(boss).begin() as connection:
        connection.execute(text("SELECT pg_catalog.set_config('search_path', 'hers, pg_catalog', true)"))
        assert untrusted_creators(connection, ("hers", "public")) == {"hers": (mallory,)}
        assert connection.execute(text("SELECT pg_catalog.count(*) FROM hers.caught")).scalar() == 0
        assert connection.execute(text("SELECT oid FROM pg_catalog.pg_class WHERE oid = 1 LIMIT 1")).first() is not None
        assert connection.execute(text("SELECT pg_catalog.count(*) FROM hers.caught")).scalar_one() > 0
