"""L6, L7: leases are rows under full names; there is no session lock, and no hash that two names could share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from zlib import crc32

import pytest
from sqlalchemy import Connection, Engine, text

from sexton import Job, Run
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.runs.context import Limits
from sexton.slots.lease import Lease, renew
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import SMALL
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, Statement, call
from tests.support.sessions import NOON, make_sessions
from tests.support.waiters import somebody_waits

HOUR = timedelta(hours=1)
LONG = Limits(lease=2 * PATIENCE)
ADVISORY = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")


def advisory_locks_at_each_statement(proxy: Proxy, engine: Engine) -> list[int]:
    """How many advisory locks there are each time that a statement comes through; filled while it runs."""
    found: list[int] = []

    def look(_: Statement) -> None:
        with engine.connect() as connection:
            found.append(connection.execute(ADVISORY).scalar_one())

    proxy.on(lambda _: True, call(look), times=10_000)
    return found


@pytest.mark.databases("postgres")
def test_l6_no_advisory_lock_at_any_statement_of_a_run(
    engine: Engine, database: str, open_proxy: Callable[[str], Proxy]
) -> None:
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    found = advisory_locks_at_each_statement(proxy, engine)

    for job in (shop.expire(), shop.purge()):
        through = open_database(proxy.url_for(database))
        assert run_job(through, job, at=NOON, limits=SMALL).state == "succeeded"
        through.dispose()

    assert len(found) > 60
    assert set(found) == {0}
    said = [seen.text for seen in proxy.statements]
    assert not [one for one in said if "advisory" in one or re.match("SET (?!LOCAL )", one)]


@pytest.mark.databases("postgres")
def test_sec_1_each_transaction_of_a_run_begins_with_its_path(
    engine: Engine, database: str, open_proxy: Callable[[str], Proxy]
) -> None:
    """On the wire: whoever opened it, in the exchange that begins it."""
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    proxy = open_proxy(database)
    through = open_database(proxy.url_for(database))

    assert run_job(through, shop.expire(), at=NOON, limits=SMALL).state == "succeeded"
    through.dispose()

    begun = [seen.text for seen in proxy.statements if "BEGIN" in seen.text]
    assert len(begun) > 5
    assert not [one for one in begun if "SET LOCAL search_path = " not in one]


@pytest.mark.databases("postgres18")
def test_l6_only_migrate_takes_one_and_only_for_its_transaction(
    engine: Engine, empty_database: str, open_proxy: Callable[[str], Proxy]
) -> None:
    """Also shows that the look above would see one."""
    proxy = open_proxy(empty_database)
    found = advisory_locks_at_each_statement(proxy, engine)
    through = open_database(proxy.url_for(empty_database))

    migrate(through)

    assert max(found) == 1
    with engine.connect() as connection:
        assert connection.execute(ADVISORY).scalar_one() == 0
    through.dispose()


def test_l7_names_with_the_same_checksum_run_side_by_side(engine: Engine) -> None:
    """`plumless` and `buckeroo` have the same CRC-32, with any text before them."""
    assert crc32(b"job:shop.plumless") == crc32(b"job:shop.buckeroo")

    assert_run_side_by_side(engine, "shop.plumless", "shop.buckeroo")


@pytest.mark.databases("postgres")
def test_l7_names_with_the_same_hashtext_run_side_by_side(engine: Engine) -> None:
    """Two of 200,000 names, whatever this server's hash function makes of them."""
    same = text(
        "SELECT min(name), max(name)"
        " FROM (SELECT 'shop.job' || i AS name FROM generate_series(1, 200000) AS i) AS names"
        " GROUP BY hashtext('job:' || name) HAVING count(*) > 1 LIMIT 1"
    )
    with engine.connect() as connection:
        first, second = connection.execute(same).one()
    assert first != second

    assert_run_side_by_side(engine, first, second)


def assert_run_side_by_side(engine: Engine, first: str, second: str) -> None:
    """While one runs, the other is neither refused nor closed as abandoned."""
    inner: list[str] = []

    def work(run: Run) -> None:
        inner.append(run_job(engine, Job(second, work=lambda run: None), at=NOON).state)
        inner.append(run_job(engine, Job(first, work=lambda run: None), at=NOON).state)

    outer = run_job(engine, Job(first, work=work), at=NOON, limits=LONG)

    assert (outer.state, inner) == ("succeeded", ["succeeded", "held"])


def test_l7_a_job_whose_name_is_the_beginning_of_another(engine: Engine) -> None:
    assert_run_side_by_side(engine, "shop.expire", "shop.expire_all")


@pytest.mark.databases("postgres")
def test_l3_a_function_waits_for_the_renewal_of_its_own_lease(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its COMMIT takes longer, on a busy disk, than a function waits for the locks of others."""
    monkeypatch.setattr("sexton.runs.function_transactions.FENCE", PATIENCE)
    limits = Limits(lease=2 * PATIENCE, renew=0.01, lock_wait=0.05, statement=2 * PATIENCE)
    waited: list[bool] = []

    def slowly(connection: Connection, lease: Lease) -> bool:
        renewed = renew(connection, lease)
        if not waited:
            waited.append(wait_until(lambda: somebody_waits(engine), PATIENCE))
            time.sleep(10 * limits.lock_wait)
        return renewed

    def work(run: Run) -> None:
        while not waited:
            with run.transaction() as connection:
                assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "50ms"

    monkeypatch.setattr("sexton.runs.python_functions.renew", slowly)
    outcome = run_job(engine, Job("shop.think", work=work), at=NOON, limits=limits)

    assert (outcome.state, outcome.error, waited) == ("succeeded", None, [True])
