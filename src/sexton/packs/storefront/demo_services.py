"""The outside of the demonstration, on loopback: a gateway that knows of payments, and a mailbox that takes all."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ASKED_FOR = re.compile(r"/v1/(?:orders/(?P<order>[^/]+)/payments|payments/(?P<payment>[^/]+)/capture)")
END_OF_MAIL = b".\r\n"
POLL_SECONDS = 0.05


@dataclass
class DemoGateway:
    """What the gateway knows. payments: by its order.  failing: orders about which the next question gets a 500."""

    payments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    asked: int = 0

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        self.asked += 1
        match = ASKED_FOR.fullmatch(path)
        if match is None:
            return 404, {}
        if match["payment"]:
            return self._captured(match["payment"])
        if match["order"] in self.failing:
            self.failing.discard(match["order"])
            return 500, {}
        return 200, {"entity": "collection", "items": self.payments.get(match["order"], [])}

    def _captured(self, number: str) -> tuple[int, dict[str, Any]]:
        for payment in (one for several in self.payments.values() for one in several):
            if payment["id"] == number and payment["status"] == "authorized":
                payment["status"] = "captured"
                return 200, payment
        return 400, {}


@dataclass(frozen=True, slots=True)
class DemoMail:
    """One mail as a person reads it."""

    to: str
    subject: str
    lines: Sequence[str]


@dataclass
class DemoMailbox:
    """All mail that came, in order."""

    mails: list[DemoMail] = field(default_factory=list)

    def take(self, raw: bytes) -> None:
        """One more."""
        mail = message_from_bytes(raw, policy=policy.default)
        body = mail.get_body(("plain",))
        text = "" if body is None else str(body.get_content())
        self.mails.append(DemoMail(str(mail["to"]), str(mail["subject"]), text.strip("\r\n").splitlines()))


@contextmanager
def serving(gateway: DemoGateway, mailbox: DemoMailbox) -> Iterator[tuple[str, int]]:
    """Both of them until the end of the block: the gateway's address, and the port of the mailbox."""
    doors = [_Doors(("127.0.0.1", 0), _gateway_handler(gateway)), _MailDoor(("127.0.0.1", 0), _mail_handler(mailbox))]
    threads = [threading.Thread(target=door.serve_forever, args=(POLL_SECONDS,), daemon=True) for door in doors]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{doors[0].server_address[1]}", int(doors[1].server_address[1])
    finally:
        for door, thread in zip(doors, threads, strict=True):
            door.shutdown()
            thread.join()
            door.server_close()


class _Doors(ThreadingHTTPServer):
    daemon_threads = True


class _MailDoor(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _gateway_handler(gateway: DemoGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            status, said = gateway.answer(self.path)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            """Quiet: what is told about the demonstration is told at its end."""

    return Handler


def _mail_handler(mailbox: DemoMailbox) -> type[socketserver.StreamRequestHandler]:
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
            while (line := self.rfile.readline()) not in (END_OF_MAIL, b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

    return Handler
