"""The pack by the command line: what is logged, what fails, and two processes at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.cli.shell import Done, Shell
from tests.support.billing import KEY, Billing, open_billing
from tests.support.hostile_http import says
from tests.support.market import later
from tests.support.shaam import Shaam, shaam_server

pytestmark = pytest.mark.slow

NOON = "2026-06-15T12:00Z"

SETTINGS = """
database = "{database}"
packs = ["invoicing"]
[pack.invoicing]
token_keys = "env:BILLING_KEYS"
shaam_token_url = "{shaam}/token"
shaam_client = "billing"
shaam_secret = "env:BILLING_SECRET"
shaam_timeout = "60s"
"""


@pytest.fixture
def shaam() -> Iterator[Shaam]:
    """A service that has granted nothing yet."""
    with shaam_server() as shaam:
        yield shaam


@pytest.fixture
def desk(engine: Engine, shaam: Shaam) -> Billing:
    """The tables."""
    return open_billing(engine, **shaam.options)


@pytest.fixture
def sexton(desk: Billing, shaam: Shaam, tmp_path: Path) -> Callable[..., Done]:
    """The command, with settings that lead to both."""
    url = desk.engine.url.render_as_string(hide_password=False)
    (tmp_path / "sexton.toml").write_text(SETTINGS.format(database=url, shaam=shaam.url))
    return Shell(tmp_path, {"BILLING_KEYS": KEY, "BILLING_SECRET": "qXcanaryX7"}).sexton


def lines(done: Done) -> list[dict[str, Any]]:
    """What a run has logged."""
    return [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]


def test_t1_7_start_end_and_length_of_a_run_are_logged(desk: Billing, sexton: Callable[..., Done]) -> None:
    """T1.7, T4.3: a line at the start, one at the end with its seconds and counts, and a row of history."""
    desk.session("old", expires="2026-06-01")

    done = sexton("run", "invoicing.clean_sessions", "--now", NOON)

    started, ended = lines(done)
    assert (done.code, started["event"], ended["event"]) == (0, "run started", "run ended")
    assert (ended["job"], ended["state"], ended["changed"]) == ("invoicing.clean_sessions", "succeeded", 1)
    assert ended["seconds"] >= 0
    assert "invoicing.clean_sessions" in sexton("history").out


def test_t1_6_a_job_that_fails_is_on_record_and_the_others_run(desk: Billing, sexton: Callable[..., Done]) -> None:
    """T1.6: one line that says what is wrong; no process that serves others is in it."""
    desk.session("old", expires="2026-06-01")
    with desk.engine.begin() as connection:
        connection.execute(text("ALTER TABLE invoices RENAME TO lost"))

    failed = sexton("run", "invoicing.clean_drafts", "--now", NOON)
    other = sexton("run", "invoicing.clean_sessions", "--now", NOON)

    assert failed.code != 0
    assert "invoices" in failed.err + failed.out
    assert "Traceback" not in failed.err + failed.out
    assert (other.code, desk.ids(desk.own.sessions)) == (0, [])


@pytest.mark.databases("postgres")
def test_t5_6_two_processes_renew_each_token_once(desk: Billing, shaam: Shaam, sexton: Callable[..., Done]) -> None:
    """T5.3, T5.4: at the same instant: no token is sent twice, and the one that is stored is the one that is good."""
    for business in range(1, 21):
        desk.tokens(business, expires=later("2026-06-15 12:00", minutes=5))
    shaam.grant(*range(1, 21))

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(sexton, "run", "invoicing.refresh_tokens", "--now", NOON) for _ in range(2)]
        codes = sorted(one.result().code for one in both)

    assert codes[0] == 0
    assert codes[1] in (0, 75)
    assert sorted(shaam.asked) == sorted({f"refresh-{n}-0" for n in range(1, 21)})
    assert all(desk.refresh_token(n) == f"refresh-{n}-1" for n in range(1, 21))
    assert set(shaam.refresh) == {f"refresh-{n}-1" for n in range(1, 21)}
    assert (set(desk.credentials("status").values()), desk.sent()) == ({"active"}, [])


def test_t5_4_tokens_and_secrets_are_in_nothing_that_a_command_says(
    desk: Billing, shaam: Shaam, sexton: Callable[..., Done]
) -> None:
    """T5.4: keys and secrets from the environment; a dry run, explain, check, calls, show."""
    desk.tokens(1, expires=later("2026-06-15 12:00", minutes=5))
    desk.tokens(2, expires=later("2026-06-15 12:00", minutes=5))
    shaam.grant(1)
    shaam.plan = {"refresh-2-0": [says({"error": "invalid_grant", "error_description": "refresh-2-0"}, 400)]}

    job = "invoicing.refresh_tokens"
    said = [
        sexton("run", job, "--dry-run", "--now", NOON),
        sexton("explain", job),
        sexton("check"),
        sexton("run", job, "--now", NOON),
        sexton("calls", "list"),
        sexton("outbox", "list"),
        sexton("history"),
        sexton("run", "invoicing.rotate_keys"),
    ]

    whole = "".join(done.out + done.err for done in said)
    assert desk.credentials("status") == {1: "active", 2: "needs_reauth"}
    for secret in ("refresh-1-", "access-1-", "refresh-2-", "gAAAAA", "qXcanaryX7", KEY):
        assert secret not in whole


def test_t5_4_a_key_that_is_none_is_one_line(sexton: Callable[..., Done], tmp_path: Path) -> None:
    """T5.4: it names the option, and what would be right, and not what was given."""
    wrong = Shell(tmp_path, {"BILLING_KEYS": "hunter2hunter2", "BILLING_SECRET": "x"})

    done = wrong.sexton("run", "invoicing.refresh_tokens", "--now", NOON)
    missing = Shell(tmp_path).sexton("run", "invoicing.refresh_tokens", "--now", NOON)

    assert done.code != 0
    assert "token_keys has one that is no key; each is 32 random bytes" in done.line
    assert "hunter2" not in done.err + done.out
    assert re.search("names BILLING_[A-Z]+, which the environment does not have", missing.line)
