"""D14, D15: what the doctor says of an index whose building failed, and of rights that are missing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from sexton.doctor.diagnose import diagnose
from sexton.doctor.finding import Finding
from tests.support.findings import about, apply, examined, levels
from tests.support.sessions import NOON, Sessions, make_sessions

from .conftest import Newcomer, execute

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Three sessions that are due."""
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))
    return shop


def test_d14_an_index_whose_building_failed_is_named_with_what_removes_it(engine: Engine, shop: Sessions) -> None:
    shop.one(4, NOON)
    shop.one(5, NOON)
    execute(engine, "DROP INDEX sessions_expires")
    with pytest.raises(DBAPIError, match="could not create unique index"):
        apply(engine, 'CREATE UNIQUE INDEX CONCURRENTLY "sessions_expires_at_id" ON sessions (expires_at)')

    found = about(examined(engine, shop.purge()), "index")
    apply(engine, *(finding.sql for finding in reversed(found)))

    assert [finding.level for finding in found] == ["warning", "warning"]
    assert "no index leads to expires_at" in found[0].text
    assert "INVALID" in found[1].text
    assert found[1].sql == "DROP INDEX CONCURRENTLY sessions_expires_at_id;"
    assert levels(examined(engine, shop.purge())) == []


@pytest.mark.parametrize("kind", ["purge", "expire"])
def test_d15_all_missing_rights_are_listed_and_enough_once_granted(
    engine: Engine, shop: Sessions, newcomer: Newcomer, kind: str
) -> None:
    role = newcomer()
    job = getattr(shop, kind)()

    wrong = lines(role, shop, kind)
    apply(engine, *wrong)

    rights = "SELECT, UPDATE, DELETE" if kind == "purge" else "SELECT, UPDATE"
    name = role.url.username
    assert wrong == [
        f"GRANT USAGE ON SCHEMA sexton TO {name};",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sexton TO {name};",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA sexton TO {name};",
        f"GRANT {rights} ON public.sessions TO {name};",
    ]
    assert lines(role, shop, kind) == []
    assert levels(examined(role, job)) == []


def test_d15_a_right_that_is_there_is_not_asked_for(shop: Sessions, newcomer: Newcomer) -> None:
    role = newcomer("GRANT SELECT ON sessions TO {role}", "GRANT UPDATE (status) ON sessions TO {role}")

    assert lines(role, shop, "purge")[-1] == f"GRANT DELETE ON public.sessions TO {role.url.username};"


def test_d15_a_schema_that_may_not_be_entered_is_named(engine: Engine, newcomer: Newcomer) -> None:
    shop = make_sessions(engine)
    execute(engine, "CREATE SCHEMA closed")
    execute(engine, "ALTER TABLE sessions SET SCHEMA closed")
    shop.table.schema = "closed"
    shop.table.fullname = "closed.sessions"

    assert f"GRANT USAGE ON SCHEMA closed TO {newcomer().url.username};" in lines(newcomer(), shop, "purge")


def test_d15_rows_that_are_hidden_are_told(engine: Engine, shop: Sessions, newcomer: Newcomer) -> None:
    role = newcomer(
        "GRANT ALL ON ALL TABLES IN SCHEMA public, sexton TO {role}",
        "GRANT USAGE ON SCHEMA sexton TO {role}",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA sexton TO {role}",
    )
    execute(engine, "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY")

    wrong = [finding for finding in findings(role, shop, "purge") if finding.level == "wrong"]

    assert "row level security hides rows" in wrong[0].text
    assert wrong[0].sql == f"ALTER ROLE {role.url.username} BYPASSRLS;"


def test_d15_what_a_role_may_not_see_is_skipped_politely(shop: Sessions, newcomer: Newcomer) -> None:
    finding = about(findings(newcomer(), shop, "purge"), "transactions")[0]

    assert finding.level == "note"
    assert finding.sql.startswith("GRANT pg_read_all_stats TO ")


def findings(role: Engine, shop: Sessions, kind: str) -> list[Finding]:
    return list(diagnose(role, [getattr(shop, kind)()], size=500))


def lines(role: Engine, shop: Sessions, kind: str) -> list[str]:
    """What is to be copied of all that is wrong."""
    wrong = [finding for finding in findings(role, shop, kind) if finding.level == "wrong"]
    return [line for finding in wrong for line in finding.sql.splitlines()]
