"""A policy that cannot be right is refused when it is planned, in one line that names table, column and remedy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, func

from sexton import Message, PolicyError, Purge, Rollup, Transition, UtcDateTime, WarnOnce, cron, rolled_up, text_key
from sexton.errors import ScheduleError, UsageError
from sexton.policies.contract import Plan, Policy
from sexton.policies.purge import Child

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("status", Text),
    Column("ends_at", UtcDateTime),
    Column("local", DateTime),
)
others = Table("others", metadata, Column("id", Integer, primary_key=True), Column("ends_at", UtcDateTime))
keyless = Table("keyless", metadata, Column("ends_at", UtcDateTime), Column("status", Text))
pair = Table(
    "pair",
    metadata,
    Column("b", Integer, primary_key=True),
    Column("a", Integer, primary_key=True),
    Column("ends_at", UtcDateTime, primary_key=True),
)
columns = things.c
DONE = columns.status == "done"
TOLD = Message("ends", key=text_key("ends", columns.id))


def transition(**options: Any) -> Transition:
    return Transition(**{"table": things, "change": {"status": "x"}, "only": DONE, **options})


REFUSED = [
    (Purge(things, by=columns.ends_at, keep="0s"), ["things.ends_at", "keep is 0s", "kind='deadline'"]),
    (Purge(things, by=others.c.ends_at, keep="1d"), ["others.ends_at", "no column of things"]),
    (Purge(things, by=columns.status, keep="1d"), ["things.status", "no time"]),
    (Purge(things, by=columns.id, keep="1d"), ["things.id", "no time"]),
    (Purge(keyless, by=keyless.c.ends_at, keep="1d"), ["keyless", "no primary key"]),
    (Purge(things, by=columns.ends_at, keep="1d", kind="death"), ["kind", "death", "'birth' or 'deadline'"]),  # type: ignore[arg-type]
    (Purge(things, by=columns.ends_at, keep="1d", boundary=">"), ["boundary", "'<' or '<='"]),  # type: ignore[arg-type]
    (Purge(things, by=columns.ends_at, keep="30"), ["keep of things", "30", "unit"]),
    (Purge(things, by=columns.ends_at, keep="-1d"), ["keep of things", "negative"]),
    (Purge(things, by=columns.ends_at, keep=""), ["keep of things", "empty"]),
    (Purge(things, by=columns.ends_at, keep="1y"), ["keep of things", "1 year"]),
    (Purge(things, by=columns.ends_at, keep="100000d"), ["keep of things", "36500"]),
    (transition(change={"colour": "red"}), ["things", "no column", "colour"]),
    (transition(change={}), ["things", "(empty)"]),
    (transition(by=columns.ends_at), ["things.ends_at", "keep is 0s"]),
    (transition(by=columns.status, kind="deadline"), ["things.status", "no time"]),
    (transition(by=others.c.ends_at, kind="deadline"), ["no column of things"]),
    (Transition(keyless, {"status": "x"}, only=keyless.c.status == "y"), ["keyless", "no primary key"]),
    (WarnOnce(things, by=others.c.ends_at, when=DONE, tell=TOLD), ["no column of things"]),
    (WarnOnce(things, by=columns.status, when=DONE, tell=TOLD), ["things.status", "no time"]),
    (
        WarnOnce(things, by=columns.ends_at, when=DONE, tell=Message("x", key=lambda rows: rows.c.id)),
        ["things", "its key must be made of the table's own columns"],
    ),
    (
        WarnOnce(things, by=columns.ends_at, when=DONE, tell=Message("x", key=text_key("x", columns.id), of="kin")),
        ["things", "own columns"],
    ),
    (
        WarnOnce(keyless, by=keyless.c.ends_at, when=keyless.c.status == "x", tell=Message("x", key=keyless.c.status)),
        ["keyless", "no primary key"],
    ),
]


@pytest.mark.parametrize(("policy", "told"), REFUSED, ids=[" ".join(told) for _, told in REFUSED])
def test_what_cannot_be_right_is_refused_in_one_line(policy: Policy, told: list[str]) -> None:
    with pytest.raises((PolicyError, ScheduleError)) as refused:
        policy.plan()

    assert isinstance(refused.value, UsageError)
    for part in told:
        assert part in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "policy",
    [
        Purge(things, by=columns.ends_at, keep="0s", kind="deadline"),
        Purge(things, by=columns.local, keep="1d"),
        transition(),
        transition(by=columns.ends_at, keep="1d"),
        WarnOnce(things, by=columns.ends_at, when=DONE, tell=TOLD),
    ],
)
def test_what_can_be_right_is_a_policy_with_a_plan(policy: Policy) -> None:
    assert isinstance(policy, Policy)
    assert isinstance(policy.plan(), Plan)


def test_a_plan_goes_oldest_first_and_by_key_among_equals() -> None:
    assert [column.name for column in Purge(things, by=columns.ends_at, keep="1d").plan().order] == ["ends_at", "id"]
    assert [column.name for column in transition().plan().order] == ["id"]
    assert [column.name for column in Purge(pair, by=pair.c.ends_at, keep="1d").plan().order] == ["ends_at", "b", "a"]


def test_steps_are_called_after_what_they_do_unless_named() -> None:
    warning = WarnOnce(things, by=columns.ends_at, when=DONE, tell=TOLD)
    purge = Purge(things, by=columns.ends_at, keep="1d")
    names = [policy.plan().step for policy in (purge, transition(), warning, transition(name="close"))]

    assert names == ["purge_things", "change_things", "warn_things", "close"]


def test_only_a_purge_of_single_rows_may_be_swept() -> None:
    plain = Purge(things, by=columns.ends_at, keep="1d")
    with_child = Purge(things, by=columns.ends_at, keep="1d", children=(Child(others, others.c.id),))
    telling = Purge(things, by=columns.ends_at, keep="1d", tell=(TOLD,))
    locking = Purge(things, by=columns.ends_at, keep="1d", lock_first=True)

    found = [policy.plan().only_deletes for policy in (plain, with_child, telling, locking, transition())]

    assert found == [True, False, False, False, False]


DAYS = cron("0 0 * * *", tz="UTC")
kept = Table(
    "kept",
    metadata,
    Column("window_start", UtcDateTime),
    Column("window_end", UtcDateTime),
    Column("status", Text),
    Column("number", Integer),
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"aggregates": {}}, "aggregates is empty"),
        ({"aggregates": {"sum": func.count()}}, "kept has no column sum"),
        ({"aggregates": {"status": func.count()}}, "status would be written twice"),
        ({"windows": "0 0 * * *"}, "windows is '0 0"),
        ({"into": things}, "into is the table itself"),
        ({"into": others}, "others has no column window_start, window_end"),
        ({"by": others.c.ends_at}, "by is others.ends_at"),
        ({"by": columns.status}, "which is no time"),
        ({"changed_at": columns.status}, "which is no time"),
        ({"lateness": "soon"}, "lateness"),
        ({"close_after": "-5m"}, "close_after"),
    ],
)
def test_a_roll_up_that_cannot_be_right_is_refused(options: dict[str, Any], said: str) -> None:
    usual = {
        "by": columns.ends_at,
        "group": [columns.status],
        "aggregates": {"number": func.count()},
        "into": kept,
        "windows": DAYS,
    }

    with pytest.raises(UsageError, match=re.escape(said)):
        Rollup(things, **{**usual, **options}).plan()


def test_rolled_up_wants_a_time() -> None:
    with pytest.raises(PolicyError, match="which is no time"):
        rolled_up(columns.status, "shop.sales", "sales")
