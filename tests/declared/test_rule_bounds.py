"""REP-18: the run's own time never makes a row "already so"; rules that never begin or never end are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest

from sexton.declared.possible_outcomes import OtherValue, SqlCondition, TimeOffset, table_outcomes
from sexton.doctor.inspection import job_warnings
from sexton.errors import PolicyError
from sexton.testing import preview_job, run_job

from .shop import Shop

pytestmark = pytest.mark.databases("sqlite", "postgres15")

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = {"now": True}


@pytest.fixture
def tasks(shop: Shop) -> Shop:
    """Of each state one that began long ago, one lately, one never."""
    kind = "datetime" if shop.sqlite else "timestamptz"
    shop.do(
        f"CREATE TABLE tasks (id int PRIMARY KEY, state text, tries int NOT NULL DEFAULT 0, live boolean,"
        f" started_at {kind}, made_at {kind} NOT NULL, note text)"
    )
    number = 0
    for state in ("queued", "running", None):
        for age in (HOUR * 5, HOUR, None):
            number += 1
            values = {"id": number, "state": state, "at": at(shop, age), "made": at(shop, HOUR * 9)}
            shop.do("INSERT INTO tasks (id, state, started_at, made_at) VALUES (:id, :state, :at, :made)", **values)
    return shop


def at(shop: Shop, age: timedelta | None) -> Any:
    if age is None:
        return None
    return (NOON - age).strftime("%Y-%m-%d %H:%M:%S.%f") if shop.sqlite else NOON - age


STALE: dict[str, Any] = {"transition": "tasks", "by": "started_at", "keep": "2h", "max_share": 1.0}


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        ({"set": {"state": "running", "started_at": NOW}}, [1, 4, 7]),
        ({"set": {"started_at": NOW}}, [1, 4, 7]),
        ({"set": {"state": "running", "started_at": NOW}, "only": {"state": "running"}}, [4]),
        ({"set": {"state": "running", "started_at": NOW}, "only": "state IN ('running', 'queued')"}, [1, 4]),
        ({"set": {"started_at": NOW}, "by": "made_at", "only": {"started_at": {"null": True}}}, [3, 6, 9]),
        ({"set": {"started_at": NOW}, "by": "made_at", "only": "started_at IS NULL AND tries < 3"}, [3, 6, 9]),
        ({"set": {"started_at": NOW}, "by": "made_at", "only": "started_at < now() - interval '3 hours'"}, [1, 4, 7]),
        ({"set": {"state": "running", "started_at": NOW}, "by": "made_at"}, [1, 2, 3, 7, 8, 9]),
        (
            {"set": {"state": "running", "started_at": NOW}, "by": "made_at", "only": {"state": {"not": "done"}}},
            [1, 2, 3, 7, 8, 9],
        ),
        ({"set": {"state": "running", "tries": 1}, "by": "made_at"}, list(range(1, 10))),
    ],
)
def test_rep_18_a_row_is_changed_whatever_its_other_columns_are_already(
    written: dict[str, Any], ids: list[int], tasks: Shop
) -> None:
    """And by the next run it is done with: nothing is due."""
    if tasks.sqlite and isinstance(written.get("only"), str):
        written = written | {
            "only": written["only"].replace("now() - interval '3 hours'", "datetime('now', '-3 hours')")
        }
    job = tasks.armed(**STALE | written)

    assert preview_job(tasks.engine, job, at=NOON).total.picked == len(ids)
    assert run_job(tasks.engine, job, at=NOON).total.changed == len(ids)

    if "started_at" in written["set"]:
        known = at(tasks, timedelta(0)) if tasks.sqlite else "2026-06-15 12:00Z"
        assert tasks.ids("tasks", f"started_at = '{known}'") == ids
    assert run_job(tasks.engine, job, at=NOON).total.picked == 0
    assert job_warnings(tasks.engine, job) is not None


@pytest.mark.parametrize("column", ["note", "state"])
def test_rep_18_null_that_is_there_already_is_already_so(column: str, tasks: Shop) -> None:
    job = tasks.armed(anonymise="tasks", by="made_at", keep="1h", clear=[column], max_share=1.0)

    assert run_job(tasks.engine, job, at=NOON).total.changed == (0 if column == "note" else 6)


AGAIN = "each run would change it again"
NEVER = "it can never be due"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"set": {"started_at": NOW}, "by": "made_at"}, f"{AGAIN}; say which rows are meant, for instance"),
        ({"set": {"started_at": NOW}, "by": "made_at", "only": {"state": "running"}}, AGAIN),
        ({"set": {"started_at": NOW}, "by": "made_at", "only": {"started_at": {"newer_than": "9h"}}}, AGAIN),
        ({"set": {"started_at": NOW}, "keep": None, "boundary": "<="}, AGAIN),
        (
            {"set": {"state": "running", "started_at": NOW}, "by": "made_at", "only": {"state": ["queued", "running"]}},
            AGAIN,
        ),
        ({"set": {"state": "running", "started_at": NOW}, "by": "made_at", "only": "state = 'running'"}, AGAIN),
        ({"set": {"state": "done"}, "only": {"state": "done"}}, f"{NEVER}: the rows that `only` takes are as"),
        ({"set": {"state": "done"}, "only": "tries > 3 AND state IN ('done')"}, f"{NEVER}: the rows that `only` takes"),
        ({"set": {"state": "a", "tries": 2}, "only": {"state": "a", "tries": 2}}, f"{NEVER}: the rows that"),
        ({"set": {"tries": 1}, "only": {"started_at": {"null": True}}}, "no value of started_at meets `by` and `only`"),
        ({"set": {"tries": 1}, "only": "started_at IS NULL"}, "no value of started_at meets `by` and `only`"),
        ({"set": {"tries": 1}, "only": {"started_at": {"newer_than": "1h"}}}, "no value of started_at meets `by` and"),
        ({"set": {"tries": 1}, "only": "started_at > now()"}, "no value of started_at meets `by` and"),
        (
            {
                "set": {"tries": 1},
                "only": {"state": {"null": True, "not": "x"}} | {"tries": {"at_least": 5, "below": 5}},
            },
            "no value of tries meets `only`",
        ),
        ({"set": {"tries": 1}, "only": "state = 'a' AND NOT (state = 'a')"}, "no value of state meets `only`"),
        ({"set": {"tries": 1}, "only": "state = 'a' AND state = 'b'"}, "no value of state meets `only`"),
        ({"set": {"tries": 1}, "only": "live AND NOT live"}, "no value of live meets `only`"),
        ({"set": {"tries": 1}, "only": {"made_at": {"null": True}}}, "no value of made_at meets `only`"),
        (
            {
                "set": None,
                "transition": None,
                "clear": ["note"],
                "anonymise": "tasks",
                "only": {"note": {"null": True}},
            },
            NEVER,
        ),
        ({"set": None, "transition": None, "purge": "tasks", "only": "tries > 5 AND tries < 2"}, "no value of tries"),
        (
            {
                "set": None,
                "keep": None,
                "transition": None,
                "warn": "tasks",
                "ahead": "2d",
                "only": {"started_at": {"older_than": "1d"}},
            },
            "no value of started_at meets `by` and",
        ),
    ],
)
def test_rep_18_a_rule_that_never_begins_or_never_ends_is_refused(
    written: dict[str, Any], words: str, tasks: Shop
) -> None:
    asked = {name: value for name, value in (STALE | written).items() if value is not None}

    with pytest.raises(PolicyError) as refused:
        job_warnings(tasks.engine, tasks.job(**asked))

    assert words in str(refused.value)


@pytest.mark.parametrize(
    "only",
    [
        "state = 'a' OR state = 'b'",
        "state = 'Done' AND state = 'done'",  # equal where the collation minds no case
        "state = 'a' AND tries IN (SELECT id FROM tasks)",
        "tries > 2 AND tries < 4",
        "tries >= 5 AND tries <= 5",
        "tries = 1 AND length(state) = 7",
        "live OR NOT live",
        "state IS NULL",
        "state IS NOT NULL AND state <> 'x'",
        "coalesce(state, 'x') = 'x'",
        "NOT (state IS NULL) AND (tries % 2) = 0",
        {"state": {"not": "a"}, "tries": {"below": 5}},
        {"state": ["a", "b"]},
        {"started_at": {"older_than": "3h"}},
        {"started_at": {"newer_than": "30d"}},
        {"started_at": {"newer_than": "2h"}},
    ],
)
def test_rep_18_a_rule_that_can_be_due_is_taken(only: Any, tasks: Shop) -> None:
    job_warnings(tasks.engine, tasks.job(**STALE | {"boundary": "<=", "only": only, "set": {"note": "x"}}))


@pytest.mark.databases("sqlite")
def test_what_is_not_known_may_come_to_anything() -> None:
    text = SqlCondition.read("a = 'x' AND (b OR NOT b) AND c BETWEEN 1 AND 2", ("a", "b", "c"), "sqlite")

    assert text.outcomes({"a": "y"}) == {False}
    assert text.outcomes({"a": "x"}) == {True, False, None}
    assert text.outcomes({"a": None}) == {False, None}
    assert text.outcomes({"a": "X "}) == {True, False, None}
    assert table_outcomes({"at": {"older_than": "1 month"}}, {"at": TimeOffset(0)}) == {True, False, None}
    assert table_outcomes({"n": {"below": 3}}, {"n": OtherValue()}) == {True, False, None}


LEAVES = (
    "a = 'x'", "a <> 'y'", "'x' = a", "a IN ('x', 'z')", "a NOT IN ('x')", "a IS NULL", "a IS NOT NULL", "a > 'x'",
    "n = 1", "n < 2", "2 <= n", "n <> -1", "n IN (0, 2)", "n IS NULL", "n BETWEEN 0 AND 1", "n + 1 = 2", "n IS NOT 1",
    "b", "NOT b", "b = TRUE", "(n > 0)", "TRUE", "coalesce(n, 0) = 0", "length(a) = 1", "a = NULL",
)  # fmt: skip


def condition(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.2:
        return random.choice(LEAVES)
    join = random.choice(("AND", "OR", "NOT"))
    one = condition(random, depth - 1)
    return f"(NOT ({one}))" if join == "NOT" else f"({one} {join} {condition(random, depth - 1)})"


@pytest.mark.databases("sqlite")
def test_rep_18_what_a_database_answers_is_among_the_outcomes_that_were_foreseen() -> None:
    """Whatever of a row is known."""
    random, rows = Random(18), list(product((None, "x", "y", "X"), (None, 0, 1, 2), (None, True, False)))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a text, n int, b boolean)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        for _ in range(60):
            sql = condition(random, 3)
            foreseen = SqlCondition.read(sql, ("a", "n", "b"), "sqlite")
            answers = connection.execute(f"SELECT {sql} FROM t ORDER BY rowid").fetchall()
            for (a, n, b), (answer,) in zip(rows, answers, strict=True):
                real = None if answer is None else bool(answer)
                row = {"a": a, "n": n, "b": b}
                assert real in foreseen.outcomes(row), (sql, row)
                assert real in foreseen.outcomes({name: row[name] for name in random.sample(list(row), 1)}), (sql, row)
