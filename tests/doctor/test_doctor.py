"""What the doctor says about a job's steps: plans, indexes, children, triggers, rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    exists,
    insert,
    not_,
    select,
)

from sexton import Counts, Job, Purge, UtcDateTime
from sexton.db.column_types import BigKey
from sexton.doctor import explain_plans
from sexton.doctor.grouping import by_cause, worst_first
from sexton.doctor.inspection import job_warnings
from sexton.policies.contract import Change
from sexton.policies.purge import Child
from sexton.statements import suggested_index
from tests.support.findings import about, apply, examined, levels
from tests.support.sessions import Sessions, make_sessions

AGO = timedelta(days=-3650)
"""Before NOON of the sessions, which lies in the past: far ahead, so that nothing is due."""


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Two hundred sessions that are due."""
    shop = make_sessions(engine)
    shop.add(200, age=timedelta(days=1))
    analyze(engine)
    return shop


def analyze(engine: Engine) -> None:
    apply(engine, "ANALYZE")


def one(findings: list[Any]) -> Any:
    (finding,) = findings
    return finding


@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_a_job_with_all_it_needs_has_nothing_to_act_on(engine: Engine, shop: Sessions, kind: str) -> None:
    findings = examined(engine, getattr(shop, kind)())

    assert levels(findings) == []
    assert one(about(findings, "plan")).plan
    assert shop.count() == 200


def test_the_plan_is_that_of_the_statements_the_run_executes(engine: Engine) -> None:
    """Rows enough that the index is worth it; a fifth of them due."""
    shop = make_sessions(engine)
    shop.add(2000, age=timedelta(days=1))
    shop.add(8000, age=AGO, start=10_000)
    analyze(engine)

    found = one(about(examined(engine, shop.purge()), "plan"))

    assert (found.level, found.text) == ("ok", "index sessions_expires serves it")
    assert "sessions_expires" in found.plan
    if engine.dialect.name == "postgresql":
        assert found.plan.startswith("-- keyset windows by index")
        assert "Delete on" in found.plan


def test_a_whole_table_read_in_each_batch_is_said_with_its_rows(
    engine: Engine, shop: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_plans, "SMALL_TABLE_ROWS", 50)
    apply(engine, "DROP INDEX sessions_expires")

    findings = examined(engine, shop.expire())

    assert one(about(findings, "plan")).level == "note"
    assert one(about(findings, "plan")).text.startswith("reads the whole table (")
    assert levels(findings) == [("warning", "index")]


def test_of_an_empty_table_no_plan_is_shown(engine: Engine) -> None:
    findings = examined(engine, make_sessions(engine).purge())

    assert one(about(findings, "plan")).text == "the table is empty"
    assert one(about(findings, "due")).text == "nothing is due now"


def test_a_job_of_a_function_is_left_alone(engine: Engine) -> None:
    found = one(examined(engine, Job("shop.tidy", work=lambda run: Counts())))

    assert (found.level, found.about, found.step) == ("ok", "plan", "<lambda>")


def test_work_that_cannot_be_right_is_wrong(engine: Engine) -> None:
    found = one(examined(engine, Job("shop.nothing", work=[])))

    assert (found.level, found.text) == ("wrong", "shop.nothing: its work is empty")


def test_a_condition_on_another_table_is_explained_too(engine: Engine, shop: Sessions) -> None:
    """Locked in a first statement, judged in a second one, by keys."""
    used = exists(select(1).where(shop.accesses.c.session_id == shop.table.c.id))
    columns = shop.table.c
    work = Purge(shop.table, by=columns.expires_at, keep="0s", kind="deadline", only=not_(used), lock_first=True)

    findings = examined(engine, Job("shop.purge_unused", work=work))

    assert levels(findings) == []
    assert "accesses" in one(about(findings, "plan")).plan
    assert "asks accesses" in one(about(findings, "children")).text


def test_names_that_need_quotes_are_quoted_in_what_is_to_be_copied(engine: Engine) -> None:
    metadata = MetaData()
    orders = Table("Order", metadata, Column("id", BigKey, primary_key=True), Column("endsAt", UtcDateTime))
    reference = Column("order", BigKey, ForeignKey("Order.id"))
    Table("order-items", metadata, Column("id", BigKey, primary_key=True), reference)
    metadata.create_all(engine)
    job = Job("shop.purge_orders", work=Purge(orders, by=orders.c.endsAt, keep="1d"))

    findings = examined(engine, job)
    lines = [line for finding in findings for line in finding.sql.splitlines()]
    apply(engine, *lines)

    assert [line.partition(" ON ")[2] for line in lines] == ['"Order" ("endsAt", id);', '"order-items" ("order");']
    assert levels(findings) == [("warning", "index"), ("warning", "index")]
    assert levels(examined(engine, job)) == []


@pytest.mark.parametrize(
    ("columns", "serves"),
    [("expires_at", True), ("status, expires_at", False), ("id, expires_at", False), ("created_at", False)],
)
def test_an_index_serves_that_the_search_can_start_at(
    engine: Engine, shop: Sessions, columns: str, serves: bool
) -> None:
    apply(engine, "DROP INDEX sessions_expires", f"CREATE INDEX other ON sessions ({columns})")

    assert (about(examined(engine, shop.purge()), "index") == []) is serves
    if columns == "status, expires_at":  # whose condition names the status
        assert about(examined(engine, shop.expire()), "index") == []


@pytest.mark.parametrize(
    ("rule", "level", "words"),
    [
        ("CASCADE", "warning", "the job does not list (ON DELETE CASCADE)"),
        ("SET NULL", "note", "change along"),
        ("RESTRICT", "note", "refused and set aside"),
        (None, "note", "refused and set aside"),
    ],
)
def test_q7_children_are_told_with_what_happens_to_them(
    engine: Engine, rule: str | None, level: str, words: str
) -> None:
    trees, _ = make_tree(engine, rule, indexed=True)

    found = one(about(examined(engine, cut(trees)), "children"))

    assert (found.level, found.sql) == (level, "")
    assert words in found.text


def test_q7_a_cascade_without_an_index_on_the_child_is_a_warning_with_the_index(engine: Engine) -> None:
    trees, leaves = make_tree(engine, "CASCADE", indexed=False)

    assert one(about(examined(engine, cut(trees)), "children")).level == "warning"
    found = about(examined(engine, cut(trees)), "index")[-1]
    apply(engine, found.sql)

    assert found.level == "warning"
    assert "each delete reads all of leaves" in found.text
    assert "ON leaves (tree_id)" in found.sql
    listed = cut(trees, children=(Child(leaves, leaves.c.tree_id),))
    assert one(about(examined(engine, listed), "children")).level == "ok"


@pytest.mark.parametrize(("rule", "level"), [("CASCADE", "note"), ("SET NULL", "note"), ("RESTRICT", "ok")])
def test_children_that_the_condition_asks_are_none_that_nobody_thought_of(
    engine: Engine, rule: str, level: str
) -> None:
    trees, leaves = make_tree(engine, rule, indexed=True)
    bare = not_(exists(select(1).where(leaves.c.tree_id == trees.c.id)))

    found = one(about(examined(engine, cut(trees, only=bare, lock_first=True)), "children"))

    assert found.level == level


def test_children_that_let_go_of_the_row_refuse_nothing(engine: Engine) -> None:
    trees, leaves = make_tree(engine, None, indexed=True)
    fall = Change.update(
        "leaves",
        leaves,
        lambda rows: leaves.c.tree_id.in_(select(rows["picked"].c.id)),
        lambda rows: {"tree_id": None},
    )

    found = one(about(examined(engine, cut(trees, changes=(fall,))), "children"))

    assert (found.level, found.text) == ("ok", "its rows in leaves let go of it first")


def test_triggers_are_named_also_where_a_cascade_leads(engine: Engine) -> None:
    trees, _ = make_tree(engine, "CASCADE", indexed=True)
    for table, event in (("trees", "DELETE"), ("leaves", "DELETE"), ("leaves", "INSERT")):
        make_trigger(engine, table, event)

    found = [finding.text for finding in about(examined(engine, cut(trees)), "triggers")]

    assert len(found) == 2
    assert found[0].startswith("on_leaves_delete fires ")
    assert found[1].startswith("on_trees_delete fires ")
    assert "each row" in found[0]


@pytest.mark.databases("postgres")
def test_a_rule_that_replaces_deletes_is_a_warning(engine: Engine, shop: Sessions) -> None:
    apply(engine, "CREATE RULE keep_all AS ON DELETE TO accesses DO INSTEAD NOTHING")
    job = shop.purge(children=(Child(shop.accesses, shop.accesses.c.session_id),))

    findings = examined(engine, job)

    assert levels(findings) == [("wrong", "job"), ("warning", "rules")]
    assert one(about(findings, "rules")).text == (
        "rule keep_all of accesses rewrites DELETE, and does something else instead"
    )


def make_tree(engine: Engine, rule: str | None, *, indexed: bool) -> tuple[Table, Table]:
    """Trees with an age, and leaves that point at them."""
    metadata = MetaData()
    trees = Table("trees", metadata, Column("id", BigKey, primary_key=True), Column("died_at", UtcDateTime))
    reference = ForeignKey("trees.id", ondelete=rule)
    leaves = Table("leaves", metadata, Column("id", BigKey, primary_key=True), Column("tree_id", BigKey, reference))
    Table("notes", metadata, Column("said", Text))
    Index("trees_died", trees.c.died_at, trees.c.id)
    if indexed:
        Index("leaves_tree", leaves.c.tree_id)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(trees), [{"id": 1, "died_at": None}])
    return trees, leaves


def cut(trees: Table, **options: Any) -> Job:
    return Job("wood.cut", work=Purge(trees, by=trees.c.died_at, keep="0s", kind="deadline", **options))


def make_trigger(engine: Engine, table: str, event: str) -> None:
    name = f"on_{table}_{event.lower()}"
    if engine.dialect.name == "sqlite":
        body = "BEGIN INSERT INTO notes VALUES ('x'); END"
        apply(engine, f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW {body}")
        return
    body = "BEGIN INSERT INTO notes VALUES ('x'); RETURN NULL; END"
    apply(
        engine,
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


def test_rep_24_one_line_stands_for_all_children_and_what_is_missing_comes_first(engine: Engine) -> None:
    metadata = MetaData()
    trees = Table("trees", metadata, Column("id", BigKey, primary_key=True), Column("died_at", UtcDateTime))
    for number in range(12):
        reference = Column("tree_id", BigKey, ForeignKey("trees.id", ondelete="CASCADE"), index=number > 0)
        Table(f"leaves_{number:02}", metadata, Column("id", BigKey, primary_key=True), reference)
    metadata.create_all(engine)

    told = [finding for finding in by_cause(worst_first(examined(engine, cut(trees)))) if finding.level == "warning"]

    assert [(finding.about, finding.text.partition(",")[0]) for finding in told] == [
        ("index", "no index leads to died_at"),
        ("index", "each delete reads all of leaves_00"),
        ("children", "rows of 12 tables go along"),
    ]
    assert told[-1].text.endswith(": leaves_00, leaves_01, leaves_02 and 9 more")


@pytest.mark.databases("sqlite")
def test_rep_24_what_was_told_under_one_job_is_not_told_under_the_next(engine: Engine) -> None:
    trees, _ = make_tree(engine, "CASCADE", indexed=False)
    first, second = cut(trees), Job("shop.cut_again", work=Purge(trees, by=trees.c.died_at, keep="2d"))
    found = [*examined(engine, first), *examined(engine, second)]

    told = [finding for finding in by_cause(worst_first(found)) if finding.level == "warning"]

    again = [(finding.job, finding.text) for finding in told if finding.about == "again"]
    assert again == [("shop.cut_again", f"the same as under {first.name}")]
    assert sum("ON leaves" in finding.sql for finding in told) == 1


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    ("rows", "level", "words"), [(0, "warning", "however big it gets"), (200, "note", "none is needed")]
)
def test_rep_24_doctor_and_check_agree_about_the_index_that_a_sweep_does_not_need(
    engine: Engine, rows: int, level: str, words: str
) -> None:
    shop = make_sessions(engine)
    apply(engine, "DROP INDEX sessions_expires")
    if rows:
        shop.add(rows, age=timedelta(days=1))
    analyze(engine)

    finding = one(about(examined(engine, shop.purge()), "index"))

    assert (finding.level, words in finding.text) == (level, True)
    assert any("no index serves" in line for line in job_warnings(engine, shop.purge())) is (level == "warning")


@pytest.mark.databases("postgres15")
def test_rep_24_a_big_table_that_is_swept_needs_the_index(
    engine: Engine, shop: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggested_index, "LARGE_TABLE_ROWS", 100)
    apply(engine, "DROP INDEX sessions_expires")

    finding = one(about(examined(engine, shop.purge()), "index"))

    assert (finding.level, finding.text) == (
        "warning",
        "no index leads to expires_at, so that each run reads all of its 200 rows",
    )
