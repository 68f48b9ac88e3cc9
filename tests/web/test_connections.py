"""REP-30: strangers who send half a request, drip, send too much or read nothing keep no probe from its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sexton import App
from sexton.config import Settings
from sexton.telemetry.health_reader import HealthReader
from sexton.testing.processes import wait_until
from sexton.web import connections, serving
from tests.support.patience import PATIENCE

HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: "
WHOLE = HALF + b"a\r\n\r\n"
Open = Callable[[bytes], socket.socket]

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def server(database: str) -> Iterator[tuple[str, int]]:
    """The pages of a worker with twenty jobs."""
    app = App(Settings(database=database, jobs=("tests.support.worker_jobs",)))
    reader = HealthReader.of(app.settings, app.registry, patience=PATIENCE, statement=PATIENCE)
    with serving(app, "127.0.0.1:0", lambda: 0.0, reader) as address:
        yield address


@pytest.fixture
def strange(server: tuple[str, int]) -> Iterator[Open]:
    """Connections that have sent something."""
    with ExitStack() as opened:

        def open_one(sent: bytes) -> socket.socket:
            connection = opened.enter_context(socket.create_connection(server, timeout=PATIENCE))
            connection.sendall(sent)
            return connection

        yield open_one


def probe(server: tuple[str, int], path: str = "/healthz") -> int:
    """The status that a monitor gets."""
    connection = HTTPConnection(*server, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def ended(connection: socket.socket, *, longest: int = 10**9) -> bytes:
    """What comes until the server ends the connection."""
    received = b""
    try:
        while len(received) < longest and (chunk := connection.recv(65536)):
            received += chunk
    except ConnectionError:
        pass
    return received


def held(port: int, client: int) -> bool:
    """Whether the server's end of this connection is open, by the kernel's own list."""
    ends = [line.split()[1:4] for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    open_ones = {(int(local[-4:], 16), int(remote[-4:], 16)) for local, remote, state in ends if state == "01"}
    return (port, client) in open_ones


@pytest.mark.parametrize("count", [40, 400])
def test_rep_30_half_requests_keep_no_probe_out(count: int, server: tuple[str, int], strange: Open) -> None:
    """While they last; and no more of them are kept than there is room for."""
    opened = [strange(HALF) for _ in range(count)]

    assert [probe(server, path) for path in ("/healthz", "/readyz", "/healthz")] == [200, 200, 200]
    assert opened[-1].fileno() >= 0
    if count > connections.MAX_CONNECTIONS:
        assert ended(opened[0]) == b"", "the oldest made room"


def test_rep_30_a_request_that_drips_is_ended(
    server: tuple[str, int], strange: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte at a time: what counts is when it began. Also behind a whole request on the same connection."""
    second = strange(WHOLE)
    assert second.recv(4).startswith(b"H")
    assert probe(server) == 200  # the server has turned to others: it waits for the next request there by now
    monkeypatch.setattr(connections, "HEAD", 0.3)
    slow = strange(b"GET /he")
    second.sendall(WHOLE + HALF)
    over = threading.Event()

    def drip() -> None:
        try:
            while not over.wait(0.02):
                for connection in (slow, second):
                    connection.sendall(b"a")
        except ConnectionError:
            pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert ended(slow) == b""
        assert ended(second).count(b"ok\n") == 2
    finally:
        over.set()
        dripping.join()


def test_rep_30_a_head_of_64_kib_is_refused(server: tuple[str, int], strange: Open) -> None:
    huge = strange(HALF)
    with suppress(ConnectionError):
        huge.sendall(b"a" * 65536)

    assert ended(huge)[:12] in (b"HTTP/1.1 400", b""), "nothing when it was still being sent"
    assert probe(server) == 200


def test_rep_30_an_answer_that_nobody_reads_is_ended(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are asked for that they do not fit into what the kernel keeps for both ends."""
    with monkeypatch.context() as patched, socket.socket() as lazy:
        patched.setattr(connections, "ANSWER", 0.3)
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(PATIENCE)
        lazy.connect(server)
        with suppress(ConnectionError):  # it may be ended while all that is still being sent
            lazy.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)

        assert wait_until(lambda: not held(server[1], lazy.getsockname()[1]), PATIENCE)
        assert ended(lazy).count(b"HTTP/1.1 200 OK") < 400
    assert probe(server) == 200


def test_rep_30_who_asks_and_hangs_up_half_gets_the_answer(strange: Open) -> None:
    """As `nc -N` does."""
    done = strange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    done.shutdown(socket.SHUT_WR)

    answer = ended(done)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"ok\n")


def test_rep_30_many_requests_at_once_are_refused_and_probes_are_not(
    server: tuple[str, int], strange: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_REQUESTS", 0)

    assert [probe(server, path) for path in ("/metrics", "/healthz", "/readyz")] == [503, 200, 200]
