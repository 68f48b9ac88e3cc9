"""The connection is cut at the COMMIT of a claim, heartbeat or record (P4): looked up, nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.testing import run_job
from tests.support.children import SMALL
from tests.support.mortal_calls import Receiver, assert_called_as_promised, make_witnesses, payment_calls
from tests.support.payments import MINUTE, Payments, make_payments
from tests.support.proxy import CUT, CUT_AFTER, Proxy, Statement
from tests.support.proxy_actions import Action
from tests.support.sessions import NOON

pytestmark = pytest.mark.databases("postgres")


def commit_of(kind: str, kept: str) -> Callable[[Statement], bool]:
    """The first COMMIT on a connection that has just claimed, extended a claim, or recorded."""
    written: dict[int, str] = {}

    def condition(statement: Statement) -> bool:
        text = statement.text.lstrip()
        if text.startswith("INSERT INTO confirmations"):
            written[statement.connection] = "record"
        elif text.partition(" SET ")[2].startswith("leased_until="):
            written[statement.connection] = "heartbeat"
        elif text.startswith("INSERT INTO sexton.calls" if kept == "ours" else "UPDATE payments SET"):
            written.setdefault(statement.connection, "claim")
        if text == "COMMIT":
            return written.pop(statement.connection, "") == kind
        return False

    return condition


@pytest.fixture(params=["ours", "whole"])
def shop(request: pytest.FixtureRequest, engine: Engine) -> Payments:
    made = make_payments(engine, request.param)
    make_witnesses(made)
    return made


@pytest.fixture
def proxy(open_proxy: Callable[[str], Proxy], database: str) -> Proxy:
    return open_proxy(database)


@pytest.fixture
def behind(proxy: Proxy, database: str) -> Iterator[Engine]:
    """An engine that goes through the proxy."""
    engine = open_database(proxy.url_for(database))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("fate", [CUT, CUT_AFTER], ids=["never executed", "executed"])
@pytest.mark.parametrize("kind", ["claim", "heartbeat", "record"])
def test_p4_connection_cut_at_a_commit_of_calls(
    shop: Payments, proxy: Proxy, behind: Engine, tmp_path: Path, kind: str, fate: Action
) -> None:
    ids = shop.add(7)
    receiver = Receiver(tmp_path / "received")
    met: list[Statement] = []
    proxy.on(commit_of(kind, shop.kept), Action(fate.fate, met.append))
    through = Payments(behind, shop.table, shop.kept)
    job = payment_calls(through, receiver, alive=kind == "heartbeat")

    first = run_job(behind, job, at=NOON, limits=SMALL)
    second = run_job(behind, job, at=NOON + 2 * MINUTE, limits=SMALL)

    assert met, "nothing was cut"
    assert [first.state, second.state] == ["succeeded"] * 2
    assert_called_as_promised(shop, ids, receiver)
    # 3 and 6 were not yet paid when they were asked about first; every call was made once.
    assert sorted(receiver.noted()) == sorted(
        [(one, f"payment:{one}", 1) for one in ids] + [(one, f"payment:{one}", 2) for one in (3, 6)]
    )
    assert [first.total.changed, second.total.changed] == [5, 2]
    assert [first.total.also, second.total.also] == [{"done": 5, "again": 2}, {"done": 2}]
