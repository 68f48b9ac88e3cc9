"""Each thing the proxy can do to a client, against a real server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import Connection

from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.proxy import CUT, CUT_AFTER, FREEZE, MUTE, Proxy, Statement, call, cut, cut_after, kill

pytestmark = pytest.mark.databases("postgres18")

OpenProxy = Callable[[str], Proxy]
QUIET_SECONDS = 0.3  # long enough for an answer to arrive if it were let through

CLIENT = """
import sys
import psycopg

with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("INSERT INTO thing VALUES (1)")
    connection.commit()
    print("told", flush=True)
"""


def connect(url: str) -> Connection:
    """A connection of psycopg to a SQLAlchemy URL."""
    return psycopg.connect(url.replace("+psycopg", ""), connect_timeout=int(PATIENCE))


def is_commit(statement: Statement) -> bool:
    return statement.text == "COMMIT"


@pytest.fixture
def direct(empty_database: str) -> Iterator[Connection]:
    """A connection past the proxy, with a table to write to."""
    with connect(empty_database) as connection:
        connection.autocommit = True
        connection.execute("CREATE TABLE thing (number integer)")
        yield connection


@pytest.fixture
def proxy(empty_database: str, direct: Connection, open_proxy: OpenProxy) -> Proxy:
    """A proxy in front of the database that `direct` is connected to."""
    return open_proxy(empty_database)


@pytest.fixture
def client(proxy: Proxy, empty_database: str) -> Iterator[Connection]:
    """A connection through the proxy."""
    connection = connect(proxy.url_for(empty_database))
    yield connection
    connection.close()


def things(direct: Connection) -> list[int]:
    """What is in the table, as others see it."""
    return [row[0] for row in direct.execute("SELECT number FROM thing ORDER BY 1")]


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_url_goes_through_the_proxy(proxy: Proxy) -> None:
    assert proxy.url_for("postgresql+psycopg://me:secret@db.example:5/shop?application_name=a") == (
        f"postgresql+psycopg://me:secret@127.0.0.1:{proxy.port}/shop?application_name=a"
    )


def test_simple_and_extended_statements_are_counted(proxy: Proxy, client: Connection) -> None:
    client.execute("SELECT 1")
    client.execute("SELECT %s::int", [2], prepare=True)
    client.execute("SELECT %s::int", [3], prepare=True)
    client.commit()
    assert [statement.text for statement in proxy.statements] == [
        "BEGIN",
        "SELECT 1",
        "SELECT $1::int",
        "SELECT $1::int",
        "COMMIT",
    ]
    assert [statement.number for statement in proxy.statements] == [1, 2, 3, 4, 5]
    assert {statement.connection for statement in proxy.statements} == {1}


def test_pipeline_and_large_answers_pass(proxy: Proxy, client: Connection) -> None:
    with client.pipeline():
        cursors = [client.execute("SELECT repeat('x', %s)", [size]) for size in (10, 1_000_000, 20)]
    assert [len(cursor.fetchall()[0][0]) for cursor in cursors] == [10, 1_000_000, 20]
    assert sum(statement.text.startswith("SELECT") for statement in proxy.statements) == 3


def test_copy_passes(client: Connection, direct: Connection) -> None:
    with client.cursor() as cursor, cursor.copy("COPY thing FROM STDIN") as copy:
        for number in range(5_000):
            copy.write_row([number])
    client.commit()
    assert len(things(direct)) == 5_000


def test_cancelling_a_statement_passes(proxy: Proxy, client: Connection) -> None:
    failed: list[BaseException] = []

    def sleep() -> None:
        try:
            client.execute("SELECT pg_sleep(3600)")
        except psycopg.errors.QueryCanceled as error:
            failed.append(error)

    def is_cancelled() -> bool:
        client.cancel_safe(timeout=PATIENCE)  # a request that arrives before the statement has begun cancels nothing
        thread.join(0.1)
        return bool(failed)

    thread = in_background(sleep)
    proxy.wait_for(lambda statement: "pg_sleep" in statement.text)
    assert wait_until(is_cancelled, PATIENCE)


@pytest.mark.parametrize("prepare", [False, True])
def test_cut_before_the_server_sees_it(prepare: bool, proxy: Proxy, client: Connection, direct: Connection) -> None:
    client.autocommit = True
    proxy.on(lambda statement: "thing" in statement.text, CUT)
    with pytest.raises(psycopg.OperationalError):
        client.execute("INSERT INTO thing VALUES (%s)", [1], prepare=prepare)
    assert things(direct) == []


@pytest.mark.parametrize("prepare", [False, True])
def test_cut_after_the_server_executed_it(prepare: bool, proxy: Proxy, client: Connection, direct: Connection) -> None:
    client.autocommit = True
    proxy.on(lambda statement: "thing" in statement.text, CUT_AFTER)
    with pytest.raises(psycopg.OperationalError):
        client.execute("INSERT INTO thing VALUES (%s)", [1], prepare=prepare)
    assert things(direct) == [1]


def test_cut_at_commit(proxy: Proxy, client: Connection, direct: Connection) -> None:
    proxy.on(is_commit, CUT)
    client.execute("INSERT INTO thing VALUES (1)")
    with pytest.raises(psycopg.OperationalError):
        client.commit()
    assert things(direct) == []


def test_commit_that_is_never_answered(proxy: Proxy, client: Connection, direct: Connection) -> None:
    proxy.on(is_commit, CUT_AFTER)
    client.execute("INSERT INTO thing VALUES (1)")
    with pytest.raises(psycopg.OperationalError):
        client.commit()
    assert things(direct) == [1]


def test_a_rule_holds_so_many_times(proxy: Proxy, empty_database: str) -> None:
    proxy.on(lambda statement: statement.text == "SELECT 1", CUT, times=2)
    outcomes = []
    for _ in range(3):
        with connect(proxy.url_for(empty_database)) as connection:
            try:
                outcomes.append(connection.execute("SELECT 1").fetchone())
            except psycopg.OperationalError:
                outcomes.append(None)
    assert outcomes == [None, None, (1,)]
    assert {statement.connection for statement in proxy.statements} == {1, 2, 3}


def test_cut_at_a_number(proxy: Proxy, client: Connection) -> None:
    proxy.on(lambda statement: statement.number == 3, CUT)
    client.autocommit = True
    client.execute("SELECT 1")
    client.execute("SELECT 2")
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 3")


@pytest.mark.parametrize("is_frozen_by", ["statement", "test"])
def test_freeze_and_thaw(is_frozen_by: str, proxy: Proxy, client: Connection, direct: Connection) -> None:
    client.autocommit = True
    if is_frozen_by == "statement":
        proxy.on(lambda statement: "thing" in statement.text, FREEZE)
    else:
        proxy.freeze()
    thread = in_background(lambda: client.execute("INSERT INTO thing VALUES (1)"))
    proxy.wait_for(lambda statement: "thing" in statement.text)
    thread.join(QUIET_SECONDS)
    assert thread.is_alive()
    assert things(direct) == []
    proxy.thaw()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert things(direct) == [1]


def test_frozen_new_connection_gets_no_answer(proxy: Proxy, empty_database: str) -> None:
    proxy.freeze()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(proxy.url_for(empty_database).replace("+psycopg", ""), connect_timeout=2)


def test_a_frozen_link_hides_that_the_client_is_gone(proxy: Proxy, client: Connection, direct: Connection) -> None:
    process = client.info.backend_pid

    def is_gone() -> bool:
        rows = direct.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process])
        return rows.fetchone() is None

    proxy.freeze()
    client.close()
    assert not wait_until(is_gone, QUIET_SECONDS)
    proxy.thaw()
    assert wait_until(is_gone, PATIENCE)


def test_mute_holds_answers_back(proxy: Proxy, client: Connection, direct: Connection) -> None:
    client.autocommit = True
    proxy.on(lambda statement: "thing" in statement.text, MUTE)
    thread = in_background(lambda: client.execute("INSERT INTO thing VALUES (1)"))
    proxy.wait_for(lambda statement: "thing" in statement.text)
    assert wait_until(lambda: things(direct) == [1], PATIENCE)
    thread.join(QUIET_SECONDS)
    assert thread.is_alive()
    proxy.unmute()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert client.execute("SELECT 1").fetchone() == (1,)


def test_refuse_and_admit(proxy: Proxy, client: Connection, empty_database: str) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect(proxy.url_for(empty_database))
    assert client.execute("SELECT 1").fetchone() == (1,)
    proxy.admit()
    assert proxy.port == port
    with connect(proxy.url_for(empty_database)) as connection:
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_cut_all_connections_now(proxy: Proxy, client: Connection, empty_database: str) -> None:
    client.execute("SELECT 1")
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 2")
    with connect(proxy.url_for(empty_database)) as connection:
        assert connection.execute("SELECT 3").fetchone() == (3,)


def test_call_anything_then_forward(proxy: Proxy, client: Connection) -> None:
    seen: list[str] = []
    proxy.on(lambda statement: True, call(lambda statement: seen.append(statement.text)), times=2)
    assert client.execute("SELECT 1").fetchone() == (1,)
    client.execute("SELECT 2")
    assert seen == ["BEGIN", "SELECT 1"]


@pytest.mark.parametrize("after", [False, True])
def test_kill_the_client_at_its_commit(after: bool, proxy: Proxy, direct: Connection, empty_database: str) -> None:
    command = [sys.executable, "-c", CLIENT, proxy.url_for(empty_database).replace("+psycopg", "")]
    ready = threading.Event()
    proxy.on(lambda statement: "thing" in statement.text, call(lambda statement: ready.wait(PATIENCE)))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        proxy.on(is_commit, cut_after(kill(process.pid)) if after else cut(kill(process.pid)))
        ready.set()
        output, _ = process.communicate(timeout=PATIENCE)
    assert output == ""
    assert process.returncode == -signal.SIGKILL
    assert things(direct) == ([1] if after else [])


def test_closing_ends_threads_and_frees_the_port(empty_database: str) -> None:
    before = set(threading.enumerate())
    with Proxy(empty_database) as proxy:
        connection = connect(proxy.url_for(empty_database))
        proxy.freeze()
        idle = socket.create_connection(("127.0.0.1", proxy.port))
    assert set(threading.enumerate()) <= before
    idle.close()
    connection.close()
    with socket.create_server(("127.0.0.1", proxy.port)):
        pass


def test_waiting_for_a_statement_that_never_comes(proxy: Proxy) -> None:
    with pytest.raises(TimeoutError):
        proxy.wait_for(lambda statement: True, seconds=0.05)
