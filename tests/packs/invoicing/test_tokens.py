"""Tokens of SHAAM, renewed against a real server on loopback that rotates, refuses and fails (T5.1 to T5.6)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from sexton.packs.invoicing.credentials import access_token, save_tokens
from sexton.packs.invoicing.sealing import sealed_columns, sealer
from sexton.packs.invoicing.shaam import TokenPair
from tests.support.billing import Billing, open_billing
from tests.support.hostile_http import answers, says, silent
from tests.support.market import at, later
from tests.support.shaam import Shaam, shaam_server

NOON = "2026-06-15 12:00"
SOON = later(NOON, minutes=10)


@pytest.fixture
def shaam() -> Iterator[Shaam]:
    """A service that has granted nothing yet."""
    with shaam_server() as shaam:
        yield shaam


@pytest.fixture
def desk(engine: Engine, shaam: Shaam) -> Billing:
    """Businesses that use it, and wait as long as a busy machine may take."""
    return open_billing(engine, shaam_timeout="60s", **shaam.options)


def expiring(desk: Billing, shaam: Shaam, *businesses: int, expires: Any = SOON) -> None:
    """Each with tokens that run out soon."""
    for business in businesses:
        desk.tokens(business, expires=expires)
    shaam.grant(*businesses)


def test_t5_2_tokens_that_run_out_before_the_next_look_are_renewed(desk: Billing, shaam: Shaam) -> None:
    """T5.2, T5.3, T5.4: those within 20 minutes, and those that have run out, as the refresh token lives on."""
    shaam.grant(1, 2, 3, 4)
    desk.tokens(1, expires=later(NOON, minutes=20, microseconds=-1))
    desk.tokens(2, expires=later(NOON, minutes=20))
    desk.tokens(3, expires=later(NOON, days=-9))
    desk.tokens(4, expires=later(NOON, minutes=4))

    run = desk.run("tokens", at=NOON)

    assert (run.state, shaam.renewed) == ("succeeded", {1: 1, 3: 1, 4: 1})
    assert [desk.refresh_token(business) for business in (1, 2, 3)] == ["refresh-1-1", "refresh-2-0", "refresh-3-1"]
    assert desk.credentials("token_expires_at")[1] == later(NOON, hours=1)
    assert desk.credentials("generation") == {1: 1, 2: 0, 3: 1, 4: 1}
    with desk.engine.connect() as connection:
        business = desk.own.credentials.c.business_id
        sealed = connection.execute(select(desk.own.credentials.c.access_token).where(business == 1)).scalar_one()
    seal = sealer(desk.options)
    assert seal is not None
    assert seal.open(sealed) == "access-1-1"


def test_t5_2_no_token_is_ever_dead_between_two_looks(desk: Billing, shaam: Shaam) -> None:
    """T5.1, T5.2: with 5 minutes ahead and a look each 15, as the ticket has it, one would be for ten minutes."""
    expiring(desk, shaam, 1, expires=later(NOON, minutes=7))
    shaam.seconds = 1800

    ends = [desk.credentials("token_expires_at")[1]]
    for look in range(16):
        moment = later(NOON, minutes=15 * look)
        assert ends[-1] > moment
        desk.run("tokens", at=moment)
        ends.append(desk.credentials("token_expires_at")[1])

    assert shaam.renewed[1] >= 7


def test_t5_4_a_token_that_lives_shorter_than_the_lead_is_renewed_at_each_look_and_not_twice_in_one(
    desk: Billing, shaam: Shaam
) -> None:
    """T5.4"""
    expiring(desk, shaam, 1)
    shaam.seconds = 600

    for look in range(3):
        desk.run("tokens", at=later(NOON, minutes=15 * look))
        desk.run("tokens", at=later(NOON, minutes=15 * look))

    assert shaam.renewed == {1: 3}
    assert desk.refresh_token(1) == "refresh-1-3"


def test_t5_6_what_fails_for_one_business_stops_no_other(desk: Billing, shaam: Shaam) -> None:
    """T5.6: a server error, a refusal, a token that no key reads, an answer that is none."""
    expiring(desk, shaam, *range(1, 9))
    shaam.plan = {"refresh-1-0": [answers(500)], "refresh-3-0": [says({"error": "invalid_grant"}, 400)]}
    shaam.plan |= {"refresh-5-0": [answers(200, b"<html>")], "refresh-7-0": [says([1])]}
    credentials = {business: number for number, business in desk.column(desk.own.credentials, "business_id").items()}
    desk.change(desk.own.credentials, credentials[8], refresh_token="gAAAAA-nonsense")

    run = desk.run("tokens", at=NOON)

    assert run.state == "succeeded"
    assert shaam.renewed == {2: 1, 4: 1, 6: 1}
    assert [desk.refresh_token(business) for business in (2, 4, 6)] == [f"refresh-{n}-1" for n in (2, 4, 6)]
    assert desk.credentials("status") == {n: "needs_reauth" if n == 3 else "active" for n in range(1, 9)}


def test_t5_5_a_refused_token_is_flagged_and_its_owner_told_once(
    desk: Billing, shaam: Shaam, caplog: pytest.LogCaptureFixture
) -> None:
    """T5.5: logged; skipped until it is authorised anew, and told again if that is refused too."""
    expiring(desk, shaam, 1)
    shaam.refresh.clear()

    for look in range(4):
        desk.run("tokens", at=later(NOON, minutes=15 * look))

    assert (desk.credentials("status"), shaam.asked) == ({1: "needs_reauth"}, ["refresh-1-0"])
    (message,) = desk.sent()
    assert (message.event_type, message.recipient) == ("shaam_needs_authorisation", "owner1@example.org")
    assert desk.effects() == ["reauth:1:0"]
    assert "business 1 has to authorise SHAAM anew" in caplog.text

    shaam.refresh["fresh"] = 1
    with desk.engine.begin() as connection:
        save_tokens(connection, desk.options, 1, TokenPair("access", "fresh", 60))
    desk.run("tokens", at=later(NOON, days=900))
    assert (desk.credentials("status"), desk.refresh_token(1)) == ({1: "active"}, "refresh-1-1")
    shaam.refresh.clear()
    desk.run("tokens", at=later(NOON, days=901))
    assert desk.effects() == ["reauth:1:0", "reauth:1:2"]


def test_t5_5_an_answer_that_was_lost_after_the_rotation_needs_the_owner(desk: Billing, shaam: Shaam) -> None:
    """T5.5: nobody knows the new token; the old one is refused, still ours, and so the owner has to act, once."""
    expiring(desk, shaam, 1, 2)
    shaam.lost = {"refresh-1-0"}

    desk.run("tokens", at=NOON)
    assert (desk.credentials("status"), desk.sent()) == ({1: "active", 2: "active"}, [])
    desk.run("tokens", at=later(NOON, minutes=15))

    assert shaam.asked.count("refresh-1-0") == 2
    assert desk.credentials("status") == {1: "needs_reauth", 2: "active"}
    assert [row.event_type for row in desk.sent()] == ["shaam_needs_authorisation"]


def sibling(desk: Billing, shaam: Shaam, business: int) -> Any:
    """The product's own code renews the same token while our call is under way: its answer comes first."""

    def behave(client: Any, over: Any) -> None:
        seal = sealer(desk.options)
        assert seal is not None
        theirs = sealed_columns(seal, "access-theirs", "refresh-theirs")
        shaam.refresh["refresh-theirs"] = business
        values = {**theirs, "token_expires_at": later(NOON, hours=2), "generation": 1}
        with desk.engine.begin() as connection:
            changed = desk.own.credentials.update().where(desk.own.credentials.c.business_id == business)
            connection.execute(changed.values(values))
        said(client, over)

    said = says({"error": "invalid_grant"}, 400)
    return behave


def test_t5_5_a_refusal_after_a_sibling_has_rotated_is_none(desk: Billing, shaam: Shaam) -> None:
    """T5.5: the row is read again before anything is recorded."""
    expiring(desk, shaam, 1)
    shaam.plan = {"refresh-1-0": [sibling(desk, shaam, 1)]}

    desk.run("tokens", at=NOON)
    desk.run("tokens", at=later(NOON, minutes=15))

    assert (desk.credentials("status"), desk.sent(), desk.effects()) == ({1: "active"}, [], [])
    assert (desk.refresh_token(1), shaam.asked) == ("refresh-theirs", ["refresh-1-0"])
    desk.run("tokens", at=later(NOON, hours=2))
    assert desk.refresh_token(1) == "refresh-1-1"


def test_t5_4_new_tokens_are_stored_although_the_row_has_changed_otherwise(desk: Billing, shaam: Shaam) -> None:
    """T5.4: what is not stored is lost with the account; only another refresh token keeps it out."""
    expiring(desk, shaam, 1)

    def touched(client: Any, over: Any) -> None:
        with desk.engine.begin() as connection:
            changed = desk.own.credentials.update().where(desk.own.credentials.c.business_id == 1)
            connection.execute(changed.values(token_expires_at=later(NOON, days=1), status="failing"))
        says({"access_token": "a", "refresh_token": "b", "expires_in": 60})(client, over)

    shaam.plan = {"refresh-1-0": [touched]}
    desk.run("tokens", at=NOON)

    assert (desk.refresh_token(1), desk.credentials("status")) == ("b", {1: "active"})


def test_t5_4_new_tokens_never_replace_those_of_a_new_authorisation(desk: Billing, shaam: Shaam) -> None:
    """T5.4: the owner has authorised anew while the call was under way."""
    expiring(desk, shaam, 1)

    def authorised(client: Any, over: Any) -> None:
        with desk.engine.begin() as connection:
            save_tokens(connection, desk.options, 1, TokenPair("mine", "of the owner", 7200))
        says({"access_token": "a", "refresh_token": "b", "expires_in": 60})(client, over)

    shaam.plan = {"refresh-1-0": [authorised]}
    desk.run("tokens", at=NOON)

    assert desk.refresh_token(1) == "of the owner"


def test_t5_5_what_fails_is_tried_again_and_told_only_once_the_token_has_expired(desk: Billing, shaam: Shaam) -> None:
    """T5.5: 5xx: no flag before its end and three failures; then `failing`, told once, and still tried."""
    expiring(desk, shaam, 1, expires=later(NOON, minutes=40))
    shaam.plan = {"refresh-1-0": [answers(500)] * 6}
    told = []
    for look in range(2, 10):
        desk.run("tokens", at=later(NOON, minutes=15 * look))
        told.append((desk.credentials("status")[1], len(desk.sent())))

    assert told[0] == ("active", 0)
    assert told[1] == ("active", 0)
    assert ("failing", 1) in told
    assert told[-1] == ("active", 1)
    assert desk.refresh_token(1) == "refresh-1-1"
    assert [row.event_type for row in desk.sent()] == ["shaam_renewal_fails"]
    assert desk.credentials("refresh_attempts") == {1: 0}


def test_t5_5_an_application_that_is_refused_stops_the_calls_and_costs_nobody_an_attempt(
    desk: Billing, shaam: Shaam
) -> None:
    """T5.5, T5.6: no owner can help with that, and no storm of calls."""
    expiring(desk, shaam, *range(1, 11))
    shaam.plan = {f"refresh-{n}-0": [says({"error": "invalid_client"}, 401)] * 9 for n in range(1, 11)}

    desk.run("tokens", at=NOON)
    first = len(shaam.asked)
    desk.run("tokens", at=later(NOON, minutes=15))

    assert first <= 4
    assert len(shaam.asked) == first
    assert set(desk.credentials("refresh_attempts").values()) == {0}
    assert (set(desk.credentials("status").values()), desk.sent()) == ({"active"}, [])


def test_t5_6_an_answer_that_never_comes_is_given_up_and_the_others_go_on(engine: Engine, shaam: Shaam) -> None:
    """T5.6"""
    desk = open_billing(engine, shaam_timeout="3s", **shaam.options)
    expiring(desk, shaam, 1, 2)
    shaam.plan = {"refresh-1-0": [silent()]}

    run = desk.run("tokens", at=NOON)

    assert (run.state, shaam.renewed) == ("succeeded", {2: 1})
    assert desk.credentials("status") == {1: "active", 2: "active"}


def test_t5_4_tokens_and_secrets_are_nowhere_but_in_their_columns_encrypted(
    desk: Billing, shaam: Shaam, caplog: pytest.LogCaptureFixture
) -> None:
    """T5.4: in no table, log, repr or dry run."""
    expiring(desk, shaam, 1, 2, 3)
    shaam.plan = {"refresh-2-0": [answers(500, b"refresh-2-0")], "refresh-3-0": [says({"error": "refresh-3-0"}, 400)]}
    with caplog.at_level(logging.DEBUG):
        preview = desk.preview("tokens", at=NOON)
        run = desk.run("tokens", at=NOON)

    everything = (
        f"{desk.dump()} {caplog.text} {desk.options!r} {preview!r} {run!r} {TokenPair('access-1', 'refresh-1')}"
    )
    for secret in ("refresh-1", "access-1", "refresh-2", "refresh-3", "qXcanaryX7", desk.options.token_keys):
        assert secret not in everything
    assert shaam.headers[0]["authorization"].startswith("Basic ")


def test_t5_4_a_dry_run_calls_nobody(desk: Billing, shaam: Shaam) -> None:
    """T5.4"""
    expiring(desk, shaam, 1)
    before = desk.dump()

    assert desk.preview("tokens", at=NOON).total.picked == 1

    assert (shaam.asked, desk.dump()) == ([], before)


def test_t5_4_without_keys_or_settings_nothing_is_called_and_it_says_what_is_missing(
    engine: Engine, shaam: Shaam
) -> None:
    """T5.4"""
    desk = open_billing(engine)
    expiring(desk, shaam, 1)

    desk.run("tokens", at=NOON)

    assert "shaam_token_url, shaam_client and shaam_secret are not all set" in str(desk.dump())
    assert desk.credentials("status") == {1: "active"}


def test_t5_4_the_products_own_code_stores_and_reads_tokens(desk: Billing) -> None:
    """T5.4: after an authorisation; nothing for a business without, or whose token has run out."""
    desk.business(1)
    with desk.engine.begin() as connection:
        save_tokens(connection, desk.options, 1, TokenPair("first", "r1", 3600))
        assert access_token(connection, desk.options, 1) == "first"
        save_tokens(connection, desk.options, 1, TokenPair("second", "r2", 3600))
        assert access_token(connection, desk.options, 1) == "second"
        assert access_token(connection, desk.options, 2) is None
    desk.change(desk.own.credentials, 1, token_expires_at=at("2020-01-01"))
    with desk.engine.begin() as connection:
        assert access_token(connection, desk.options, 1) is None
