"""Proposals for tables of every shape: names, keys, references, schemas, rights, types; and what is written of them."""

from __future__ import annotations

import tomllib

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.proposals.measure import DatabaseProbe
from sexton.proposals.proposal_text import proposals_text
from sexton.proposals.propose import propose
from sexton.runs.runner import planned
from tests.declared.shop import Shop

from .proposing import proposed, settings


def test_views_and_our_own_tables_are_not_proposed(shop: Shop) -> None:
    shop.do("CREATE TABLE things (id int PRIMARY KEY, created_at timestamp)")
    shop.do("CREATE VIEW event_log AS SELECT * FROM things")

    proposals = propose(shop.database)

    assert (proposals.found, proposals.left_out) == ((), ())
    assert "None of them looks like" in proposals_text(proposals, "a database")


def test_what_cannot_work_is_left_out_with_the_reason(shop: Shop) -> None:
    shop.do("CREATE TABLE log_lines (line text, logged_at timestamp)", "CREATE TABLE api_tokens (id int PRIMARY KEY)")

    proposals = propose(shop.database)

    assert [proposal.name for proposal in proposals.found] == ["old_log_lines"]
    assert [name.removeprefix("public.") for name, _ in proposals.left_out] == ["api_tokens"]
    assert proposals.left_out[0][1] == "looks like tokens, but no column tells when a row has had its time"


@pytest.mark.databases("sqlite")
def test_text_of_another_shape_is_no_time(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE event_log (id int PRIMARY KEY, created_at timestamp, logged_at text)",
        "INSERT INTO event_log VALUES (1, 'yesterday', '2020-01-01T00:00:00Z')",
    )

    assert settings(shop, "old_event_log")["by"] == "logged_at"


def test_names_of_every_kind_are_quoted(shop: Shop) -> None:
    shop.do(
        'CREATE TABLE "Access \\ ""Log""" ("order" int PRIMARY KEY, "loggedAt" timestamp)',
        'CREATE TABLE "SESSIONS" (id int PRIMARY KEY, "expiresAt" timestamp)',
        'CREATE TABLE "2024 Übergabe Log" (id int PRIMARY KEY, "Größe\n[x" int, "time" timestamp)',
        'CREATE TABLE "dotted.log" (id int PRIMARY KEY, "time" timestamp)',
    )

    assert sorted(proposed(shop)) == [
        "expired_sessions",
        "old_2024_ubergabe_log",
        "old_access_log",
        "old_dotted_log",
    ]


def test_names_are_told_apart(shop: Shop) -> None:
    shop.do(
        'CREATE TABLE "a-log" (id int PRIMARY KEY, at timestamp)', "CREATE TABLE a_log (id int PRIMARY KEY, at date)"
    )

    assert sorted(proposed(shop)) == ["old_a_log", "old_a_log_2"]


def test_composite_keys_work(shop: Shop) -> None:
    shop.do("CREATE TABLE page_views (page int, visitor int, viewed_at timestamp, PRIMARY KEY (page, visitor))")

    assert settings(shop, "old_page_views")["by"] == "viewed_at"


def test_who_refers_to_the_rows_is_told(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamp, parent int REFERENCES sessions (id))",
        "CREATE TABLE clicks (id int PRIMARY KEY, session int REFERENCES sessions (id))",
        "CREATE TABLE scrolls (id int PRIMARY KEY, session int REFERENCES sessions (id) ON DELETE CASCADE)",
        "CREATE TABLE visitors (id int PRIMARY KEY, session int REFERENCES sessions (id) ON DELETE SET NULL)",
    )

    found = proposed(shop)["expired_sessions"]
    schema = "" if shop.sqlite else "public."

    assert found.settings["unless_referenced_by"] == {f"{schema}clicks": "session"}
    assert found.remarks == (
        f"a row that {schema}clicks refers to stays",
        "rows refer to each other by parent: one that others refer to stays until they are gone",
    )
    assert found.doubts == (
        f"may rows of {schema}scrolls go along (ON DELETE CASCADE)?",
        f"may session of {schema}visitors lose what it refers to (ON DELETE SET NULL)?",
    )


def test_what_is_called_after_the_table_goes_with_it_if_a_person_says_so(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamp)",
        "CREATE TABLE session_notes (id int PRIMARY KEY, session int REFERENCES sessions (id))",
        "CREATE TABLE session_devices (id int PRIMARY KEY, session int REFERENCES sessions (id) ON DELETE CASCADE)",
    )

    found = proposed(shop)["expired_sessions"]
    schema = "" if shop.sqlite else "public."

    assert found.settings["children"] == {f"{schema}session_notes": "session"}
    assert found.doubts == (f"do the rows of {schema}session_notes go first, as `children` says?",)
    text = proposals_text(propose(shop.database), "a database").partition("#[policies")
    activated = tomllib.loads(f"[policies{text[2]}".replace("\n#", "\n"))["policies"]
    (plan,) = planned(
        App(Settings(database=shop.database, policies=activated)).registry.get("policies.expired_sessions"), shop.engine
    )
    assert [change.name for change in plan.changes] == ["session_notes"]


@pytest.mark.databases("postgres")
def test_other_schemas_and_partitions(shop: Shop) -> None:
    shop.do(
        'CREATE SCHEMA "App"',
        'CREATE TABLE "App".events (id int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)',
        """CREATE TABLE "App".events_2024 PARTITION OF "App".events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')""",
        "CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamptz)",
        'CREATE TABLE "App".sessions (id int PRIMARY KEY, expires_at timestamptz)',
        'CREATE TABLE "App".clicks (id int PRIMARY KEY, session int REFERENCES public.sessions (id))',
        """INSERT INTO "App".events SELECT n, '2024-05-01' FROM generate_series(1, 12000) n""",
        "ANALYZE",
    )

    found = proposed(shop)

    assert {name: proposal.settings["purge"] for name, proposal in found.items()} == {
        "old_app_events": "App.events",
        "expired_app_sessions": "App.sessions",
        "expired_sessions": "public.sessions",
    }
    assert found["expired_sessions"].settings["unless_referenced_by"] == {"App.clicks": "session"}
    text = proposals_text(propose(shop.database), "a database")
    assert "About 12,000 rows, at from 2024-05-01 to 2024-05-01; due now: more than 10,000." in text.replace(
        "\n# ", " "
    )


@pytest.mark.databases("postgres")
def test_a_table_that_may_not_be_read_is_left_out(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamptz)",
        "CREATE ROLE reader_of_little LOGIN",
    )
    database = shop.engine.url.set(username="reader_of_little").render_as_string(hide_password=False)
    try:
        proposals = propose(database)
    finally:
        shop.do("DROP ROLE reader_of_little")

    assert proposals.found == ()
    assert "refuses to show it: 42501: permission denied" in proposals.left_out[0][1]


@pytest.mark.databases("postgres")
def test_types_that_nobody_knows_do_no_harm(shop: Shop) -> None:
    shop.do(
        "CREATE TYPE pair AS (a int, b int)",
        "CREATE DOMAIN word AS text",
        "CREATE TABLE jobs (id int PRIMARY KEY, pair pair, status word, created_at timestamptz)",
        "CREATE TABLE event_log (id int PRIMARY KEY, pair pair, at timestamptz)",
        "CREATE INDEX ON event_log ((id + 1))",
        "INSERT INTO event_log VALUES (1, NULL, '-infinity')",
    )

    assert list(proposed(shop)) == ["old_event_log"]


@pytest.mark.databases("sqlite")
def test_sqlite_keeps_whatever_it_is_given(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE jobs (id int PRIMARY KEY, status text, created_at timestamp)",
        "INSERT INTO jobs VALUES (1, 'done', '2020-01-01 00:00:00'), (2, x'ff', 17), (3, NULL, '')",
        "CREATE TABLE sessions (id int PRIMARY KEY, expires int)",
        "INSERT INTO sessions VALUES (1, 'soon')",
    )

    assert settings(shop, "finished_jobs")["only"] == {"status": ["done"]}
    assert propose(shop.database).left_out == (
        ("sessions", "looks like sessions, but expires holds whole numbers that are no time since 1970"),
    )


def test_what_takes_too_long_is_not_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamp)")
    monkeypatch.setattr(DatabaseProbe.__init__, "__kwdefaults__", {"seconds": 3.0, "patience": 0.0})

    assert "Rows not counted; due now: not counted, as that takes too long." in proposals_text(
        propose(shop.database), "a database"
    )


@pytest.mark.slow
def test_the_same_database_gives_the_same_text_and_each_policy_a_minute_of_its_own(shop: Shop) -> None:
    for number in range(30):
        shop.do(f"CREATE TABLE a{number}_log (id int PRIMARY KEY, at timestamp)")

    first, second = propose(shop.database), propose(shop.database)

    assert proposals_text(first, "a database") == proposals_text(second, "a database")
    schedules = {str(proposal.settings["schedule"]) for proposal in first.found}
    assert len(schedules) == 30
    assert "37 3 * * *" not in schedules


@pytest.mark.databases("sqlite")
def test_rep_23_a_dozen_is_shown_and_the_rest_if_asked_for(shop: Shop) -> None:
    for number in range(14):
        shop.do(f"CREATE TABLE api{number}_log (id int PRIMARY KEY, at timestamp)")
    shop.do("CREATE TABLE events (id int PRIMARY KEY, at timestamp)", "CREATE TABLE tokens (id int PRIMARY KEY)")

    few, everything = (proposals_text(propose(shop.database), "a database", everything=each) for each in (False, True))

    assert (few.count("[policies."), everything.count("[policies.")) == (12, 15)
    assert "# Not shown: 3 more proposals and 1 table left out." in few
    assert everything.index("#[policies.old_events]") > everything.rindex("\n[policies.")  # what is doubtful is last
    assert "# Left out:\n# - tokens looks like tokens" in everything


@pytest.mark.databases("sqlite")
def test_a_foreign_key_that_fits_no_key_is_no_end(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE accesses (a int, b int, PRIMARY KEY (a, b))",
        "CREATE TABLE api_log (id int PRIMARY KEY, at timestamp, access int REFERENCES accesses)",
        "CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamp)",
    )

    proposals = propose(shop.database)

    assert [proposal.name for proposal in proposals.found] == ["expired_sessions"]
    assert "its foreign keys cannot be read" in proposals.left_out[0][1]
