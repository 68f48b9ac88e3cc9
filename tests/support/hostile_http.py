"""An HTTP server on loopback that misbehaves as the test says: silent, dripping, cut, endless, packed, redirecting.

Each connection gets one behaviour: the next of `plan`, the last one for all that follow.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .patience import PATIENCE

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What is done with a client whose request has been read; the event says that the test is over."""


@dataclass(frozen=True)
class Heard:
    """One request as it came in; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hostile:
    """The server. heard: requests so far.  connections: clients so far, also those who said nothing.

    sent: bytes that behaviours without end have sent.
    """

    port: int
    scheme: str = "http"
    plan: list[Behaviour] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook/qXcanaryX7"

    def next(self) -> Behaviour:
        return self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """A whole answer. headers: `retry_after="7"`."""

    def behave(client: socket.socket, over: threading.Event) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return behave


def says(value: object, status: int = 200) -> Behaviour:
    """JSON."""
    return answers(status, json.dumps(value).encode(), content_type="application/json")


def silent() -> Behaviour:
    """Nothing, until the client hangs up."""
    return drips(b"", b"")


def drips(first: bytes, drop: bytes) -> Behaviour:
    """`first`, then `drop` now and then, until the client hangs up or the test is over."""

    def behave(client: socket.socket, over: threading.Event) -> None:
        client.sendall(first)
        end = time.monotonic() + PATIENCE
        client.settimeout(0.02)
        while not over.is_set() and time.monotonic() < end:
            client.sendall(drop)
            with suppress(TimeoutError):
                if not client.recv(1024):
                    return

    return behave


def endless(first: bytes, chunk: bytes, most: int = 64 * 1024 * 1024) -> Behaviour:
    """`first`, then `chunk` without end; after `most` bytes it gives up, and says so in an unheard-of way: it hangs."""

    def behave(client: socket.socket, over: threading.Event) -> None:
        client.sendall(first)
        for _ in range(most // len(chunk)):
            client.sendall(chunk)
        over.wait(PATIENCE)

    return behave


def gzip_bomb(size: int = 64 * 1024 * 1024) -> Behaviour:
    """A small body that unpacks to `size` bytes, whatever the client said it takes."""
    return answers(200, gzip.compress(b"0" * size), content_encoding="gzip", content_type="application/json")


def cuts(first: bytes = b"") -> Behaviour:
    """Hangs up in the middle of its answer, after the request was read."""

    def behave(client: socket.socket, over: threading.Event) -> None:
        client.sendall(first)
        client.shutdown(socket.SHUT_RDWR)

    return behave


def redirects(target: str, status: int = 302) -> Behaviour:
    """To `target`."""
    return answers(status, location=target)


@contextmanager
def hostile_server(*plan: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    """A server until the end of the block. tls: behind TLS, with that certificate."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Hostile(listener.getsockname()[1], "https" if tls else "http", list(plan) or [answers(204)])
    over, threads = threading.Event(), list[threading.Thread]()

    def serve(client: socket.socket) -> None:
        with suppress(OSError, ValueError):  # clients hang up as they like
            client.settimeout(PATIENCE)
            talk = tls.wrap_socket(client, server_side=True) if tls else client
            with talk:
                server.heard.append(_request(talk))
                server.next()(talk, over)
        client.close()

    def listen() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.connections += 1
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    door = threading.Thread(target=listen)
    door.start()
    try:
        yield server
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (door, *threads):
            thread.join()


def _request(client: socket.socket) -> Heard:
    """Read one. ValueError when the client hangs up before."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(client)
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _more(client)
    method, path, _ = first.split(" ")
    return Heard(method, path, headers, body)


def _more(client: socket.socket) -> bytes:
    if not (part := client.recv(65536)):
        raise ValueError
    return part
