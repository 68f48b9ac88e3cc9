"""A real HTTP server on loopback that answers what the test says, and one that never comes to an end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sexton.channels.email import EmailChannel
from sexton.channels.http_post import post
from tests.support.patience import PATIENCE


def patient_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call of a channel is given up because the machine is busy, unless the test says after how long."""
    monkeypatch.setattr(post, "__kwdefaults__", {**(post.__kwdefaults__ or {}), "deadline": PATIENCE})
    monkeypatch.setattr(EmailChannel.__init__, "__kwdefaults__", {"answer": PATIENCE, "whole": PATIENCE})


@dataclass(frozen=True)
class Request:
    """One request as it came in; names of headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Web:
    """The server. answers: status and headers for the next requests, the last one for all that follow."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    requests: list[Request] = field(default_factory=list)

    def answer(self) -> tuple[int, dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def web_server() -> Iterator[Web]:
    """A server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            web.requests.append(Request(self.path, headers, body))
            status, extra = web.answer()
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:  # what a client does that follows a redirect
            web.requests.append(Request(self.path, dict(self.headers.items()), b""))
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(f"http://127.0.0.1:{server.server_port}/hook/qXcanaryX7")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[int]:
    """The port of a server that sends `first`, then `drop` every 50 ms until its client hangs up, or for minutes."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        if (client := _guest(listener)) is None:
            return
        end = time.monotonic() + PATIENCE
        with client:
            client.sendall(first)
            try:
                while not over.is_set() and time.monotonic() < end:
                    client.sendall(drop)
                    time.sleep(0.05)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        _close(listener)
        thread.join()


def _guest(listener: socket.socket) -> socket.socket | None:
    """The first one who comes; None when it was closed before: whoever is in a hurry may give up before he has come."""
    with suppress(OSError):
        return listener.accept()[0]
    return None


def _close(listener: socket.socket) -> None:
    """Also for one who waits in `accept`, whom `close` alone would not wake."""
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@dataclass
class Flood:
    """A server that sends without end until its client hangs up. sent: bytes that went out."""

    port: int
    sent: int = 0


@contextmanager
def flooding(first: bytes, chunk: bytes, most: int = 64 * 1024 * 1024) -> Iterator[Flood]:
    """Sends `first`, then `chunk` again and again, `most` bytes at most."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        flood = Flood(listener.getsockname()[1])

        def serve() -> None:
            if (client := _guest(listener)) is None:
                return
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(first)
                while flood.sent < most:
                    client.sendall(chunk)
                    flood.sent += len(chunk)

        thread = threading.Thread(target=serve)
        thread.start()
        yield flood
        _close(listener)
        thread.join()
