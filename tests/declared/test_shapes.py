"""Tables as they are: composite and other keys, children, references nobody listed, partitions, generated columns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sexton.errors import UsageError
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job
from tests.support.past_runs import set_aside_rows

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
UUID = "1d3f6c5e-0000-4000-8000-00000000000"


def run(shop: Shop, **written: Any) -> Outcome:
    """One run; what a dry run before it predicted holds."""
    job = shop.armed(unit="s", **written)
    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)
    if not outcome.total.poison:
        assert outcome.total == before
    return outcome


def test_a_key_of_several_columns(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE likes (person int, post int, ends bigint, PRIMARY KEY (person, post))",
        f"INSERT INTO likes VALUES (1, 1, {PAST}), (1, 2, {PAST + 9}), (2, 1, {PAST})",
    )

    assert run(shop, purge="likes", by="ends").total.changed == 2
    assert shop.ids("likes", key="post") == [2]


def test_a_key_of_text_or_uuid(shop: Shop) -> None:
    kind = "text" if shop.sqlite else "uuid"
    shop.do(f"CREATE TABLE tokens (id {kind} PRIMARY KEY, ends bigint)")
    for number in range(3):
        shop.do("INSERT INTO tokens VALUES (:id, :ends)", id=f"{UUID}{number}", ends=PAST + 9 * (number == 2))

    assert run(shop, purge="tokens", by="ends").total.changed == 2


def test_without_a_primary_key_a_unique_one_names_rows(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE codes (code text NOT NULL UNIQUE, ends bigint)",
        f"INSERT INTO codes VALUES ('a', {PAST}), ('b', {PAST + 9})",
    )

    assert run(shop, purge="codes", by="ends").total.changed == 1
    assert shop.ids("codes", key="code") == ["b"]


@pytest.mark.parametrize("indexed", [False, True])
def test_q14_without_any_key_rows_are_named_by_their_place(indexed: bool, shop: Shop) -> None:
    shop.do("CREATE TABLE lines (line text, ends bigint)")
    if indexed:
        shop.do("CREATE INDEX lines_ends ON lines (ends)")
    lines_go(shop)


@pytest.mark.databases("postgres")
def test_q14_without_any_key_among_partitions(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE lines (line text, ends bigint) PARTITION BY RANGE (ends)",
        f"CREATE TABLE lines_old PARTITION OF lines FOR VALUES FROM (0) TO ({PAST - 5})",
        f"CREATE TABLE lines_new PARTITION OF lines FOR VALUES FROM ({PAST - 5}) TO ({PAST * 2})",
    )
    lines_go(shop)


def lines_go(shop: Shop) -> None:
    """Some are changed, some deleted up to a limit, then the rest."""
    for number in range(20):
        shop.do("INSERT INTO lines VALUES (:line, :ends)", line=f"{number:02}", ends=PAST - 9 + number)

    assert run(shop, transition="lines", by="ends", set={"line": "late"}, only={"line": "03"}).total.changed == 1
    assert run(shop, purge="lines", by="ends", limit=3).total.changed == 3
    assert run(shop, purge="lines", by="ends").total.changed == 7
    assert shop.ids("lines", key="line") == [f"{number:02}" for number in range(10, 20)]


def test_q14_without_any_key_nothing_can_be_told_once(shop: Shop) -> None:
    shop.do("CREATE TABLE lines (line text, ends bigint)")

    with pytest.raises(UsageError, match="table lines has no key; what is told once has to have a name"):
        run_job(shop.engine, shop.job(warn="lines", by="ends", unit="s"), at=NOON)


def test_listed_children_go_first_and_are_counted(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, cart int REFERENCES carts (id))",
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1), (2, 1), (3, 2)",
    )

    outcome = run(shop, purge="carts", by="ends", children={"items": "cart"})

    assert (outcome.total.changed, outcome.total.also) == (1, {"items": 2})
    assert shop.ids("items") == [3]


def test_q5_a_reference_that_nobody_listed_sets_that_row_aside_and_the_rest_go(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE payments (id int PRIMARY KEY, cart int REFERENCES carts (id))",
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST}), (3, {PAST})",
        "INSERT INTO payments VALUES (1, 2)",
    )

    outcome = run(shop, purge="carts", by="ends", max_share=1.0)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 2, 1)
    assert shop.ids("carts") == [2]
    assert '"payments"' in (error := set_aside_rows(shop.engine)[0]["error"]) or "payments refers to it" in error


@pytest.mark.parametrize("archived", [False, True], ids=["purged", "archived"])
def test_q5_a_reference_to_a_child_that_would_go_along_is_told_by_name(
    shop: Shop, tmp_path: Path, archived: bool
) -> None:
    """By names that want quotes, and by two columns."""
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        'CREATE TABLE "Order" (cart int REFERENCES carts (id), "key" int, PRIMARY KEY (cart, "key"))',
        "CREATE TABLE empty (id int PRIMARY KEY, cart int REFERENCES carts (id))",
        'CREATE TABLE "to ship" (c int, k int, FOREIGN KEY (c, k) REFERENCES "Order" (cart, "key"))',
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST}), (3, {PAST})",
        'INSERT INTO "Order" VALUES (1, 7), (2, 7), (3, 8)',
        'INSERT INTO "to ship" VALUES (2, 7)',
    )
    way = {"archive": "carts", "into": str(tmp_path)} if archived else {"purge": "carts"}

    outcome = run(shop, by="ends", max_share=1.0, children={"Order": "cart"}, **way)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 2, 1)
    error = set_aside_rows(shop.engine)[0]["error"]
    assert "to ship" in error
    assert "empty" not in error
    assert not shop.sqlite or error == "FOREIGN KEY constraint failed: to ship refers to its Order"


def test_rows_that_others_refer_to_stay_when_that_is_asked(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE payments (id int PRIMARY KEY, cart int)",
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST})",
        "INSERT INTO payments VALUES (1, 2), (2, NULL)",
    )

    assert run(shop, purge="carts", by="ends", unless_referenced_by={"payments": "cart"}).total.changed == 1
    assert shop.ids("carts") == [2]


def test_a_table_that_refers_to_itself(shop: Shop) -> None:
    """A parent whose child stays is set aside; where both are due, both go in the end."""
    shop.do(
        "CREATE TABLE threads (id int PRIMARY KEY, ends bigint, parent int REFERENCES threads (id))",
        f"INSERT INTO threads VALUES (1, {PAST}, NULL), (2, {PAST + 9}, 1), (3, {PAST}, NULL)",
    )

    outcome = run(shop, purge="threads", by="ends", unless_referenced_by={"threads": "parent"})

    assert outcome.total.changed == 1
    assert shop.ids("threads") == [1, 2]


def test_anonymise_clears_and_sets_once(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE people (id int PRIMARY KEY, ends bigint, name text NOT NULL, email text)",
        f"INSERT INTO people VALUES (1, {PAST}, 'Ann', 'a@b.c'), (2, {PAST}, 'deleted', NULL)",
        f"INSERT INTO people VALUES (3, {PAST + 9}, 'Bo', 'x')",
    )
    written: dict[str, Any] = {"anonymise": "people", "by": "ends", "clear": ["email"], "set": {"name": "deleted"}}

    assert run(shop, **written).total.changed == 1
    assert run(shop, **written).total.changed == 0
    assert shop.ids("people", "name = 'deleted' AND email IS NULL") == [1, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clear": ["name"]}, "people.name takes no NULL; give it a value in set"),
        ({"set": {"id": 5}}, "people.id is of the key and cannot be set"),
        ({"set": {"shout": "x"}}, "people.shout is generated by the database and cannot be set"),
    ],
)
def test_columns_that_cannot_be_changed(change: dict[str, Any], words: str, shop: Shop) -> None:
    shop.do(
        "CREATE TABLE people (id int PRIMARY KEY, ends bigint, name text NOT NULL,"
        " shout text GENERATED ALWAYS AS (upper(name)) STORED)"
    )

    with pytest.raises(UsageError, match=words):
        run_job(shop.engine, shop.job(anonymise="people", by="ends", unit="s", **change), at=NOON)


@pytest.mark.databases("postgres")
def test_partitions_and_triggers(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE events (id int, ends bigint, PRIMARY KEY (id, ends)) PARTITION BY RANGE (ends)",
        f"CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (0) TO ({PAST + 1})",
        f"CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ({PAST + 1}) TO ({PAST * 2})",
        "CREATE TABLE gone (id int)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO gone VALUES (OLD.id); RETURN OLD; END'",
        "CREATE TRIGGER note AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION note()",
        f"INSERT INTO events SELECT n, {PAST} - 5 + n FROM generate_series(1, 10) n",
    )

    assert run(shop, purge="events", by="ends", max_share=1.0).total.changed == 5
    assert shop.ids("gone") == [1, 2, 3, 4, 5]
