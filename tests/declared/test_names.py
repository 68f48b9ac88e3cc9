"""C3, C4, C7, D14: names, values and conditions from the settings fit the catalogue, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.config.policy_in_words import sentence
from sexton.declared.kinds.purge import PurgeSettings
from sexton.errors import SettingsError, UsageError
from sexton.testing import run_job

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1


def run(shop: Shop, **written: Any) -> int:
    """Rows that the policy took."""
    return run_job(shop.engine, shop.armed(unit="s", **written), at=NOON).total.changed


def refusal(shop: Shop, **written: Any) -> str:
    """The line that says why it cannot run."""
    with pytest.raises(UsageError) as refused:
        run_job(shop.engine, shop.job(**{"unit": "s", **written}), at=NOON)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_c7_reserved_words_and_odd_names_are_names(shop: Shop) -> None:
    shop.do(
        'CREATE TABLE "order" ("key" int PRIMARY KEY, "timestamp" bigint, "interval" text, "a ""b"" %s" int)',
        f"INSERT INTO \"order\" VALUES (1, {PAST}, 'x', 7), (2, {PAST}, 'y', 7), (3, {PAST}, 'x', 8)",
    )

    assert run(shop, purge="order", by="timestamp", only={"interval": "x", 'a "b" %s': 7}) == 1
    assert shop.ids('"order"', key='"key"') == [2, 3]


@pytest.mark.databases("postgres")
def test_other_schemas_than_public(shop: Shop) -> None:
    shop.do(
        "CREATE SCHEMA back_office",
        "CREATE TABLE back_office.sessions (id int PRIMARY KEY, ends bigint)",
        f"INSERT INTO back_office.sessions VALUES (1, {PAST})",
    )

    assert run(shop, purge="back_office.sessions", by="ends") == 1
    assert "no schema named 'back_ofice'; did you mean back_office" in refusal(
        shop, purge="back_ofice.sessions", by="ends"
    )


def test_d14_names_that_nobody_has_are_answered_with_the_nearest(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)", "CREATE VIEW recent AS SELECT * FROM sessions")

    assert "there is no table sesions in this database; did you mean sessions?" in refusal(
        shop, purge="sesions", by="ends"
    )
    assert "no column of sessions named 'end'; did you mean ends?" in refusal(shop, purge="sessions", by="end")
    assert "it is a view: name the table below it" in refusal(shop, purge="recent", by="ends")


@pytest.mark.parametrize(
    "name", ["sessions; DROP TABLE sessions", 'sessions" --', "sessions WHERE 1=1", "pg_temp.sessions()", "'"]
)
def test_c7_a_piece_of_sql_is_the_name_of_nothing(name: str, shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)", f"INSERT INTO sessions VALUES (1, {PAST})")

    refusal(shop, purge=name, by="ends")
    refusal(shop, purge="sessions", by=name)
    refusal(shop, purge="sessions", by="ends", only={name: 1})
    refusal(shop, purge="sessions", by="ends", children={name: "id"})
    refusal(shop, transition="sessions", by="ends", set={name: 1})
    assert shop.ids("sessions") == [1]


def test_c7_a_value_is_a_value_whatever_it_looks_like(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint, status text)")
    odd = "x' OR '1'='1"
    for number, status in enumerate((odd, "x", None), 1):
        shop.do("INSERT INTO sessions VALUES (:id, :ends, :status)", id=number, ends=PAST, status=status)

    assert run(shop, purge="sessions", by="ends", only={"status": odd}) == 1
    assert shop.ids("sessions") == [2, 3]


@pytest.mark.parametrize(
    ("only", "left"),
    [
        ({"status": "done"}, [2, 3, 4]),
        ({"status": ["done", "failed"]}, [3, 4]),
        ({"status": {"not": "done"}}, [1]),
        ({"status": {"not": ["done", "failed"]}}, [1, 2]),
        ({"status": {"null": True}}, [1, 2, 3]),
        ({"status": {"null": False}}, [4]),
        ({"tries": {"at_least": 5}}, [1, 2]),
        ({"tries": {"below": 5}}, [3, 4]),
        ({"tries": {"at_least": 1, "below": 9}}, [1, 4]),
        ({"status": "done", "tries": 0}, [2, 3, 4]),
    ],
)
def test_conditions_by_column(only: dict[str, Any], left: list[int], shop: Shop) -> None:
    shop.do("CREATE TABLE jobs (id int PRIMARY KEY, ends bigint, status text, tries int)")
    for number, (status, tries) in enumerate((("done", 0), ("failed", 1), ("open", 5), (None, 9)), 1):
        shop.do(
            "INSERT INTO jobs VALUES (:id, :ends, :status, :tries)", id=number, ends=PAST, status=status, tries=tries
        )

    run(shop, purge="jobs", by="ends", only=only)

    assert shop.ids("jobs") == left


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ({"tries": "5"}, "only.tries: tries is INTEGER; write a whole number, not '5'"),
        ({"tries": True}, "only.tries: tries is INTEGER; write a whole number, not True"),
        ({"status": 5}, "only.status: status is TEXT; write text in quotes, not 5"),
        ({"status": []}, "only.status: an empty list, which no row matches"),
        ({"status": {"is": 5}}, "only.status: 'is' is not known; known: at_least, below"),
        ({"status": {"null": "yes"}}, "only.status.null: must be true or false"),
    ],
)
def test_c3_values_that_a_column_cannot_hold(only: dict[str, Any], words: str, shop: Shop) -> None:
    shop.do("CREATE TABLE jobs (id int PRIMARY KEY, ends bigint, status text, tries int)")

    assert f"policies.tidy.{words}" in refusal(shop, purge="jobs", by="ends", only=only)


@pytest.mark.databases("postgres")
def test_an_enum_takes_its_own_words_only(shop: Shop) -> None:
    shop.do(
        "CREATE TYPE state AS ENUM ('open', 'done')",
        "CREATE TABLE jobs (id int PRIMARY KEY, ends bigint, status state)",
        f"INSERT INTO jobs VALUES (1, {PAST}, 'done'), (2, {PAST}, 'open')",
    )

    assert "'donne' is no value of status; did you mean done?" in refusal(
        shop, purge="jobs", by="ends", only={"status": "donne"}
    )
    assert run(shop, transition="jobs", by="ends", only={"status": "open"}, set={"status": "done"}) == 1
    assert run(shop, purge="jobs", by="ends", only={"status": ["done"]}) == 2


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            {"purge": "a", "transition": "b", "by": "x"},
            "exactly one of purge, archive, transition, anonymise, warn names the table",
        ),
        ({"by": "x"}, "exactly one of purge, archive, transition, anonymise, warn names the table; here are 0"),
        ({"purge": "a"}, "by is missing"),
        ({"purge": "a", "by": "x", "keep": "1 moon"}, "unknown unit 'moon'"),
        ({"purge": "a", "by": "x", "keep": "0 months"}, "is out of range; write 1 month to 100 years"),
        ({"purge": "a", "by": "x", "keep": "-90d"}, "must not be negative"),
        ({"purge": "a", "by": "x", "keep": "90"}, "the unit is missing"),
        ({"purge": "a", "by": "x", "keep": ""}, "the text is empty"),
        ({"purge": "a", "by": "x", "keep": 90}, "must be"),
        ({"purge": "a", "by": "x", "keep": "1" + "0" * 11 + "d"}, "is more than 36500 days"),
        ({"purge": "a", "by": "x", "batch": 0}, "batch: 0 is out of range; write a number from 1 to 100000"),
        ({"purge": "a", "by": "x", "batch": -1}, "batch: -1 is out of range"),
        ({"purge": "a", "by": "x", "batch": 10**6}, "batch: 1000000 is out of range"),
        ({"purge": "a", "by": "x", "limit": 0}, "limit: 0 is out of range"),
        ({"purge": "a", "by": "x", "ahead": "1d"}, "ahead has no meaning for purge"),
        ({"warn": "a", "by": "x", "ahead": "1d", "keep": "1d"}, "choose one of ahead and keep"),
        ({"purge": "a", "by": "x", "to": "email"}, "to belongs to a message"),
        ({"archive": "a", "by": "x", "event": "gone"}, "rows that are archived tell nothing"),
        ({"purge": "a", "by": "x", "only": 5}, "only: must be a table of columns"),
        ({"purge": "a", "by": "x", "children": {"b": 5}}, "children.b: must be the name of a column"),
        ({"purge": "a", "by": "x", "children": {"b": {"action": "delete"}}}, "children.b: column is missing"),
        ({"purge": "a", "by": "x", "children": {"b": {"column": "c", "action": "burn"}}}, "'burn' is not known"),
        ({"purge": "a", "by": "x", "children": {"b": {"colum": "c"}}}, "did you mean column?"),
        ({"purge": "a", "by": "x", "before": "tidy"}, "there is no other policy 'tidy'"),
        ({"purge": "a", "by": "x", "zone_parent": {"b": "c"}}, "zone_column is missing"),
        ({"purge": "a", "by": "x", "keep": "0s", "kind": "birth"}, 'keep "0s" would take each row as it is born'),
        ({"purge": "a", "by": "x", "kind": "birth"}, "keep is missing"),
        ({"purge": "a", "by": "x", "kind": "death"}, 'kind "death" is not known; write one of "birth", "deadline"'),
        ({"purge": "a", "by": "x", "set": {"y": 1}}, "set has no meaning for purge"),
        ({"transition": "a", "by": "x"}, "a transition needs new values"),
        ({"purge": "a", "only": {"y": 1}, "keep": "1d"}, "keep says something about a time; name its column, by"),
        ({"anonymise": "a", "by": "x"}, "anonymise needs clear"),
        ({"anonymise": "a", "by": "x", "clear": ["y"], "set": {"y": 1}}, "y is set and cleared; choose one"),
        ({"anonymise": "a", "by": "x", "clear": ["y"], "children": {"b": "c"}}, "children has no meaning"),
        ({"purge": "a", "by": "x", "schedule": "61 * * * *"}, "minute"),
        ({"purge": "a", "by": "x", "max_share": 2.0}, "out of range"),
        ({"purgge": "a", "by": "x"}, "policies.tidy.purgge: unknown key; did you mean purge?"),
    ],
)
@pytest.mark.databases("sqlite")
def test_c3_c4_c5_settings_that_make_no_policy(written: dict[str, Any], words: str, shop: Shop) -> None:
    with pytest.raises(SettingsError) as refused:
        shop.job(**written)

    assert str(refused.value).startswith("policies.tidy")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_condition_of_several_lines_is_one_in_the_rule_in_words() -> None:
    sql = PurgeSettings(purge="orders", only="\n  a > 1\n  AND b IS NULL\n")
    table = PurgeSettings(purge="orders", by="ends_at", only={"state": "done", "kind": "x"})

    assert sentence(sql) == "delete rows of orders, only where a > 1 AND b IS NULL"
    assert sentence(table) == "delete rows of orders past their ends_at, with a condition on state, kind"
