"""SEC-21, X6: a page in somebody's browser that leads a name of its own to our address reads nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton import App
from sexton.addresses import is_everywhere, is_forbidden, is_loopback
from sexton.config import Settings
from sexton.config.monitoring_settings import WebSettings
from sexton.testing.processes import free_port
from sexton.web import serving
from tests.support.patience import PATIENCE
from tests.support.worker import make_yard, said
from tests.support.workers import Start

pytestmark = pytest.mark.databases("sqlite")
PAGES = ("/metrics", "/api/health/cron", "/healthz", "/readyz")


@contextmanager
def served(database: str, *hosts: str, listen: str = "127.0.0.1:0") -> Iterator[int]:
    """The port of pages for which these hosts are in the settings."""
    with serving(App(Settings(database=database, web=WebSettings(hosts=hosts))), listen) as (_, port):
        yield port


def ask(port: int, path: str, host: bytes | None, version: str = "1.1") -> tuple[int, str]:
    """Status and the whole answer, asked for under this name."""
    named = b"" if host is None else b"Host: " + host + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        first = f"GET {path} HTTP/{version}\r\n".encode()
        connection.sendall(first + named + b"Connection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer.split()[1]), answer.decode()


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"evil.example:8787",
        b"127.0.0.1.evil.example",
        b"[::1].evil.example",
        b"127.0.0.1:evil.example",
        b"\xff",
    ],
)
@pytest.mark.parametrize("path", PAGES)
def test_sec_21_a_foreign_name_gets_one_line(database: str, path: str, host: bytes) -> None:
    with served(database) as port:
        status, answer = ask(port, path, host)

    assert status == 421
    head, _, body = answer.partition("\r\n\r\n")
    assert body == "these pages are not served under this name; name it in web.hosts\n"
    assert "cache-control: no-store" in head
    assert "evil" not in answer


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:80",
        b"127.0.0.1:8787",
        b"[::1]:8787",
        b"10.1.2.3:8787",
        b"[fd00::17]:8787",
        b"127.0.0.1",
    ],
)
def test_sec_21_loopback_and_addresses_are_answered(database: str, host: bytes) -> None:
    """A kubelet and Prometheus ask for the address of the pod; no name of an attacker's is a number."""
    with served(database) as port:
        assert ask(port, "/healthz", host)[0] == 200


def test_sec_21_the_names_of_the_settings_are_answered(database: str) -> None:
    with served(database, "Monitor.example.com", "worker") as port:
        assert ask(port, "/healthz", b"monitor.example.COM:443")[0] == 200
        assert ask(port, "/healthz", b"worker:8787")[0] == 200
        assert ask(port, "/healthz", b"worker2")[0] == 421
    with served(database, "*") as port:
        assert ask(port, "/healthz", b"anything.example")[0] == 200


def test_sec_21_no_host_two_hosts(database: str) -> None:
    """HTTP/1.0 knows none, as a load balancer's probe; two are refused before anybody looks."""
    with served(database) as port:
        assert ask(port, "/healthz", None, "1.0")[0] == 200
        assert ask(port, "/healthz", None)[0] == 400
        assert ask(port, "/healthz", b"localhost\r\nHost: evil.example")[0] == 400


@pytest.mark.parametrize("host", [b"localhost", b"evil.example"])
def test_sec_21_a_slash_more_leads_nowhere(database: str, host: bytes) -> None:
    with served(database, "*") as port:
        status, answer = ask(port, "/metrics/", host)

    assert status == 404
    assert "location" not in answer.lower()


@pytest.mark.slow
def test_sec_21_a_worker_that_listens_everywhere_says_so(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    yard, port = make_yard(engine, database, tmp_path, start), free_port()
    file = Path(yard.config.partition("=")[2])
    file.write_text(file.read_text() + f'[web]\nlisten = "0.0.0.0:{port}"\n')

    worker = yard.leader()
    worker.wait_for('"pages are open"')

    lines = [line for line in said(worker) if line["event"] in ("pages", "pages are open")]
    assert [line["event"] for line in lines] == ["pages", "pages are open"]
    assert "no password" in json.dumps(lines[1])


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "[::]", "0", "0x0", "::ffff:0.0.0.0"])
def test_sec_21_every_address_has_many_names(host: str) -> None:
    assert is_everywhere(host)
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "::1", "[::1]", "localhost", "a.localhost", "::ffff:127.0.0.1"]
)
def test_sec_25_loopback_has_many_names(host: str) -> None:
    assert is_loopback(host)
    assert not is_everywhere(host)
    assert not is_forbidden(host)
