"""Keys of tokens are changed without losing one: a new one in front, rows encrypted anew, the old one gone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from sexton import PolicyError
from sexton.packs.invoicing.credentials import access_token
from sexton.packs.invoicing.sealing import name_of
from tests.support.billing import KEY, Billing, open_billing
from tests.support.hostile_http import says
from tests.support.shaam import shaam_server

NEW = Fernet.generate_key().decode()
NOON = "2026-06-15 12:00"


def with_keys(desk: Billing, *keys: str) -> Billing:
    """The same tables, as a process with these keys has them."""
    options = replace(desk.options, token_keys=" ".join(keys))
    return Billing(desk.engine, options, desk.own, desk.made)


def test_t5_4_a_new_key_takes_over_and_the_old_one_can_go(desk: Billing) -> None:
    """T5.4: both are read in between; hashes stay, so that a renewal under way is not disturbed."""
    for business in range(1, 6):
        desk.tokens(business, expires="2999-01-01")
    hashes = desk.credentials("refresh_token_hash")
    both = with_keys(desk, NEW, KEY)
    assert both.refresh_token(3) == "refresh-3-0"

    predicted = both.preview("keys")
    run = both.run("keys")
    again = both.run("keys")

    assert predicted.steps == run.steps
    assert (run.total.picked, run.total.changed, again.total.picked) == (5, 5, 0)
    alone = with_keys(desk, NEW)
    assert [alone.refresh_token(business) for business in range(1, 6)] == [f"refresh-{n}-0" for n in range(1, 6)]
    assert set(alone.credentials("token_key").values()) == {name_of(NEW)}
    assert alone.credentials("refresh_token_hash") == hashes


def test_t5_4_a_row_that_no_key_reads_stops_no_other(desk: Billing, caplog: pytest.LogCaptureFixture) -> None:
    """T5.6: it is counted, named in the log, and left as it is."""
    desk.tokens(1, expires="2999-01-01")
    stranger = with_keys(desk, Fernet.generate_key().decode())
    stranger.tokens(2, expires="2999-01-01")
    desk.tokens(3, expires="2999-01-01")

    run = with_keys(desk, NEW, KEY).run("keys")

    assert (run.state, run.total.changed, run.total.poison) == ("partial", 2, 1)
    assert "none of token_keys decrypts its tokens" in caplog.text
    assert stranger.refresh_token(2) == "refresh-2-0"


def test_t5_4_more_rows_than_one_transaction_takes(desk: Billing) -> None:
    """T5.4: each once."""
    desk.refill({desk.own.businesses: [{"id": n, "name": "B"} for n in range(1, 452)]})
    desk.tokens(1, expires="2999-01-01")
    columns = [column for column in desk.own.credentials.c if column.key not in ("id", "business_id")]
    row = dict(zip([column.key for column in columns], desk.rows(desk.own.credentials.select())[0][2:], strict=True))
    desk.refill(
        {
            desk.own.businesses: [{"id": n, "name": "B"} for n in range(1, 452)],
            desk.own.credentials: [{**row, "business_id": n} for n in range(1, 452)],
        }
    )

    run = with_keys(desk, NEW, KEY).run("keys")

    assert (run.total.changed, set(desk.credentials("token_key").values())) == (451, {name_of(NEW)})


def test_t5_4_a_renewal_encrypts_by_the_newest_key_and_is_not_disturbed_by_the_change(engine: Engine) -> None:
    """T5.4: rows are encrypted anew while a call is under way; its answer is stored all the same."""
    with shaam_server() as shaam:
        desk = open_billing(engine, shaam_timeout="60s", **shaam.options)
        desk.tokens(1, expires=NOON)
        shaam.grant(1)
        both = with_keys(desk, NEW, KEY)

        def rotate(client: object, over: object) -> None:
            both.run("keys")
            says({"access_token": "a", "refresh_token": "b", "expires_in": 3600})(client, over)  # type: ignore[arg-type]

        shaam.plan = {"refresh-1-0": [rotate]}
        both.run("tokens", at=NOON)

    assert with_keys(desk, NEW).refresh_token(1) == "b"


def test_t5_4_without_a_key_tokens_are_neither_stored_nor_read(engine: Engine) -> None:
    """T5.4: never in the clear."""
    desk = open_billing(engine)
    desk.tokens(1, expires="2999-01-01")

    for keys, words in (("", "token_keys is not set"), (NEW, "is not among token_keys")):
        with desk.engine.begin() as connection, pytest.raises(PolicyError, match=words):
            access_token(connection, with_keys(desk, keys).options, 1)
