"""`sexton explain` says of a step that calls what happens to a row, and which statement finds it."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from sexton.db.server_clock import ask_now
from sexton.policies.contract import Plan
from sexton.runs.calls.call_in_words import claim_statement
from sexton.statements.batch_strategy import Request, parameters
from tests.support.calling_jobs import check, payments

from .shell import Inside


@pytest.fixture
def shop(inside: Inside, database: str, engine: Engine) -> Inside:
    inside.write("sexton.toml", f'database = "{database}"\njobs = ["tests.support.calling_jobs"]\n')
    payments.metadata.create_all(engine)
    return inside


def test_a_call_is_told_as_claim_call_and_record(shop: Inside) -> None:
    """Nothing of it is a batch, on no database."""
    done = shop.sexton("explain", "shop.limited")

    lines = done.out.splitlines()
    begin = lines.index("-- step 1, check: each row is claimed, called for, and what came of it is recorded")
    told = " ".join(line.removeprefix("--").strip() for line in lines[begin + 1 :] if line.startswith("--"))
    parts = [line.split()[1] for line in lines if line.startswith("--   ") and not line.startswith("--     ")]
    assert (done.code, done.err) == (0, "")
    assert parts == ["claim", "call", "record", "again"]
    assert "up to 4 calls at once; no more than 1 in any 1h" in told
    assert "ask calls gateway, outside of any transaction, within 10s" in told
    assert "after 1h, and so on; given up 3d after the first attempt" in told
    assert "where nobody knows whether a call was done, a person decides" in told
    assert "batch, " not in told
    assert all(len(line) <= 80 for line in lines if line.startswith("--   "))


def test_for_programs_the_parts_stand_by_name(shop: Inside) -> None:
    done = shop.sexton("explain", "shop.check", "--json")

    (step,) = json.loads(done.out)["steps"]
    assert list(step["call"]) == ["claim", "call", "record", "again"]
    assert "payments.status = 'open'" in step["sql"]


def test_the_statement_that_is_shown_is_the_one_that_claims(engine: Engine) -> None:
    """It runs as it is, skips what others hold, and finds nothing in an empty table."""
    payments.metadata.create_all(engine)
    plan = check.work.plan()  # type: ignore[attr-defined]
    assert isinstance(plan, Plan)
    statement = claim_statement(plan, check.name, engine.dialect.name)

    with engine.begin() as connection:
        at = parameters(statement, Request(10, None, ask_now(connection), check.name, None))
        rows = connection.execute(statement, at).all()

    assert rows == []
    assert "SKIP LOCKED" in str(statement.compile(engine)) or engine.dialect.name == "sqlite"


def test_a_job_that_is_due_on_demand_says_so(inside: Inside) -> None:
    inside.write("sexton.toml", 'database = "sqlite:///shop.db"\n[route.all]\nevent = "*"\nchannel = "log"\n')
    assert inside.sexton("migrate").code == 0

    done = inside.sexton("explain", "sexton.deliver")

    assert "  due whenever something waits for it, and every hour; timeout" in done.out
    assert "calls whom destination names" in done.out
