"""A change that inserts: once with its batch, counted, foreseen by a dry run, and with the rights that it needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Engine, MetaData, Select, Table, Text, UniqueConstraint, func, literal, select

from sexton import Change, Found, Job, PolicyError, Purge, Transition, UtcDateTime
from sexton import now as run_time
from sexton.db.column_types import BigKey
from sexton.db.faults import Fault, classify
from sexton.db.render import render
from sexton.doctor.grants import grants
from sexton.doctor.privileges import needed_privileges
from sexton.policies.contract import ArchiveTo, Plan, Rows
from sexton.runs.runner import planned
from sexton.statements.batch_strategy import refuse_kept
from sexton.testing import preview_job, run_job
from tests.support.databases import Databases
from tests.support.findings import about, apply, examined
from tests.support.roles import new_town
from tests.support.sessions import NOON, Sessions, make_sessions

DAY = timedelta(days=1)


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    shop = make_sessions(engine)
    shop.add(40, age=DAY)
    shop.add(5, age=-DAY, start=100)
    return shop


@pytest.fixture
def entries(shop: Sessions) -> Table:
    return entries_of(shop)


def entries_of(shop: Sessions) -> Table:
    """A ledger: one entry for each session, and no second one."""
    table = Table(
        "entries",
        MetaData(),
        Column("id", BigKey, primary_key=True),
        Column("session_id", BigKey, nullable=False),
        Column("what", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("source", Text, server_default="sexton", default="python"),
        UniqueConstraint("session_id"),
    )
    table.metadata.create_all(shop.engine)
    return table


def counter_entries(entries: Table) -> Callable[[Rows], Any]:
    return lambda rows: select(
        rows["picked"].c.id.label("session_id"), literal("closed").label("what"), run_time().label("at")
    )


def closing(shop: Sessions, entries: Table, **options: Any) -> Job:
    """open -> expired, with one entry each."""
    columns = shop.table.c
    work = Transition(
        shop.table,
        {"status": "expired"},
        only=columns.status == "open",
        by=columns.expires_at,
        kind="deadline",
        changes=(Change.insert("entries", entries, counter_entries(entries)),),
        **options,
    )
    return Job("shop.close_sessions", work=work, guard=None)


def of(engine: Engine, asked: Select[Any]) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(asked)]


def test_each_picked_row_gets_one_and_a_second_run_inserts_nothing(shop: Sessions, entries: Table) -> None:
    job = closing(shop, entries)

    first = run_job(shop.engine, job, at=NOON)
    second = run_job(shop.engine, job, at=NOON)

    assert (first.total.picked, first.total.changed, first.total.also) == (40, 40, {"entries": 40})
    assert (second.total.picked, sum(second.total.also.values())) == (0, 0)
    rows = of(shop.engine, select(entries.c.session_id, entries.c.what, entries.c.at, entries.c.source))
    assert sorted(rows) == [(number, "closed", NOON, "sexton") for number in range(1, 41)]


def test_a_dry_run_foresees_them_and_inserts_nothing(shop: Sessions, entries: Table) -> None:
    job = closing(shop, entries)

    foreseen = preview_job(shop.engine, job, at=NOON)

    assert shop.count(entries) == 0
    done = run_job(shop.engine, job, at=NOON)
    assert foreseen.total.also == done.total.also == {"entries": 40}


def test_sums_of_deleted_rows_are_kept_by_batch(shop: Sessions, entries: Table) -> None:
    """A roll-up: its rows come from a relation that was found, with the delete in one transaction."""
    sums = Table("sums", MetaData(), Column("id", BigKey, primary_key=True), Column("sessions", BigKey))
    sums.metadata.create_all(shop.engine)
    found = Found("total", lambda rows: select(func.count().label("sessions")).select_from(rows["picked"]))
    change = Change.insert("sums", sums, lambda rows: select(rows["total"].c.sessions), counted=False)
    work = Purge(shop.table, by=shop.table.c.expires_at, keep="0s", kind="deadline", found=(found,), changes=(change,))

    done = run_job(shop.engine, Job("shop.sum_up", work=work, guard=None), at=NOON)

    assert (done.total.changed, done.total.also) == (40, {})
    assert of(shop.engine, select(func.sum(sums.c.sessions))) == [(40,)]


def test_a_row_whose_insert_is_refused_is_set_aside_alone(shop: Sessions, entries: Table) -> None:
    with shop.engine.begin() as connection:
        connection.execute(entries.insert().values({"id": 1000, "session_id": 7, "what": "before", "at": NOON}))

    done = run_job(shop.engine, closing(shop, entries), at=NOON)

    assert (done.state, done.total.changed, done.total.poison) == ("partial", 39, 1)
    assert done.total.also == {"entries": 39}
    assert shop.ids(status="open") == [7, *range(100, 105)]


def test_what_a_trigger_keeps_gets_no_entry_and_is_set_aside(shop: Sessions, entries: Table) -> None:
    """It would be picked by each run, and get one more each time."""
    if shop.engine.dialect.name == "postgresql":
        body = "BEGIN IF old.id = 3 THEN RETURN NULL; END IF; RETURN new; END"
        apply(
            shop.engine,
            f"CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            "CREATE TRIGGER hold BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION hold()",
        )
    else:
        when = "BEFORE UPDATE ON sessions WHEN old.id = 3"
        apply(shop.engine, f"CREATE TRIGGER hold {when} BEGIN SELECT RAISE(IGNORE); END")

    for _ in range(2):
        done = run_job(shop.engine, closing(shop, entries), at=NOON)

    assert done.state in ("partial", "succeeded")
    assert shop.count(entries) == 39
    assert of(shop.engine, select(entries.c.id).where(entries.c.session_id == 3)) == []
    assert 3 in shop.ids(status="open")


def test_an_insert_of_a_row_that_was_kept_is_a_rows_fault(shop: Sessions, entries: Table) -> None:
    (plan,) = planned(closing(shop, entries))
    assert isinstance(plan, Plan)
    refuse_kept(plan, 0)

    with pytest.raises(Exception, match="a trigger keeps it") as caught:
        refuse_kept(plan, 1)

    assert classify(caught.value) is Fault.POISON  # type: ignore[arg-type]


def test_the_statement_can_be_read(shop: Sessions, entries: Table) -> None:
    statement = Change.insert("entries", entries, counter_entries(entries)).statement({"picked": shop.table})

    sql = render(statement, shop.engine.dialect)

    assert " ".join(sql.split()).startswith("INSERT INTO entries (session_id, what, at) SELECT sessions.id AS session_")


@pytest.mark.databases("postgres")
def test_it_needs_insert_and_not_select(shop: Sessions, entries: Table) -> None:
    job = closing(shop, entries)
    (plan,) = planned(job)
    assert isinstance(plan, Plan)

    rights = {
        table.name: sorted(of_table) for table, of_table in needed_privileges(plan).items() if table.schema is None
    }
    with shop.engine.connect() as connection:
        lines = [line for line in grants(connection, [job], "clerk") if "entries" in line]

    assert rights == {"sessions": ["SELECT", "UPDATE"], "entries": ["INSERT"]}
    assert lines == [
        "GRANT INSERT ON public.entries TO clerk;",
        "GRANT USAGE ON SEQUENCE entries_id_seq TO clerk;",
    ]


def test_the_role_of_these_grants_can_run_it(databases: Databases) -> None:
    with new_town(databases, "postgres18", migrated=True) as town:
        shop = make_sessions(town.superuser)
        shop.add(3, age=DAY)
        entries = entries_of(shop)
        job, role = closing(shop, entries), town.role("clerk")
        with town.superuser.connect() as connection:
            lines = [line.rstrip(";") for line in grants(connection, [job], role) if not line.startswith("--")]
        town.do(*lines)

        done = run_job(town.engine(role), job, at=NOON)

        assert (done.state, done.total.also) == ("succeeded", {"entries": 3})


def test_the_doctor_names_triggers_that_fire_on_it(shop: Sessions, entries: Table) -> None:
    if shop.engine.dialect.name == "postgresql":
        apply(
            shop.engine,
            "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$",
            "CREATE TRIGGER noted AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION pass()",
        )
    else:
        apply(shop.engine, "CREATE TRIGGER noted AFTER INSERT ON entries BEGIN SELECT 1; END")

    (found,) = about(examined(shop.engine, closing(shop, entries)), "triggers")

    assert found.text.startswith("noted fires ")
    assert found.text.endswith("on INSERT")


@pytest.mark.databases("postgres")
def test_a_rule_in_its_place_is_refused(shop: Sessions, entries: Table) -> None:
    apply(shop.engine, "CREATE RULE nothing AS ON INSERT TO entries DO INSTEAD NOTHING")

    with pytest.raises(PolicyError, match=r"the rule nothing takes the place of each INSERT on entries; drop it"):
        run_job(shop.engine, closing(shop, entries), at=NOON)


def test_what_cannot_be_meant_is_refused(shop: Sessions, entries: Table) -> None:
    key = (shop.table.c.id,)
    change = Change.insert("entries", entries, lambda rows: select(rows["picked"].c.id.label("sesion_id")))
    whole = {"step": "x", "table": shop.table, "key": key, "order": key, "due": shop.table.c.id > 0}

    with pytest.raises(PolicyError, match="has no column sesion_id"):
        change.statement({"picked": shop.table})
    with pytest.raises(PolicyError, match=r"write Change\.delete, Change\.update or Change\.insert"):
        Change("update", "entries", entries, lambda rows: entries.c.id > 0)
    with pytest.raises(PolicyError, match="its main change is one of the picked rows"):
        Plan(**whole, main=change)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="rows that are archived cannot insert others"):
        Plan(**whole, changes=(change,), archive=ArchiveTo("files"))  # type: ignore[arg-type]
