"""What strangers can put into Sexton's own schema, or behind a column, before anybody looks (SEC-15, SEC-19)."""

from __future__ import annotations

import pytest

from sexton.db.connect import read_only
from sexton.db.migrate import migrate, require_schema
from sexton.errors import SchemaUntrusted
from tests.support.roles import Town, quoted

from .test_untrusted_objects import at_home, on

pytestmark = pytest.mark.databases("postgres")


def test_sec_15_attack_a_function_of_hers_that_waits_in_our_own_schema(town: Town) -> None:
    """Replaced by a superuser it would stay hers, and `ALTER FUNCTION … SET search_path` is enough to run code."""
    mallory, root = town.roles[1], town.role("root", "SUPERUSER")
    town.do(
        "CREATE SCHEMA sexton",
        "CREATE FUNCTION sexton.bounded(key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT key $$",
        "CREATE PROCEDURE sexton.other() LANGUAGE sql AS $$ SELECT 1 $$",
        who=mallory,
    )
    town.do(f"ALTER SCHEMA sexton OWNER TO {quoted(root)}")  # as the first message says
    with pytest.raises(SchemaUntrusted, match=r"function sexton\.bounded\(key text\) in Sexton's own schema belongs"):
        migrate(town.engine(root))
    assert [line.split("; ")[1].split(",")[0] for line in at_home(town, root)] == [
        "DROP FUNCTION sexton.bounded(key text)",
        "DROP PROCEDURE sexton.other()",
    ]
    town.do("DROP FUNCTION sexton.bounded(text)", "DROP PROCEDURE sexton.other()")
    assert migrate(town.engine(root)) is True
    town.do(f"ALTER FUNCTION sexton.bounded(text) OWNER TO {quoted(mallory)}")
    with pytest.raises(SchemaUntrusted), read_only(town.engine(root)) as connection:
        require_schema(connection)


def test_sec_19_attack_a_cast_of_an_enum_of_hers(town: Town) -> None:
    """Keys and messages have a value as text: her cast would be called, and say which text."""
    boss, mallory = town.roles
    town.do(
        "CREATE SCHEMA his",
        "GRANT ALL ON SCHEMA his TO PUBLIC",
        "CREATE TYPE his.state AS ENUM ('open')",
        "CREATE FUNCTION his.said(his.state) RETURNS text LANGUAGE sql AS $$ SELECT 'done' $$",
        "CREATE CAST (his.state AS text) WITH FUNCTION his.said(his.state)",
        "CREATE FUNCTION his.meant(varchar) RETURNS his.state LANGUAGE sql AS $$ SELECT CAST(NULL AS his.state) $$",
        "CREATE CAST (varchar AS his.state) WITH FUNCTION his.meant(varchar)",
        who=mallory,
    )
    town.do("CREATE TABLE public.things (id int, a his.state, b his.state[])", "CREATE TABLE public.rest (id text)")
    assert on(town, boss, "public.rest") == []
    found = on(town, boss, "public.things")
    types = [line for line in found if " has the type his.state of " in line]
    assert len(types) == 2
    assert f"whose functions, casts and checks run as {quoted(boss)}; ALTER TYPE his.state OWNER TO" in types[0]
    town.do("ALTER TYPE his.state OWNER TO postgres")  # as it says; what she made before stays hers
    found = on(town, boss, "public.things")
    assert [line.split(f" of {quoted(mallory)}")[0] for line in found] == [
        f"a cast of the type of {column} of public.things calls his.{function}"
        for column in ("a", "b")
        for function in ("meant(character varying)", "said(his.state)")
    ]
