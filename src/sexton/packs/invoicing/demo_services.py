"""The outside of the demonstration, on loopback: the tax authority's tokens, and a mailbox that takes all."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

LINE_OF_END = b".\r\n"
DOOR_SECONDS = 0.05


@dataclass
class DemoShaam:
    """What the authority knows. tokens: good refresh tokens, and whose they are.

    renewals, failures: how many there were.
    """

    tokens: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    renewals: int = 0
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, business: int, story: str) -> None:
        """The business may renew by its first token, if its story is not another one."""
        token = f"refresh-{business}-0"
        if story != "refused":
            self.tokens[token] = business
        if story == "no answer":
            self.failing.add(token)

    def answer(self, token: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        with self.lock:
            if token in self.failing:
                self.failing.discard(token)
                self.failures += 1
                return 500, {}
            business = self.tokens.pop(token, None)
            if business is None:
                return 400, {"error": "invalid_grant"}
            self.renewals += 1
            new = f"refresh-{business}-{self.renewals}"
            self.tokens[new] = business
            return 200, {"access_token": f"access-{self.renewals}", "refresh_token": new, "expires_in": 3600}


@dataclass(frozen=True, slots=True)
class InvoiceLetter:
    """One mail as a person reads it."""

    to: str
    subject: str
    lines: Sequence[str]


@dataclass
class InvoiceMailbox:
    """All mail that came, in order."""

    letters: list[InvoiceLetter] = field(default_factory=list)

    def take(self, raw: bytes) -> None:
        """One more."""
        mail = message_from_bytes(raw, policy=policy.default)
        body = mail.get_body(("plain",))
        text = "" if body is None else str(body.get_content())
        self.letters.append(InvoiceLetter(str(mail["to"]), str(mail["subject"]), text.strip("\r\n").splitlines()))


@contextmanager
def serving(shaam: DemoShaam, mailbox: InvoiceMailbox) -> Iterator[tuple[str, int]]:
    """Both of them until the end of the block: the authority's address, and the port of the mailbox."""
    doors = [_Door(("127.0.0.1", 0), _shaam_handler(shaam)), _MailDoor(("127.0.0.1", 0), _mail_handler(mailbox))]
    threads = [threading.Thread(target=door.serve_forever, args=(DOOR_SECONDS,), daemon=True) for door in doors]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{doors[0].server_address[1]}", int(doors[1].server_address[1])
    finally:
        for door, thread in zip(doors, threads, strict=True):
            door.shutdown()
            thread.join()
            door.server_close()


class _Door(ThreadingHTTPServer):
    daemon_threads = True


class _MailDoor(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _shaam_handler(shaam: DemoShaam) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = parse_qs(self.rfile.read(int(self.headers.get("content-length", "0"))).decode())
            status, answer = shaam.answer(said.get("refresh_token", [""])[0])
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Quiet: what is told about the demonstration is told at its end."""

    return Handler


def _mail_handler(mailbox: InvoiceMailbox) -> type[socketserver.StreamRequestHandler]:
    """As much of SMTP (RFC 5321) as a relay needs that takes everything."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 demonstration ready")
            while command := self.rfile.readline().strip().upper():
                if command == b"DATA":
                    self._say("354 go on")
                    mailbox.take(self._text())
                self._say("221 bye" if command == b"QUIT" else "250 demonstration")
                if command == b"QUIT":
                    return

        def _text(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (LINE_OF_END, b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

    return Handler
