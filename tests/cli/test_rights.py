"""`check` and `arm` name what weakens the role of the jobs, and what mends it (SEC-1, SEC-15, SEC-19)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sexton.db.migrate import migrate
from tests.support.databases import Databases
from tests.support.roles import Town, new_town, quoted

from .shell import Inside

pytestmark = pytest.mark.databases("postgres")

POLICY = """
database = {url}
{trusted}
[policies.things]
purge = "hers.things"
by = "born"
keep = "30d"
children = {{ "hers.parts" = "thing" }}
"""


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    """Mallory has a schema with a table, its child, and a trigger; boss may delete there, and owns Sexton's tables."""
    with new_town(databases, database_kind) as town:
        boss, mallory = town.role("boss"), town.role("mallory")
        town.do(f"GRANT CREATE ON DATABASE {quoted(town.database)} TO PUBLIC")
        migrate(town.engine(boss))
        town.do(
            "CREATE SCHEMA hers",
            "CREATE TABLE hers.things (id int PRIMARY KEY, born timestamptz)",
            "CREATE TABLE hers.parts (id int PRIMARY KEY, thing int REFERENCES hers.things)",
            "CREATE INDEX ON hers.things (born, id)",
            "CREATE INDEX ON hers.parts (thing)",
            "INSERT INTO hers.things VALUES (1, '2020-01-01'), (2, now())",
            "CREATE TABLE hers.caught (who text)",
            f"GRANT USAGE ON SCHEMA hers TO {quoted(boss)}",
            f"GRANT SELECT, UPDATE, DELETE ON hers.things, hers.parts TO {quoted(boss)}",
            f"GRANT INSERT ON hers.caught TO {quoted(boss)}",
            "CREATE FUNCTION hers.catches() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO hers.caught VALUES (current_user); RETURN OLD; END'",
            "CREATE TRIGGER catches AFTER DELETE ON hers.things FOR EACH ROW EXECUTE FUNCTION hers.catches()",
            who=mallory,
        )
        yield town


def settings(inside: Inside, town: Town, who: str, *trusted: str) -> None:
    trusts = f"trusted_roles = {list(trusted)!r}" if trusted else ""
    inside.write("sexton.toml", POLICY.format(url=repr(town.url_of(who)), trusted=trusts))


def warnings(inside: Inside, about: str) -> list[str]:
    done = inside.sexton("check")
    assert done.code == 0, done
    head = f"warning  {about}: "
    return [line.removeprefix(head) for line in done.out.splitlines() if line.startswith(head)]


def test_sec_19_check_and_arm_name_a_table_of_a_stranger_and_its_trigger(inside: Inside, town: Town) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss)
    mend = f'OWNER TO "{boss}", or, if "{mallory}" may act as it, trusted_roles = ["{mallory}"]'
    named = [
        f'table hers.{table} belongs to "{mallory}", whom "{boss}" does not trust: its triggers and defaults run as '
        f'"{boss}"; ALTER TABLE hers.{table} {mend}'
        for table in ("parts", "things")
    ]
    named.append(
        f'trigger catches of hers.things calls hers.catches() of "{mallory}", whom "{boss}" does not trust, which runs '
        f'as "{boss}"; read what it does; ALTER FUNCTION hers.catches() {mend}'
    )
    found = warnings(inside, "policies.things")
    assert [line for line in found if "does not trust" in line] == named

    shown = inside.sexton("arm", "things", "--yes")
    assert shown.code == 0, shown
    assert [line for line in shown.out.splitlines() if "does not trust" in line] == named
    assert inside.sexton("run", "policies.things").code == 0
    assert town.ask("SELECT string_agg(who, ',') FROM hers.caught") == boss  # what the warning is about

    settings(inside, town, boss, mallory)
    assert [line for line in warnings(inside, "policies.things") if "does not trust" in line] == []


def test_sec_1_check_names_schemas_of_the_path_that_others_may_create_in(inside: Inside, town: Town) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss)
    assert warnings(inside, "database") == []
    town.do(
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        f"CREATE SCHEMA {quoted(boss)} AUTHORIZATION {quoted(mallory)}",
        f"GRANT USAGE ON SCHEMA {quoted(boss)} TO PUBLIC",
    )
    why = " of the search path, so that nothing in it is found by a bare name but tables"
    mend = f'ALTER SCHEMA "{boss}" OWNER TO "{boss}", or, if "{mallory}" may act as it, trusted_roles = ["{mallory}"]'
    assert warnings(inside, "database") == [
        f'schema "{boss}"{why}, belongs to "{mallory}", whom "{boss}" does not trust; {mend}',
        f"every role (PUBLIC) may create in schema public{why}; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ]


def test_sec_19_check_names_rights_that_no_job_needs(inside: Inside, town: Town) -> None:
    boss, _ = town.roles
    settings(inside, town, boss)
    power = "pg_execute_server_program"
    town.do(f"ALTER ROLE {quoted(boss)} CREATEROLE", f"GRANT {power} TO {quoted(boss)}")
    member = f'role "{boss}" is a member of {power}'
    assert warnings(inside, "database") == [
        f'role "{boss}" may create roles, and so become others; ALTER ROLE "{boss}" NOCREATEROLE',
        f'{member}, and so reaches files or programs of the server; REVOKE {power} FROM "{boss}"',
    ]
    town.do(f"ALTER ROLE {quoted(boss)} SUPERUSER")
    (found,) = warnings(inside, "database")
    assert found.startswith(f'role "{boss}" is a superuser: ')
    # A superuser is no member of all roles, as the server says it is: her table is hers.
    assert any("hers.things belongs to" in line for line in warnings(inside, "policies.things"))


def test_sec_19_check_names_roles_that_are_trusted_in_vain_or_all_at_once(inside: Inside, town: Town) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss, "mellory", mallory, "PUBLIC")
    assert warnings(inside, "database") == [
        f'trusted_roles names PUBLIC: whatever any role owns may run as "{boss}"; name the roles that own your tables',
        "trusted_roles names mellory, and there is no such role; correct the name",
    ]


def test_sec_15_check_says_what_stands_on_our_own_tables(inside: Inside, town: Town) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss, mallory)
    town.do(
        "CREATE TRIGGER odd AFTER INSERT ON sexton.runs FOR EACH ROW EXECUTE FUNCTION hers.catches()",
        "CREATE RULE beside AS ON DELETE TO sexton.leases DO ALSO SELECT 1",
        "ALTER TABLE sexton.effects ENABLE ROW LEVEL SECURITY",
    )
    hidden = "row level security is on for sexton.effects"
    assert warnings(inside, "database") == [
        f"{hidden}, and may hide rows from Sexton; ALTER TABLE sexton.effects DISABLE ROW LEVEL SECURITY",
        "rule beside stands on sexton.leases, which Sexton did not make; DROP RULE beside ON sexton.leases",
        "trigger odd stands on sexton.runs, which Sexton did not make; DROP TRIGGER odd ON sexton.runs",
    ]


def test_sec_15_check_names_who_else_may_write_to_our_tables(inside: Inside, town: Town) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss)
    town.do(
        f"GRANT UPDATE (rows) ON sexton.archives TO {quoted(mallory)}",
        f"GRANT INSERT, SELECT ON sexton.armed TO {quoted(mallory)}, {quoted(boss)}",
        "GRANT SELECT ON sexton.runs TO PUBLIC",
        "GRANT DELETE ON sexton.effects TO PUBLIC",
    )
    so = "and so arm a policy or change what is on record; unless it is the role of the jobs, REVOKE"
    every = "INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA sexton FROM"
    assert warnings(inside, "database") == [
        f"every role (PUBLIC) may write to 1 of Sexton's own tables, {so} {every} PUBLIC",
        f'"{mallory}", whom "{boss}" does not trust, may write to 2 of Sexton\'s own tables, {so} {every} "{mallory}"',
    ]


def test_sec_15_check_fails_where_others_may_create_in_our_schema_or_run_on_our_tables(
    inside: Inside, town: Town
) -> None:
    boss, mallory = town.roles
    settings(inside, town, boss)
    town.do(
        f"GRANT CREATE ON SCHEMA sexton TO {quoted(mallory)}",
        "CREATE TRIGGER odd AFTER INSERT ON sexton.runs FOR EACH ROW EXECUTE FUNCTION hers.catches()",
    )
    done = inside.sexton("check")
    assert done.code == 2
    wrong = [line.removeprefix("wrong    database: ") for line in done.out.splitlines() if line.startswith("wrong")]
    assert wrong[0] == (
        f'"{mallory}", whom "{boss}" does not trust, may create in schema sexton, where Sexton keeps its own tables; '
        f'REVOKE CREATE ON SCHEMA sexton FROM "{mallory}"'
    )
    assert wrong[1].startswith(f'trigger odd of sexton.runs calls hers.catches() of "{mallory}", whom ')
    town.do(f"ALTER TABLE sexton.runs OWNER TO {quoted(mallory)}")
    done = inside.sexton("check")
    assert done.code == 2
    assert "wrong    database: table sexton.runs in Sexton's own schema belongs to" in done.out
    assert inside.sexton("history").line.startswith("sexton: table sexton.runs in Sexton's own schema belongs to")
