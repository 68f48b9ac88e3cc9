"""REP-19 and REP-38: told once for each row and time, whatever its key holds, and no second time after an upgrade."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from sexton.cli._run_report import step_table
from sexton.errors import SettingsError
from sexton.slots.history import history
from sexton.testing import preview_job, run_job

from .shop import Shop, settings_of

pytestmark = pytest.mark.databases("sqlite", "postgres15")

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SOON = "done_at IS NULL AND sent_at <= now() + interval '7 days'"
SOON_ON_SQLITE = "done_at IS NULL AND sent_at <= datetime('now', '+7 days')"


def stored(shop: Shop, at: datetime) -> Any:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if shop.sqlite else at


def keys(shop: Shop) -> list[str]:
    """Of all effects, sorted."""
    with shop.engine.connect() as connection:
        effects = "sexton_effects" if shop.sqlite else "sexton.effects"
        return sorted(connection.execute(text(f"SELECT key FROM {effects}")).scalars())


def remember(shop: Shop, key: str, subject: str, at: datetime = NOON) -> None:
    """As an earlier version put it on record."""
    effects = "sexton_effects" if shop.sqlite else "sexton.effects"
    shop.do(
        f"INSERT INTO {effects} (key, job, subject, created_at) VALUES (:key, 'policies.tidy', :subject, :at)",
        key=key,
        subject=subject,
        at=stored(shop, at),
    )


@pytest.fixture
def letters(shop: Shop) -> Shop:
    """REP-19: two letters that are to be done within the week."""
    kind = "datetime" if shop.sqlite else "timestamptz"
    shop.do(f"CREATE TABLE letters (id int PRIMARY KEY, sent_at {kind}, done_at {kind}, round int NOT NULL DEFAULT 1)")
    for number in (1, 2):
        shop.do("INSERT INTO letters (id, sent_at) VALUES (:id, :at)", id=number, at=stored(shop, NOON + 3 * DAY))
    return shop


def rule(shop: Shop, **more: Any) -> dict[str, Any]:
    only = SOON_ON_SQLITE if shop.sqlite else SOON
    return {
        "transition": "letters",
        "only": only,
        "set": {"done_at": {"now": True}},
        "event": "late",
        "max_share": 1.0,
    } | more


def renewed(shop: Shop, at: datetime) -> None:
    shop.do("UPDATE letters SET done_at = NULL, sent_at = :at, round = round + 1 WHERE id = 1", at=stored(shop, at))


def test_rep_19_without_by_a_renewed_row_is_told_again(letters: Shop) -> None:
    job = letters.armed(**rule(letters))
    assert run_job(letters.engine, job, at=NOON).total.told == 2
    renewed(letters, NOON + 4 * DAY)

    assert preview_job(letters.engine, job, at=NOON + DAY).total.told == 1
    again = run_job(letters.engine, job, at=NOON + DAY).total

    assert (again.changed, again.told, again.told_before) == (1, 1, 0)
    assert len(keys(letters)) == 3


def test_rep_19_a_message_that_was_withheld_is_counted_and_shown(letters: Shop) -> None:
    """The same time again is the same fact."""
    job = letters.armed(**rule(letters))
    run_job(letters.engine, job, at=NOON)
    renewed(letters, NOON + 3 * DAY)
    letters.do("INSERT INTO letters (id, sent_at) VALUES (3, :at)", at=stored(letters, NOON))

    foreseen = preview_job(letters.engine, job, at=NOON + DAY)
    outcome = run_job(letters.engine, job, at=NOON + DAY)

    for total in (foreseen.total, outcome.total):
        assert (total.changed, total.told, total.told_before) == (2, 1, 1)
    assert "1 told before" in step_table(outcome.steps)[1]
    with letters.engine.connect() as connection:
        (newest, *_) = history(connection, job=job.name, limit=1)
    assert newest.total.told_before == 1
    assert outcome.steps["tidy"].as_json()["told_before"] == 1


@pytest.mark.parametrize(
    ("once_per", "tells"), [(("round",), 1), (("sent_at",), 0), (("id",), 0), (("sent_at", "round"), 1)]
)
def test_rep_19_once_per_says_what_a_message_is_told_once_for(
    once_per: tuple[str, ...], tells: int, letters: Shop
) -> None:
    job = letters.armed(**rule(letters, once_per=list(once_per)))
    run_job(letters.engine, job, at=NOON)
    renewed(letters, NOON + 3 * DAY)

    assert run_job(letters.engine, job, at=NOON + DAY).total.told == tells


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    "written",
    [
        "sent_at - interval '7 days' <= now()",
        "now() + interval '7 days' >= sent_at",
        "sent_at BETWEEN now() - interval '9 years' AND now() + interval '7 days'",
        "sent_at - now() <= interval '7 days'",
    ],
)
def test_rep_19_however_the_time_is_compared_with_now(written: str, letters: Shop) -> None:
    """REP-25 taught these forms; each of them is a time of the rule."""
    job = letters.armed(**rule(letters, only=f"done_at IS NULL AND {written}"))
    assert run_job(letters.engine, job, at=NOON).total.told == 2
    renewed(letters, NOON + 4 * DAY)

    assert run_job(letters.engine, job, at=NOON + DAY).total.told == 1


def test_rep_19_once_per_needs_a_message(letters: Shop) -> None:
    written = rule(letters, once_per=["round"])
    del written["event"]

    with pytest.raises(SettingsError, match="once_per belongs to a message"):
        settings_of(written)


def test_rep_19_a_warning_without_by_is_told_once_for_each_time(letters: Shop) -> None:
    only = SOON_ON_SQLITE if letters.sqlite else SOON
    job = letters.armed(warn="letters", only=only)

    assert [run_job(letters.engine, job, at=NOON).total.told for _ in range(2)] == [2, 0]
    renewed(letters, NOON + 4 * DAY)
    assert [run_job(letters.engine, job, at=NOON).total.told for _ in range(2)] == [1, 0]


def test_rep_19_a_time_that_may_be_null_is_told_as_well(letters: Shop) -> None:
    """NULL in the key would be refused by the ledger."""
    letters.do("UPDATE letters SET sent_at = NULL WHERE id = 2")
    only = rule(letters)["only"].replace("sent_at <=", "(sent_at IS NULL OR sent_at <=") + ")"
    job = letters.armed(**rule(letters) | {"only": only})

    outcome = run_job(letters.engine, job, at=NOON).total

    assert (outcome.told, outcome.poison) == (2, 0)
    assert keys(letters)[1] == "policies.tidy:transition:2:~N"


@pytest.mark.parametrize(
    ("kind", "times", "written"),
    [
        ("bigint", {"unit": "ms"}, lambda at: int(at.timestamp() * 1000)),
        ("timestamptz", {}, None),
        ("timestamp", {}, None),
        ("date", {"zone": "UTC"}, lambda at: at.date()),
    ],
    ids=["epoch", "zoned", "naive", "date"],
)
def test_rep_19_what_was_told_without_a_time_counts_for_the_time_it_was_about(
    kind: str, times: dict[str, Any], written: Any, shop: Shop
) -> None:
    """An upgrade: row 1 was told and stays as it is, 2 was told and renewed since, 3 was never told."""

    def value(at: datetime) -> Any:
        plain = stored(shop, at) if written is None else written(at)
        return str(plain) if kind == "date" else plain

    kept = "datetime" if shop.sqlite and not written else kind
    shop.do(f"CREATE TABLE letters (id int PRIMARY KEY, sent_at {kept}, state text)")
    for number, at in enumerate((NOON - 30 * DAY, NOON - 2 * DAY, NOON - 30 * DAY), 1):
        shop.do("INSERT INTO letters (id, sent_at) VALUES (:id, :at)", id=number, at=value(at))
    for number in (1, 2):
        remember(shop, f"policies.tidy:transition:{number}", str(number), NOON - 20 * DAY)
    only = {"sent_at": {"older_than": "1d"}}
    job = shop.armed(transition="letters", set={"state": "sent"}, event="sent", only=only, **times)

    for total in (preview_job(shop.engine, job, at=NOON).total, run_job(shop.engine, job, at=NOON).total):
        assert (total.changed, total.told, total.told_before) == (3, 2, 1)
    assert len(keys(shop)) == 4


@pytest.fixture
def seats(shop: Shop) -> Shop:
    """REP-38: rows whose keys read alike when their parts are joined as they are."""
    kind = "datetime" if shop.sqlite else "timestamptz"
    shop.do(f"CREATE TABLE seats (hall text, place text, ends {kind}, PRIMARY KEY (hall, place))")
    for hall, place in (("a:b", "c"), ("a", "b:c"), ("a,b", "c"), ("a", "b,c"), ("a~0b", "c"), ("a~b", "c")):
        values = {"hall": hall, "place": place, "at": stored(shop, NOON - DAY)}
        shop.do("INSERT INTO seats VALUES (:hall, :place, :at)", **values)
    return shop


def test_rep_38_rows_with_colons_in_their_keys_are_each_told(seats: Shop) -> None:
    job = seats.armed(warn="seats", by="ends", keep="1h")

    assert preview_job(seats.engine, job, at=NOON).total.told == 6
    total = run_job(seats.engine, job, at=NOON).total

    assert (total.picked, total.told, total.told_before) == (6, 6, 0)
    assert run_job(seats.engine, job, at=NOON).total.picked == 0


@pytest.mark.parametrize("action", ["warn", "transition"])
def test_rep_38_who_was_told_under_the_old_key_is_not_told_again(action: str, seats: Shop) -> None:
    """And the other row that read like it, which never was, is told now."""
    kind = "text" if seats.sqlite else "timestamptz"
    seats.do(f"ALTER TABLE seats ADD COLUMN done {kind}")
    ends = stored(seats, NOON - DAY) if seats.sqlite else "2026-06-14T12:00:00.000000Z"
    remember(seats, f"policies.tidy:{action}:a:b:c:{ends}", "a:b,c")
    remember(seats, f"policies.tidy:{action}:a~b:c:{ends}", "a~b,c")
    written: dict[str, Any] = {action: "seats", "by": "ends", "keep": "1h"}
    if action == "transition":
        written |= {"set": {"done": {"now": True}}, "only": {"done": {"null": True}}, "event": "over"}
    job = seats.armed(**written)

    assert preview_job(seats.engine, job, at=NOON).total.told == 4
    total = run_job(seats.engine, job, at=NOON).total

    assert (total.told, total.told_before) == (4, 0 if action == "warn" else 2)
    with seats.engine.connect() as connection:
        outbox = "sexton_outbox_events" if seats.sqlite else "sexton.outbox_events"
        said = connection.execute(text(f"SELECT payload FROM {outbox}")).scalars()
        rows = [json.loads(row) if isinstance(row, str) else row for row in said]
    assert ("a", "b:c") in [(row["hall"], row["place"]) for row in rows]
    assert ("a:b", "c") not in [(row["hall"], row["place"]) for row in rows]


@pytest.mark.parametrize("action", ["purge", "archive"])
def test_rep_38_rows_with_commas_in_their_keys_are_set_aside_one_by_one(
    action: str, seats: Shop, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse(seats, "old.place LIKE '%,c' OR old.hall LIKE 'a,%'")
    written: dict[str, Any] = {action: "seats", "by": "ends", "keep": "1h", "max_share": 1.0}
    job = seats.armed(**written)

    total = run_job(seats.engine, job, at=NOON).total
    again = run_job(seats.engine, job, at=NOON).total

    assert (total.changed, total.poison) == (4, 2)
    assert (again.picked, again.poison) == (0, 0)
    assert aside(seats) == ["a,b~1c", "a~1b,c"]


def test_sec_7_a_row_set_aside_under_an_old_name_still_is_where_that_names_no_other(seats: Shop) -> None:
    """An old name that may be of two rows keeps neither of them: both are tried, and what is refused has its own."""
    refuse(seats, "old.hall = 'a:b' OR old.hall LIKE 'a~%'")
    poison = "sexton_poison" if seats.sqlite else "sexton.poison"
    for subject in ("a,b,c", "a~b,c"):
        seats.do(
            f"INSERT INTO {poison} (job, step, subject, error, attempts, first_seen_at, last_seen_at, next_at)"
            " VALUES ('policies.tidy', 'tidy', :subject, 'no', 4, :at, :at, NULL)",
            subject=subject,
            at=stored(seats, NOON - 9 * DAY),
        )
    job = seats.armed(purge="seats", by="ends", keep="1h", max_share=1.0)

    total = run_job(seats.engine, job, at=NOON).total
    again = run_job(seats.engine, job, at=NOON).total

    assert (total.changed, total.poison) == (3, 2)
    assert (again.picked, again.poison) == (0, 0)
    assert aside(seats) == ["a:b,c", "a~00b,c", "a~b,c"]


def test_sec_7_what_is_set_aside_now_shields_no_row_that_was_named_so_before(seats: Shop) -> None:
    seats.do("DELETE FROM seats")
    for hall in ("a,b", "a~1b"):
        seats.do("INSERT INTO seats VALUES (:hall, 'c', :at)", hall=hall, at=stored(seats, NOON - DAY))
    refuse(seats, "old.hall = 'a,b'")
    job = seats.armed(purge="seats", by="ends", keep="1h", max_share=1.0)
    run_job(seats.engine, job, at=NOON)
    seats.do("INSERT INTO seats VALUES ('a~1b', 'c', :at)", at=stored(seats, NOON - DAY))

    total = run_job(seats.engine, job, at=NOON).total

    assert (total.changed, total.poison) == (1, 0)
    assert aside(seats) == ["a~1b,c"]


def test_sec_7_who_is_told_now_silences_no_row_that_was_named_so_before(shop: Shop) -> None:
    kind = "datetime" if shop.sqlite else "timestamptz"
    shop.do(f"CREATE TABLE people (name text PRIMARY KEY, ends {kind})")
    job = shop.armed(warn="people", by="ends", keep="1h")
    for name in ("x:y", "x~1y", "x~01y", "x~y"):
        shop.do("INSERT INTO people VALUES (:name, :at)", name=name, at=stored(shop, NOON - DAY))
        assert run_job(shop.engine, job, at=NOON).total.told == 1
    assert run_job(shop.engine, job, at=NOON).total.told == 0


def refuse(shop: Shop, which: str) -> None:
    """The database refuses to delete these."""
    if shop.sqlite:
        shop.do(f"CREATE TRIGGER stays BEFORE DELETE ON seats WHEN {which} BEGIN SELECT RAISE(ABORT, 'it stays'); END")
        return
    shop.do(
        "CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$",
        f"CREATE TRIGGER stays BEFORE DELETE ON seats FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION stays()",
    )


def aside(shop: Shop) -> list[str]:
    """Subjects set aside, sorted."""
    with shop.engine.connect() as connection:
        poison = "sexton_poison" if shop.sqlite else "sexton.poison"
        return sorted(connection.execute(text(f"SELECT subject FROM {poison}")).scalars())
