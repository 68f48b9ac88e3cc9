"""Shadow, then armed: nothing is taken before a person has looked, and what they saw may pass, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from sexton import Job
from sexton.db.tables import own_tables
from sexton.declared.policy_fingerprint import definition_of
from sexton.guard.arming import arm, arm_job, disarm
from sexton.policies.contract import Plan
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.runs.runner import planned
from sexton.runs.stop_signals import Stop
from sexton.testing import run_job
from tests.support.past_runs import newest_run

from .shop import Shop, settings_of

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SESSIONS: dict[str, Any] = {"purge": "sessions", "by": "ends", "unit": "s"}


class Killed(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


@pytest.fixture
def sessions(shop: Shop) -> Shop:
    """A thousand rows, ten of them due."""
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    add(shop, 1, 10, "past")
    add(shop, 11, 1000, "ahead")
    return shop


def add(shop: Shop, first: int, last: int, when: str) -> None:
    """Rows that are due, or are not."""
    end = int(NOON.timestamp()) + (-3600 if when == "past" else 3600)
    rows = [{"id": number, "ends": end} for number in range(first, last + 1)]
    with shop.engine.begin() as connection:
        connection.execute(text("INSERT INTO sessions VALUES (:id, :ends)"), rows)


def confirm(shop: Shop, allowed: int, **written: Any) -> Job:
    """What `sexton arm` does when so many rows are due; the job."""
    with shop.engine.begin() as connection:
        arm(connection, "tidy", definition_of(settings_of(written)), allowed=allowed, by="a test")
    return shop.job(**written)


def looked_at(shop: Shop, job: Job) -> None:
    """The same with the tables that were looked at."""
    plans: list[Plan] = planned(job, shop.engine)
    with shop.engine.begin() as connection:
        arm_job(connection, job.name, plans, {"tidy": 0}, "a test")


def allowed(shop: Shop) -> int | None:
    """Rows that may still pass."""
    armed = own_tables(shop.engine.dialect.name).armed
    with shop.engine.connect() as connection:
        return connection.execute(armed.select()).one().allowed  # type: ignore[no-any-return]


def ran(shop: Shop, job: Job, **options: Any) -> Outcome:
    return run_job(shop.engine, job, at=NOON, **options)


def cut_off(shop: Shop, job: Job, rows: int) -> Outcome:
    """A run that is told to stop once it has taken some rows."""
    stop = Stop()

    def watch(_step: str, counts: Counts) -> None:
        if counts.taken >= rows and not stop.asked:
            stop.ask("enough")

    return ran(shop, job, stop=stop, watch=watch, limits=Limits(rows=rows))


def test_a_new_policy_only_counts_and_says_so_in_history(sessions: Shop) -> None:
    outcome = ran(sessions, sessions.job(**SESSIONS))

    assert (outcome.state, outcome.total.picked, outcome.total.changed) == ("succeeded", 10, 0)
    assert len(sessions.ids("sessions")) == 1000
    assert newest_run(sessions.engine).note == (
        "only counted, as it is not armed; look at it and confirm: sexton arm tidy"
    )


def test_an_armed_one_takes_rows(sessions: Shop) -> None:
    outcome = ran(sessions, confirm(sessions, 0, **SESSIONS))

    assert (outcome.state, outcome.total.changed, outcome.said) == ("succeeded", 10, "")


def test_a_changed_policy_only_counts_again_and_another_schedule_is_no_change(sessions: Shop) -> None:
    confirm(sessions, 0, **SESSIONS)

    assert ran(sessions, sessions.job(**SESSIONS, boundary="<=")).total.changed == 0
    assert "was changed since it was armed" in (newest_run(sessions.engine).note or "")
    assert ran(sessions, sessions.job(**SESSIONS, schedule="@hourly", timeout="1m")).total.changed == 10


def test_a_disarmed_one_only_counts(sessions: Shop) -> None:
    job = confirm(sessions, 0, **SESSIONS)
    with sessions.engine.begin() as connection:
        assert disarm(connection, job.name)
        assert not disarm(connection, job.name)

    assert ran(sessions, job).total.changed == 0


@pytest.mark.parametrize(("share", "state", "left"), [(0.17, "succeeded", 1000), (0.16, "failed", 1200)])
def test_more_than_the_share_of_the_table_stops_before_the_first_row(
    share: float, state: str, left: int, sessions: Shop
) -> None:
    add(sessions, 1001, 1190, "past")
    add(sessions, 1191, 1200, "ahead")

    outcome = ran(sessions, confirm(sessions, 0, **SESSIONS, max_share=share))

    assert (outcome.state, len(sessions.ids("sessions"))) == (state, left)
    if state == "failed":
        assert outcome.error == (
            "stopped before its first row: more than 192 rows are due, max_share = 0.16 of 1,200; nothing was touched. "
            "Look at it and confirm: sexton arm tidy"
        )


def test_a_share_of_a_small_table_says_nothing_unless_it_is_none_at_all(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    add(shop, 1, 101, "past")

    stopped = ran(shop, confirm(shop, 0, **SESSIONS))
    shop.do("DELETE FROM sessions WHERE id = 1")
    none = ran(shop, confirm(shop, 0, **SESSIONS, max_share=0.0))

    assert "more than 100 rows are due, as many as are always allowed; max_share = 0.2 of 101" in (stopped.error or "")
    assert "more than 0 rows are due" in (none.error or "")
    assert ran(shop, confirm(shop, 0, **SESSIONS)).total.changed == 100


def test_what_was_due_when_a_person_looked_may_be_taken_once(sessions: Shop) -> None:
    add(sessions, 1001, 2000, "past")
    job = confirm(sessions, 1010, **SESSIONS)

    assert ran(sessions, job).total.changed == 1010
    add(sessions, 1, 10, "past")
    add(sessions, 1001, 2000, "past")
    assert ran(sessions, job).state == "failed"
    assert len(sessions.ids("sessions")) == 2000


@pytest.mark.usefixtures("no_ceiling")
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_rep_21_an_allowance_stands_until_what_was_shown_has_gone(end: str, sessions: Shop) -> None:
    """A run that is cut off, however it ends, leaves the rest to the next; history may be gone by then."""
    add(sessions, 1001, 2000, "past")
    job = confirm(sessions, 1010, **SESSIONS, batch=20)

    def kill(_step: str, _counts: Counts) -> None:
        raise Killed

    if end == "stopped":
        assert cut_off(sessions, job, 20).state == "cancelled"
    else:
        assert ran(sessions, job, watch=kill, limits=Limits(rows=20)).error == "Killed: (no message)"
        own = own_tables(sessions.engine.dialect.name)
        with sessions.engine.begin() as connection:
            connection.execute(own.leases.delete())
            connection.execute(own.runs.delete())
    gone = 2000 - len(sessions.ids("sessions"))
    assert 20 <= gone < 810  # what is left is still more than a run may take
    assert allowed(sessions) == 1010 - gone

    add(sessions, 3001, 3100, "past")  # came on top, as every day
    assert ran(sessions, job).state == "succeeded"
    assert (len(sessions.ids("sessions")), allowed(sessions)) == (990, None)
    add(sessions, 1001, 2000, "past")
    assert ran(sessions, job).state == "failed"


def test_rep_21_an_allowance_that_is_not_needed_ends_with_the_first_run_that_finds_little(sessions: Shop) -> None:
    """However many rows it would let pass: it is no door that stays open."""
    job = confirm(sessions, 10**9, **SESSIONS)

    assert ran(sessions, job).total.changed == 10
    assert allowed(sessions) is None
    add(sessions, 1001, 2000, "past")
    assert ran(sessions, job).state == "failed"


def test_rep_21_far_more_than_was_shown_stops_and_keeps_the_allowance(sessions: Shop) -> None:
    add(sessions, 1001, 3000, "past")
    job = confirm(sessions, 500, **SESSIONS)

    outcome = ran(sessions, job)

    assert "more than 1,100 rows are due, 500 of them as they were due when it was armed" in (outcome.error or "")
    assert (len(sessions.ids("sessions")), allowed(sessions)) == (3000, 500)


def test_a_run_that_is_limited_to_a_few_rows_is_no_flood(sessions: Shop) -> None:
    add(sessions, 1001, 3000, "past")
    job = confirm(sessions, 0, **SESSIONS)

    assert ran(sessions, job, limits=Limits(row_limit=30)).total.changed == 30


def test_warnings_are_a_flood_as_well(sessions: Shop) -> None:
    """What was due when a person looked may be told once, and no more."""
    written: dict[str, Any] = {"warn": "sessions", "by": "ends", "unit": "s"}
    add(sessions, 1001, 1300, "past")

    assert ran(sessions, confirm(sessions, 0, **written)).state == "failed"
    job = confirm(sessions, 310, **written)
    assert ran(sessions, job).total.told == 310
    add(sessions, 2001, 2400, "past")
    assert ran(sessions, job).state == "failed"


def test_more_than_ten_times_the_habit_stops(sessions: Shop) -> None:
    job = confirm(sessions, 0, **SESSIONS)
    for _ in range(5):
        assert ran(sessions, job).total.changed == 10
        add(sessions, 1, 10, "past")

    add(sessions, 2001, 2100, "past")
    outcome = ran(sessions, job)

    assert outcome.state == "failed"
    assert "more than 100 rows are due, 10 times the usual 10" in (outcome.error or "")


def test_about_as_many_as_usual_are_no_flood_whatever_their_share(sessions: Shop) -> None:
    """A queue whose rows are nearly all done each night."""
    first = confirm(sessions, 10**9, **SESSIONS, max_share=1.0)
    for _ in range(5):
        add(sessions, 2001, 5000, "past")
        assert ran(sessions, first).state == "succeeded"

    job = confirm(sessions, 0, **SESSIONS)
    add(sessions, 2001, 5500, "past")
    assert ran(sessions, job).total.changed == 3500
    add(sessions, 2001, 8500, "past")
    assert "more than 6,000 rows are due, twice the usual 3,000" in (ran(sessions, job).error or "")


OTHERS = {
    "another schema": (
        "ALTER DATABASE {name} SET search_path = app",
        "log is app.log here, and boss.log was looked at",
    ),
    "made anew": (
        "DROP TABLE boss.log CASCADE; CREATE TABLE boss.log (LIKE app.log INCLUDING ALL)",
        "is another table",
    ),
    "swapped": (
        "ALTER TABLE boss.log RENAME TO old; CREATE TABLE boss.log (LIKE app.log INCLUDING ALL)",
        "boss.log is another table than the one of that name",
    ),
    "children elsewhere": ("DROP TABLE boss.lines", "lines is app.lines here, and boss.lines was looked at"),
    "who refers elsewhere": ("DROP TABLE boss.pins", "pins is app.pins here, and boss.pins was looked at"),
    "its schema renamed": (
        "ALTER SCHEMA boss RENAME TO chief; ALTER DATABASE {name} SET search_path = chief",
        "is chief",
    ),
}


@pytest.fixture
def two_schemas(shop: Shop) -> Shop:
    """The same tables in `boss` and in `app`, and a search path that leads to those of `boss` first."""
    for schema in ("boss", "app"):
        shop.do(
            f"CREATE SCHEMA {schema}",
            f"CREATE TABLE {schema}.log (id int PRIMARY KEY, ends bigint)",
            f"CREATE TABLE {schema}.lines (id int PRIMARY KEY, log_id int)",
            f"CREATE TABLE {schema}.pins (id int PRIMARY KEY, log_id int)",
            f"INSERT INTO {schema}.log VALUES (1, 1000), (2, 2000)",
        )
    change(shop, "ALTER DATABASE {name} SET search_path = boss, app")
    return shop


def change(shop: Shop, statements: str) -> None:
    """Statements of somebody else, and new sessions afterwards."""
    shop.do(*statements.format(name=shop.engine.url.database).split("; "))
    shop.engine.dispose()


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("how", OTHERS)
def test_rep_12_a_run_that_finds_another_table_only_counts(how: str, two_schemas: Shop) -> None:
    written: dict[str, Any] = {
        "purge": "log",
        "by": "ends",
        "unit": "s",
        "children": {"lines": "log_id"},
        "unless_referenced_by": {"pins": "log_id"},
    }
    looked_at(two_schemas, two_schemas.job(**written))
    statements, words = OTHERS[how]
    change(two_schemas, statements)

    outcome = ran(two_schemas, two_schemas.job(**written))

    assert (outcome.state, outcome.total.changed) == ("succeeded", 0)
    assert words in (outcome.note or "")
    assert (outcome.note or "").startswith("only counted, as ")
    looked_at(two_schemas, two_schemas.job(**written))  # whoever looks again has seen this one
    assert ran(two_schemas, two_schemas.job(**written)).said == ""


@pytest.mark.databases("postgres15")
def test_rep_12_the_same_table_stays_the_same(two_schemas: Shop) -> None:
    """Columns and rows that come and go, another path to it, a copy restored elsewhere, where numbers differ."""
    written: dict[str, Any] = {"purge": "log", "by": "ends", "unit": "s"}
    looked_at(two_schemas, two_schemas.job(**written))
    change(two_schemas, "ALTER TABLE log ADD note text")
    change(two_schemas, 'ALTER DATABASE {name} SET search_path = "$user", public, boss')
    armed = own_tables("postgresql").armed
    with two_schemas.engine.begin() as connection:
        kept = connection.execute(armed.select()).one().tables
        kept = {"place": "1/2", "tables": {name: [where, 3] for name, (where, _) in kept["tables"].items()}}
        connection.execute(text("UPDATE sexton.armed SET tables = :kept"), {"kept": json.dumps(kept)})

    assert ran(two_schemas, two_schemas.job(**written)).total.changed == 2
