"""One connection through the proxy: two threads, two gates, and the fates of its statements."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from . import protocol
from .patience import PATIENCE
from .proxy_actions import Action, Fate, Statement


class Owner(Protocol):
    """What a connection asks of its proxy."""

    target: tuple[str, int]
    changed: threading.Condition
    frozen: bool

    def judge(self, connection: int, text: str) -> tuple[Statement, Action]:
        """Count a statement and say what becomes of it."""

    def freeze(self) -> None:
        """Hold everything, on all connections."""


@dataclass(frozen=True)
class _LastAnswer:
    """The client hears nothing more; once the server was ready this often, the connection is cut."""

    ready: int
    statement: Statement
    action: Action

    def run(self) -> None:
        self.action.call(self.statement)


class Link:
    """One connection of a client, with the one to the server that belongs to it; two threads."""

    def __init__(self, proxy: Owner, client: socket.socket, number: int) -> None:
        self.muted = False
        self._proxy = proxy
        self._number = number
        self._client = client
        self._server: socket.socket | None = None
        self._ended = False
        self._syncs = 0  # points at which the client asked the server to say that it is ready
        self._ready = -1  # how often it said so; the first one ends the start-up and was not asked for
        self._last: _LastAnswer | None = None
        self._forward = threading.Thread(target=self._run, daemon=True)
        self._backward = threading.Thread(target=self._answer, daemon=True)

    def start(self) -> None:
        self._forward.start()

    def join(self) -> None:
        self._forward.join(PATIENCE)
        if self._forward.is_alive():
            raise RuntimeError("a connection through the proxy did not end")

    def cut(self) -> None:
        """Close both sides and wake both threads."""
        with self._proxy.changed:
            self._ended = True
            self._proxy.changed.notify_all()
        for side in (self._client, self._server):
            if side:
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            with suppress(OSError, EOFError):
                if self._connect():
                    self._backward.start()
                    self._ask()
        finally:
            self.cut()
            if self._backward.ident:
                self._backward.join()
            self._client.close()
            if self._server:
                self._server.close()

    def _connect(self) -> bool:
        """Answer what comes before the start-up message, then pass that on. False: nothing follows it."""
        while True:
            packet = self._packet()
            code = struct.unpack_from("!I", packet, 4)[0]
            self._pass_gate()
            if code not in (protocol.SSL_REQUEST, protocol.GSS_REQUEST):
                break
            self._client.sendall(b"N")
        self._server = socket.create_connection(self._proxy.target)
        for side in (self._client, self._server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.sendall(packet)
        if code == protocol.CANCEL_REQUEST:
            self._server.recv(1)  # the server closes when it is done
            return False
        return True

    def _packet(self) -> bytes:
        header = self._exactly(4)
        return header + self._exactly(struct.unpack("!I", header)[0] - 4)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._client.recv(size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def _ask(self) -> None:
        """Thread 1: client to server, message by message."""
        assert self._server
        framer, reader = protocol.Framer(), protocol.Reader()
        while chunk := self._client.recv(65536):
            for message in framer.feed(chunk):
                text = reader.executed(message)
                if text is not None and not self._meet_fate(text):
                    return
                if message.kind in (protocol.QUERY, protocol.SYNC, protocol.FUNCTION_CALL):
                    self._syncs += 1
                self._pass_gate()
                self._server.sendall(message.raw)
        self._pass_gate()

    def _meet_fate(self, text: str) -> bool:
        """Judge a statement; False when it must not be forwarded."""
        statement, action = self._proxy.judge(self._number, text)
        if action.fate is Fate.CUT_AFTER:
            self._last = _LastAnswer(self._syncs + 1, statement, action)
            return True
        if action.fate is Fate.FREEZE:
            self._proxy.freeze()
        self.muted = self.muted or action.fate is Fate.MUTE
        action.call(statement)
        return action.fate is not Fate.CUT

    def _answer(self) -> None:
        """Thread 2: server to client, as it comes; counts how often the server says that it is ready."""
        assert self._server
        framer = protocol.Framer()
        try:
            with suppress(OSError, EOFError):
                while chunk := self._server.recv(65536):
                    self._ready += sum(message.kind == protocol.READY_FOR_QUERY for message in framer.feed(chunk))
                    if self._last is None:
                        self._pass_gate(answer=True)
                        self._client.sendall(chunk)
                    elif self._ready >= self._last.ready:
                        self._last.run()
                        break
                self._pass_gate(answer=True)
        finally:
            self.cut()

    def _pass_gate(self, *, answer: bool = False) -> None:
        """Wait while this direction is held; EOFError when the connection was cut meanwhile."""

        def open_or_cut() -> bool:
            return self._ended or not (self._proxy.frozen or (answer and self.muted))

        with self._proxy.changed:
            self._proxy.changed.wait_for(open_or_cut)
            if self._ended:
                raise EOFError
