"""Proposals for tables that nobody at Sexton designed: what is recognised, by which column, what is left alone."""

from __future__ import annotations

import pytest

from sexton.proposals.family_by_name import family_of, words_of_name
from sexton.proposals.proposal_text import proposals_text
from sexton.proposals.propose import propose
from sexton.proposals.recognise import SurveyedTable, recognise
from tests.declared.shop import Shop

from .proposing import proposed, settings


def test_a_deadline_is_preferred_to_a_birth_and_rows_stay_some_time_after_it(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, created_at timestamp, expires_at timestamp)")

    assert settings(shop, "expired_sessions") == {"purge": "sessions", "by": "expires_at", "keep": "7d"}


@pytest.mark.parametrize(
    ("table", "columns", "name", "expected"),
    [
        ("refresh_tokens", "expiry timestamp", "expired_refresh_tokens", {"by": "expiry", "keep": "30d"}),
        ("web_sessions", "last_seen_at timestamp", "unused_web_sessions", {"by": "last_seen_at", "keep": "90d"}),
        ("access_log", "logged_at timestamp", "old_access_log", {"by": "logged_at", "keep": "90d"}),
        ("api_calls", "at timestamp", "old_api_calls", {"by": "at", "keep": "90d"}),
        ("auditlog", "ts timestamp", "old_auditlog", {"by": "ts", "keep": "365d"}),
        ("page_visits", "day date", "old_page_visits", {"by": "day", "keep": "90d", "zone": "UTC"}),
        ("tmp_files", "created timestamp", "old_tmp_files", {"by": "created", "keep": "7d"}),
        ("outbox_events", "id2 int, published_at timestamp", "finished_outbox_events", {"by": "published_at"}),
        ("posts", "created_at timestamp, deleted_at timestamp", "deleted_posts", {"by": "deleted_at", "keep": "30d"}),
        (
            "notifications",
            "read_at timestamp, created_at timestamp",
            "read_notifications",
            {"by": "created_at", "keep": "90d", "only": {"read_at": {"null": False}}},
        ),
        (
            "inbox_notifications",
            "is_read boolean, created_at timestamp",
            "read_inbox_notifications",
            {"by": "created_at", "keep": "90d", "only": {"is_read": True}},
        ),
        (
            "pages",
            "is_deleted boolean, updated_at timestamp",
            "deleted_pages",
            {"by": "updated_at", "keep": "30d", "only": {"is_deleted": True}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value and " " not in value else "",
)
def test_families(shop: Shop, table: str, columns: str, name: str, expected: dict[str, object]) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")

    found = settings(shop, name)

    assert {key: found[key] for key in expected} == expected
    assert found["purge"] == table


@pytest.mark.parametrize(("unit", "value"), [("s", 1_700_000_000), ("ms", 1_700_000_000_000), ("us", 1.7e15)])
def test_the_unit_of_whole_numbers_is_told_by_their_size(shop: Shop, unit: str, value: float) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, expires bigint)")
    shop.do("INSERT INTO sessions VALUES (1, :value)", value=int(value))

    found = proposed(shop)["expired_sessions"]

    assert (found.settings["unit"], found.doubts, found.measures.due) == (unit, (), 1)
    assert found.measures.earliest is not None
    assert found.measures.earliest.year == 2023


def test_what_no_row_tells_has_to_be_decided(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, expires bigint)")

    assert proposed(shop)["expired_sessions"].doubts == ('is "s" the unit of expires? No row was seen that tells',)
    assert "#[policies.expired_sessions]\n#purge" in proposals_text(propose(shop.database), "a database")


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ("oauth_states", "state text, expires timestamp", {"by": "expires", "keep": "7d"}),
        ("login_contexts", "context text, expired timestamp", {"by": "expired", "keep": "7d"}),
        ("saml_requests", "request_id text, valid_until timestamp", {"by": "valid_until", "keep": "7d"}),
        ("authorization_codes", "code text, expiry_time timestamp", {"by": "expiry_time", "keep": "7d"}),
        ("access_tokens", "token text, revoked_at timestamp", {"by": "revoked_at", "keep": "30d"}),
        ("user_ips", "ip text, last_seen timestamp", {"by": "last_seen", "keep": "90d"}),
        ("cache_entries", "value text, expires_at timestamp", {"by": "expires_at", "keep": "7d"}),
        ("locks", "name text, expires_at timestamp", {"by": "expires_at", "keep": "1d"}),
        ("open_id_tokens", "token text, ts_valid_until_ms bigint", {"by": "ts_valid_until_ms", "unit": "ms"}),
        ("device_codes", "code text, expires_unix bigint", {"by": "expires_unix", "unit": "s"}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_rep_23_what_programs_leave_behind_is_found_by_every_usual_name(
    shop: Shop, table: str, columns: str, expected: dict[str, object]
) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")

    (found,) = proposed(shop).values()

    assert (found.doubts, {key: found.settings[key] for key in expected}) == ((), expected)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("events", "at timestamp, kind text"),
        ("order_status_events", "at timestamp, status text"),
        ("fees", "amount int, deleted_at timestamp"),
        ("plans", "deleted_at timestamp"),
        ("taxes", "deleted_at timestamp"),
        ("payment_methods", "token text, expires_at timestamp"),
        ("audit_logs", "at timestamp, ip text"),
        ("statuses", "deleted_at timestamp"),
        ("routing_rules", "expires_at timestamp"),
        ("invitations", "token text, expires_at timestamp"),
        ("api_tokens", "name text, expires_at timestamp"),
        ("provider_tokens", "provider text, access_token text, refresh_token text, expires_at timestamp"),
        ("spend_logs", "at timestamp, spend int, request_id text"),
        ("password_history", "created_at timestamp"),
        ("upload_sessions", "expires_at timestamp, file_path text"),
        ("review_queue_items", "completed_at timestamp"),
    ],
    ids=lambda value: value if " " not in value else "",
)
@pytest.mark.databases("sqlite")
def test_rep_23_what_would_harm_is_never_live(shop: Shop, table: str, columns: str) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")

    assert [one.name for one in proposed(shop).values() if not one.doubts] == []


def test_rep_23_other_tables_tell_the_unit_of_an_empty_one_and_a_person_confirms_it(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE sessions (id int PRIMARY KEY, expires bigint)",
        "CREATE TABLE api_calls (id int PRIMARY KEY, created bigint)",
        "INSERT INTO api_calls VALUES (1, 1700000000000)",
    )

    found = proposed(shop)["expired_sessions"]

    assert found.settings["unit"] == "ms"
    assert found.doubts == (
        'is "ms" the unit of expires? No row was seen that tells; other tables count ms (1 column)',
    )


@pytest.mark.databases("postgres15")
def test_rep_23_four_bytes_hold_nothing_but_seconds(shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, expires int)")

    found = proposed(shop)["expired_sessions"]

    assert (found.settings["unit"], found.doubts) == ("s", ())


@pytest.mark.databases("sqlite")
def test_rep_23_a_column_that_names_rows_of_it_is_a_question_without_a_foreign_key(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE web_sessions (id int PRIMARY KEY, expires_at timestamp)",
        "CREATE TABLE orders (id int PRIMARY KEY, web_session_id int)",
    )

    assert proposed(shop)["expired_web_sessions"].doubts == (
        "column web_session_id of orders seems to name rows of it; are those of no more use there?",
    )


@pytest.mark.parametrize(
    ("table", "keep", "doubts"),
    [
        ("password_reset_tokens", "30d", 0),
        ("idempotency_keys", "30d", 0),
        ("login_codes", "30d", 0),
        ("tokens", "7d", 1),
    ],
)
@pytest.mark.databases("sqlite")
def test_tokens_without_a_deadline_are_left_to_a_person_unless_their_name_says_that_they_are_brief(
    shop: Shop, table: str, keep: str, doubts: int
) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, created_at timestamp)")

    found = proposed(shop)[f"old_{table}"]

    assert (found.settings["keep"], len(found.doubts)) == (keep, doubts)


def test_numbers_that_are_no_time_are_passed_over(shop: Shop) -> None:
    shop.do("CREATE TABLE event_log (id int PRIMARY KEY, created int, at timestamp)")
    shop.do("INSERT INTO event_log VALUES (1, 20261122, NULL)")

    assert settings(shop, "old_event_log")["by"] == "at"


def test_jobs_go_by_the_final_states_that_occur(shop: Shop) -> None:
    shop.do("CREATE TABLE mail_jobs (id int PRIMARY KEY, status text, updated_at timestamp)")
    assert proposed(shop)["finished_mail_jobs"].doubts == ("which values of status say that a row is finished?",)

    for number, status in enumerate(["queued", "DONE", "running", "failed", "done"]):
        shop.do("INSERT INTO mail_jobs VALUES (:n, :status, '2020-01-01 00:00:00')", n=number, status=status)
    found = proposed(shop)["finished_mail_jobs"]

    assert (found.settings["only"], found.doubts) == ({"status": sorted(["DONE", "done", "failed"])}, ())
    assert (found.measures.rows, found.measures.due) == (5, 3)


@pytest.mark.databases("postgres")
def test_an_enum_tells_its_states_itself(shop: Shop) -> None:
    shop.do(
        "CREATE TYPE state AS ENUM ('queued', 'running', 'succeeded', 'cancelled')",
        "CREATE TABLE tasks (id int PRIMARY KEY, state state, created_at timestamptz)",
    )

    assert settings(shop, "finished_tasks")["only"] == {"state": ["succeeded", "cancelled"]}


def test_a_cart_that_became_an_order_is_left_to_a_person(shop: Shop) -> None:
    shop.do("CREATE TABLE carts (id int PRIMARY KEY, status text, reserved_until timestamp)")
    shop.do("INSERT INTO carts VALUES (1, 'open', NULL), (2, 'ordered', NULL)")

    found = proposed(shop)["expired_carts"]

    assert found.settings["only"] == {"status": ["open", "ordered"]}
    assert "What became an order has to stay" in found.doubts[0]


@pytest.mark.parametrize(
    "table", ["payment_events", "work_log", "price_history", "calendar_events", "login_history", "user_logs", "events"]
)
@pytest.mark.databases("sqlite")
def test_what_a_product_may_need_is_left_to_a_person(shop: Shop, table: str) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, created_at timestamp)")

    assert proposed(shop)[f"old_{table}"].doubts


@pytest.mark.databases("sqlite")
def test_of_several_ends_the_first_is_taken_and_the_others_are_told(shop: Shop) -> None:
    shop.do("CREATE TABLE jobs (id int PRIMARY KEY, cancelled_at timestamp, completed_at timestamp)")

    found = proposed(shop)["finished_jobs"]

    assert (found.settings["by"], found.remarks) == ("completed_at", ("rows that have only cancelled_at stay",))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("users", "deleted_at timestamp"),
        ("orders", "expires_at timestamp, deleted_at timestamp"),
        ("order_items", "deleted_at timestamp"),
        ("ledger_entries", "created_at timestamp"),
        ("subscriptions", "expires_at timestamp"),
        ("licences", "expires_at timestamp"),
        ("events", "created_at timestamp, starts_at timestamp, venue text"),
        ("domain_events", "created_at timestamp, aggregate_id int"),
        ("tasks", "finished_at timestamp, assignee_id int"),
        ("tasks", "finished_at timestamp, title text"),
        ("leave_requests", "created_at timestamp"),
        ("course_sessions", "created_at timestamp, updated_at timestamp"),
        ("schema_migrations", "deleted_at timestamp"),
        ("django_migrations", "deleted_at timestamp"),
        ("cart_items", "created_at timestamp"),
        ("notification_settings", "created_at timestamp"),
    ],
    ids=lambda value: value if " " not in value else "",
)
def test_what_a_product_is_about_is_left_alone(shop: Shop, table: str, columns: str) -> None:
    shop.do(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")

    assert proposed(shop) == {}


def test_a_name_is_split_into_words() -> None:
    assert words_of_name("HTTPRequestLog") == ("http", "request", "log")
    assert words_of_name("OAUTH2_access_tokens") == ("oauth", "2", "access", "tokens")
    assert words_of_name("loginhistory") == ("login", "history")
    assert words_of_name("provider_refreshtoken") == ("provider", "refresh", "token")
    assert words_of_name("api_oauthaccesstokens") == ("api", "oauth", "access", "token")
    assert family_of("shopapi_webhookcall") == family_of("shop_outgoingmail") == "logs"
    assert family_of("order_events") == "logs"
    assert family_of("event_orders") is None
    assert family_of("catalog") is None


def test_a_table_of_nothing_but_numbers_in_its_name_is_nothing() -> None:
    assert recognise(SurveyedTable(None, "2024", {}), "sqlite") == (None, [])
