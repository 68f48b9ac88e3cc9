"""The sign of life: a real server gets it, and whatever that server does, the run goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sexton.telemetry import heartbeat
from sexton.telemetry.heartbeat import ping
from tests.support.ports import closed_port

TOKEN = "qXcanaryX7"


class Monitor(ThreadingHTTPServer):
    """Answers as its path says, "/503/…" with 503, and remembers what came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.came: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, status: int) -> str:
        """An address that is answered with this status."""
        return f"http://127.0.0.1:{self.server_address[1]}/{status}/{TOKEN}"


class _Handler(BaseHTTPRequestHandler):
    server: Monitor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.came.append((self.command, self.path, body))
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """A monitor that runs."""
    with Monitor() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_sign_arrives(monitor: Monitor) -> None:
    assert ping(monitor.url(200)) is None
    assert monitor.came == [("POST", f"/200/{TOKEN}", b"{}")]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_g5_a_monitor_that_refuses_is_a_line_without_the_address(monitor: Monitor, status: int) -> None:
    said = ping(monitor.url(status))

    assert said is not None
    assert said.startswith("heartbeat: ")
    assert str(status) in said
    assert TOKEN not in said
    assert len(monitor.came) == 1


def test_g2_a_monitor_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "PING_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = ping(f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}")

    assert said is not None
    assert "did not answer" in said
    assert TOKEN not in said


def test_a_monitor_that_is_not_there_is_a_line() -> None:
    with closed_port() as port:
        said = ping(f"http://127.0.0.1:{port}/{TOKEN}")

    assert said is not None
    assert "\n" not in said
    assert TOKEN not in said
