"""D15: a right is missing, or row level security hides rows. "Not allowed to see" is never "nothing to do"."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Column, Engine, MetaData, Table, Text, exists, not_, select

from sexton import Job, Purge, Transition
from sexton.db.column_types import BigKey
from sexton.errors import PolicyError
from sexton.run_counts import Counts
from sexton.testing import preview_job, run_job
from tests.support.accounts import open_bank
from tests.support.inside import call, install
from tests.support.sessions import NOON, Sessions, make_sessions

from .conftest import Newcomer, execute
from .nothing import assert_nothing_started

pytestmark = pytest.mark.databases("postgres")

OURS = (
    "GRANT USAGE ON SCHEMA sexton TO {role}",
    "GRANT ALL ON ALL TABLES IN SCHEMA sexton TO {role}",
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA sexton TO {role}",
)
ALL = (*OURS, "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")

HIDE = "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Three sessions that are due."""
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))
    return shop


@pytest.mark.parametrize(
    ("grants", "object_"),
    [
        (("GRANT SELECT ON sessions TO {role}", *OURS), "table sessions"),
        ((*OURS,), "table sessions"),
        (("GRANT ALL ON sessions TO {role}",), "schema sexton"),
        (("GRANT ALL ON sessions TO {role}", OURS[0]), "table schema_version"),
    ],
    ids=["reading only", "no right on the table", "no right on our schema", "no right on our tables"],
)
def test_d15_a_missing_right_is_told_in_one_line_and_nothing_starts(
    engine: Engine, shop: Sessions, newcomer: Newcomer, grants: tuple[str, ...], object_: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        run_job(newcomer(*grants), shop.purge(), at=NOON)

    assert str(refused.value).startswith("shop.purge_sessions, ")
    assert str(refused.value).endswith(f": permission denied for {object_}; sexton doctor prints the GRANT")
    assert refused.value.exit_code == 2
    assert shop.ids() == [1, 2, 3]
    assert_nothing_started(engine)


def test_d15_enough_rights_are_enough(shop: Sessions, newcomer: Newcomer) -> None:
    assert run_job(newcomer(*ALL), shop.expire(), at=NOON).total == Counts(picked=3, changed=3, told=6)


def test_d15_hidden_rows_of_the_table_itself_are_refused(engine: Engine, shop: Sessions, newcomer: Newcomer) -> None:
    execute(engine, HIDE.format(table="sessions"))
    role = newcomer(*ALL)

    for start in (run_job, preview_job):
        with pytest.raises(PolicyError, match=r"shop\.purge_sessions.*row level security hides rows of sessions"):
            start(role, shop.purge(), at=NOON)

    assert_nothing_started(engine)


def test_d15_hidden_rows_of_a_table_that_a_condition_reads_are_refused(
    engine: Engine, shop: Sessions, newcomer: Newcomer
) -> None:
    """A payment that nobody may see would not keep an order alive."""
    holds = Table("holds", MetaData(), Column("session_id", BigKey, primary_key=True), Column("why", Text))
    holds.create(engine)
    execute(engine, "INSERT INTO holds VALUES (2, 'paid')")
    execute(engine, HIDE.format(table="holds"))
    held = exists(select(1).where(holds.c.session_id == shop.table.c.id))
    columns = shop.table.c
    purge = Purge(shop.table, by=columns.expires_at, keep="0s", kind="deadline", only=not_(held))
    expire = Transition(shop.table, {"status": "expired"}, only=not_(held), by=columns.expires_at, kind="deadline")
    role = newcomer(*ALL)

    for work in (purge, expire):
        for start in (run_job, preview_job):
            with pytest.raises(PolicyError, match="row level security hides rows of holds"):
                start(role, Job("shop.with_holds", work=work), at=NOON)

    assert shop.ids(status="open") == [1, 2, 3]
    assert run_job(engine, Job("shop.with_holds", work=purge), at=NOON).total == Counts(picked=2, changed=2)


def test_d15_a_forced_policy_is_refused_even_for_the_owner(engine: Engine, shop: Sessions, newcomer: Newcomer) -> None:
    role = newcomer(*ALL, "ALTER TABLE sessions OWNER TO {role}")
    execute(engine, HIDE.format(table="sessions"))
    assert preview_job(role, shop.purge(), at=NOON).total.picked == 3  # the owner sees all
    execute(engine, "ALTER TABLE sessions FORCE ROW LEVEL SECURITY")

    with pytest.raises(PolicyError, match="row level security"):
        run_job(role, shop.purge(), at=NOON)

    execute(engine, f"ALTER ROLE {role.url.username} BYPASSRLS")
    assert run_job(role, shop.purge(), at=NOON).total.picked == 3


def test_d15_rows_hidden_since_a_procedure_was_installed_end_its_run_before_the_first(
    engine: Engine, newcomer: Newcomer
) -> None:
    """PGC-6: what nobody may see of a lot's entries would be missing in its sum, and the lot be written off below 0."""
    bank = open_bank(engine)
    lot = bank.lot(100, expires=NOON)
    bank.spend(40, when=NOON)
    role = newcomer(*ALL, "GRANT CREATE ON SCHEMA sexton TO {role}")
    procedure = install(role, open_bank(role, make=False).job("lots"))
    execute(engine, HIDE.format(table="entries"))
    execute(engine, "CREATE POLICY credits ON entries USING (type = 'credit') WITH CHECK (true)")

    said = call(role, procedure, "2026-12-02")

    assert said is not None
    assert "step expire: row level security hides rows of entries from this role" in said
    assert (bank.left(), bank.violations()) == ({lot: 60}, [])
    with engine.connect() as connection:
        ended = connection.exec_driver_sql("SELECT outcome, batches, affected_rows FROM sexton.job_runs").all()
    assert [tuple(row) for row in ended] == [("failed", 0, 0)]
