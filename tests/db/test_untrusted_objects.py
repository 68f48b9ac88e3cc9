"""What of others would run as the role of the jobs, and that Sexton does not move in with others (SEC-15, SEC-19)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from sexton.db.connect import open_database, read_only
from sexton.db.migrate import migrate, require_schema
from sexton.db.untrusted_objects import strangers_at_home, strangers_on
from sexton.errors import SchemaOutdated, SchemaUntrusted
from tests.support.roles import Town, quoted


def at_home(town: Town, who: str, *trusted: str) -> list[str]:
    engine = open_database(town.url_of(who), trusted=trusted)
    try:
        with read_only(engine) as connection:
            return [str(one) for one in strangers_at_home(connection)]
    finally:
        engine.dispose()


def on(town: Town, who: str, table: str, *trusted: str, deleted: bool = False) -> list[str]:
    number = town.ask(f"SELECT '{table}'::regclass::oid::bigint")
    assert isinstance(number, int)
    engine = open_database(town.url_of(who), trusted=trusted)
    try:
        with read_only(engine) as connection:
            return [str(one) for one in strangers_on(connection, [number], [number] if deleted else [])]
    finally:
        engine.dispose()


@pytest.mark.databases("postgres")
def test_sec_15_migrate_does_not_move_into_a_schema_of_somebody_else(town: Town) -> None:
    boss, mallory = town.roles
    town.do("CREATE SCHEMA sexton", "GRANT ALL ON SCHEMA sexton TO PUBLIC", who=mallory)
    with pytest.raises(SchemaUntrusted) as refused:
        migrate(town.engine(boss))
    assert str(refused.value) == (
        f"nothing was made: schema sexton, where Sexton keeps its own tables, belongs to {quoted(mallory)}, whom "
        f'"{boss}" does not trust; ALTER SCHEMA sexton OWNER TO "{boss}", or, if {quoted(mallory)} may act as it, '
        f'trusted_roles = ["{mallory.replace(chr(34), chr(92) + chr(34))}"]'
    )
    assert town.ask("SELECT count(*) FROM pg_class c WHERE relnamespace = 'sexton'::regnamespace") == 0
    # Hers alone she may have. Who trusts her, moves in, once nobody else may create there.
    trusting = open_database(town.url_of(boss), trusted=[mallory])
    with pytest.raises(SchemaUntrusted, match="REVOKE CREATE ON SCHEMA sexton FROM PUBLIC"):
        migrate(trusting)
    town.do("REVOKE CREATE ON SCHEMA sexton FROM PUBLIC", f"GRANT CREATE ON SCHEMA sexton TO {quoted(boss)}")
    assert migrate(trusting) is True
    trusting.dispose()


@pytest.mark.databases("postgres")
def test_sec_15_nothing_of_hers_is_read_to_find_the_revision(town: Town) -> None:
    """A view in a schema of hers would run her function as whoever asks, `check` as well as `migrate`."""
    boss, mallory = town.roles
    town.do(
        "CREATE SCHEMA sexton",
        "GRANT USAGE ON SCHEMA sexton TO PUBLIC",
        "CREATE TABLE sexton.caught (who text)",
        "GRANT INSERT ON sexton.caught TO PUBLIC",
        "CREATE FUNCTION sexton.note() RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO sexton.caught VALUES (current_user); RETURN '0000'; END $$",
        "CREATE VIEW sexton.schema_version AS SELECT sexton.note() AS version_num",
        "GRANT SELECT ON sexton.schema_version TO PUBLIC",
        who=mallory,
    )
    engine = town.engine(boss)
    with pytest.raises(SchemaUntrusted, match="schema sexton, where"):
        migrate(engine)
    with pytest.raises(SchemaUntrusted, match="schema sexton, where"), engine.begin() as connection:
        require_schema(connection)
    assert town.ask("SELECT count(*) FROM sexton.caught") == 0


@pytest.mark.databases("postgres")
def test_sec_15_a_table_of_hers_in_our_own_schema_is_not_ours(town: Town) -> None:
    boss, mallory = town.roles
    assert migrate(town.engine(boss)) is True
    assert at_home(town, boss) == []
    town.do(f"ALTER TABLE sexton.runs OWNER TO {quoted(mallory)}")
    (found,) = at_home(town, boss)
    assert found.startswith(f"table sexton.runs in Sexton's own schema belongs to {quoted(mallory)}, whom")
    assert f'ALTER TABLE sexton.runs OWNER TO "{boss}"' in found
    with pytest.raises(SchemaUntrusted, match=r"table sexton\.runs"), read_only(town.engine(boss)) as connection:
        require_schema(connection)
    with pytest.raises(SchemaUntrusted, match=r"table sexton\.runs"):
        migrate(town.engine(boss))
    assert at_home(town, boss, mallory) == []


@pytest.mark.databases("postgres")
def test_sec_15_a_schema_of_a_role_that_it_is_a_member_of_is_its_own(town: Town) -> None:
    boss, _ = town.roles
    owner = town.role("owner")
    assert migrate(town.engine(owner)) is True
    town.do(f"GRANT {quoted(owner)} TO {quoted(boss)}")
    assert migrate(town.engine(boss)) is False
    assert at_home(town, boss) == []


@pytest.mark.databases("postgres")
def test_sec_15_default_privileges_that_let_others_in_are_met_as_the_schema_is_made(town: Town) -> None:
    boss, _ = town.roles
    town.do(f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(boss)} GRANT CREATE ON SCHEMAS TO PUBLIC")
    with pytest.raises(SchemaUntrusted, match=r"every role \(PUBLIC\) may create in schema sexton"):
        migrate(town.engine(boss))
    assert town.ask("SELECT to_regnamespace('sexton')") is None
    town.do(f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(boss)} REVOKE CREATE ON SCHEMAS FROM PUBLIC")


@pytest.mark.databases("postgres")
def test_who_may_not_migrate_is_told_what_would_be_right(town: Town) -> None:
    boss, mallory = town.roles
    town.do(f"REVOKE CREATE ON DATABASE {quoted(town.database)} FROM PUBLIC")
    with pytest.raises(SchemaOutdated, match=f'role "{boss}" may not make schema sexton; GRANT CREATE ON DATABASE '):
        migrate(town.engine(boss))
    town.do(f"CREATE SCHEMA sexton AUTHORIZATION {quoted(boss)}")
    assert migrate(town.engine(boss)) is True  # who owns the schema needs no right on the database
    town.do("UPDATE sexton.schema_version SET version_num = '0008'")
    trusting = open_database(town.url_of(mallory), trusted=[boss])
    town.do(f"GRANT SELECT ON sexton.schema_version TO {quoted(mallory)}", who=boss)
    town.do(f"GRANT USAGE ON SCHEMA sexton TO {quoted(mallory)}", who=boss)
    with pytest.raises(SchemaOutdated, match=f'may not change Sexton\'s own tables; migrate as "{boss}", their owner'):
        migrate(trusting)
    trusting.dispose()


@pytest.mark.databases("sqlite")
def test_sec_15_a_sqlite_file_has_no_roles_and_so_no_strangers(empty_database: str) -> None:
    """Who may write the file may write all of it: nothing of this applies there."""
    engine = open_database(empty_database, trusted=["shop"])
    assert migrate(engine) is True
    with read_only(engine) as connection:
        require_schema(connection)
    engine.dispose()


HERS = """
CREATE SCHEMA hers;
GRANT USAGE ON SCHEMA hers TO PUBLIC;
CREATE FUNCTION hers.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
CREATE FUNCTION hers.one(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION hers.right(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR hers.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = hers.right);
CREATE DOMAIN hers.kind AS int CHECK (hers.one(VALUE) = 1);
"""


@pytest.mark.databases("postgres")
def test_sec_19_whatever_calls_her_functions_is_named(town: Town) -> None:
    boss, mallory = town.roles
    town.do(HERS, who=mallory)
    town.do(
        "CREATE TABLE public.things (id int PRIMARY KEY, plain int DEFAULT 1 + 1 CHECK (plain > 0), d int DEFAULT "
        "hers.one(1), g int GENERATED ALWAYS AS (hers.one(d)) STORED, k hers.kind,"
        " CONSTRAINT odd CHECK (d OPERATOR(hers.===) 1))",
        "CREATE INDEX by_one ON public.things (hers.one(id))",
        "CREATE TRIGGER fires AFTER DELETE ON public.things FOR EACH ROW EXECUTE FUNCTION hers.fires()",
        "CREATE POLICY seen ON public.things USING (hers.one(id) = 1)",
        "CREATE RULE beside AS ON DELETE TO public.things DO ALSO SELECT hers.one(old.id)",
        "CREATE FUNCTION public.ours() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "CREATE TRIGGER ours AFTER DELETE ON public.things FOR EACH ROW EXECUTE FUNCTION public.ours()",
    )
    found = on(town, boss, "public.things")
    begins = [line.split(" of public.things ")[0] for line in found]
    assert begins == [
        "constraint odd",
        "index by_one",
        "policy seen",
        "rule beside",
        "the default of d",
        "the default of g",
        "the type of k",
        "trigger fires",
        "k",
    ]
    assert found[begins.index("trigger fires")] == (
        f'trigger fires of public.things calls hers.fires() of {quoted(mallory)}, whom "{boss}" does not trust, which '
        f'runs as "{boss}"; read what it does; ALTER FUNCTION hers.fires() OWNER TO "{boss}", or, '
        f"if {quoted(mallory)} may act as it, "
        f'trusted_roles = ["{mallory.replace(chr(34), chr(92) + chr(34))}"]'
    )
    assert on(town, boss, "public.things", mallory) == []
    assert on(town, mallory, "public.things") == []


@pytest.mark.databases("postgres")
def test_sec_19_her_types_are_found_below_others_and_her_function_in_a_partition_key(town: Town) -> None:
    boss, mallory = town.roles
    town.do(HERS, who=mallory)
    town.do(
        "CREATE DOMAIN public.narrow AS hers.kind CHECK (VALUE > 0)",
        "CREATE TYPE public.pair AS (left_one hers.kind, right_one int)",
        "CREATE TABLE public.things (id int, a public.narrow, b hers.kind[], c public.pair) "
        "PARTITION BY RANGE (hers.one(id))",
    )
    found = on(town, boss, "public.things")
    calls = [line.split(" of public.things ")[0] for line in found if " calls " in line]
    assert calls == [
        "one of its columns, or how it is partitioned,",
        "the type of a",
        "the type of b",
        "the type of c",
    ]
    assert [line[0] for line in found if " has the type hers.kind of " in line] == ["a", "b", "c"]


@pytest.mark.databases("postgres")
def test_sec_19_owners_partitions_and_where_a_deletion_goes_on(town: Town) -> None:
    boss, mallory = town.roles
    town.do(
        "CREATE TABLE public.parents (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.first PARTITION OF public.parents FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE public.along (id int PRIMARY KEY, p int REFERENCES public.parents ON DELETE CASCADE)",
        "CREATE TABLE public.further (a int REFERENCES public.along ON DELETE SET NULL)",
        "CREATE TABLE public.kept (p int REFERENCES public.parents)",
        *(f"ALTER TABLE public.{name} OWNER TO {quoted(mallory)}" for name in ("first", "along", "further", "kept")),
    )

    def named(*, deleted: bool) -> list[str]:
        return [line.split()[1] for line in on(town, boss, "public.parents", deleted=deleted)]

    assert named(deleted=False) == ["public.first"]
    assert named(deleted=True) == ["public.along", "public.first", "public.further"]


@pytest.mark.databases("postgres")
def test_sec_19_views_of_hers_and_views_that_call_her(town: Town) -> None:
    boss, mallory = town.roles
    town.do(HERS, "CREATE VIEW hers.seen AS SELECT 1 AS id", who=mallory)
    town.do("CREATE TABLE public.things (id int)")
    town.do("CREATE VIEW public.seen AS SELECT hers.one(id) AS id FROM public.things")
    (called,) = on(town, boss, "public.seen")
    assert called.startswith("its query of public.seen calls hers.one(integer) of ")
    (owned,) = on(town, boss, "hers.seen")
    assert owned.startswith("view hers.seen belongs to ")
    assert f'; ALTER VIEW hers.seen OWNER TO "{boss}", or' in owned


@pytest.mark.databases("postgres")
def test_sec_19_who_may_put_triggers_on_a_table(town: Town) -> None:
    boss, mallory = town.roles
    town.do("CREATE TABLE public.things (id int)", f"GRANT ALL ON public.things TO {quoted(boss)}, {quoted(mallory)}")
    (found,) = on(town, boss, "public.things")
    assert found == (
        f'{quoted(mallory)}, whom "{boss}" does not trust, may put triggers on public.things, which run as "{boss}"; '
        f"REVOKE TRIGGER ON public.things FROM {quoted(mallory)}"
    )
    town.do(found.partition("; ")[2])
    assert on(town, boss, "public.things") == []
    with town.engine(boss).begin() as connection:
        connection.execute(text("SELECT 1 FROM public.things"))
