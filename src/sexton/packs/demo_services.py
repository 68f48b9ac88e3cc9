"""The outside of a demonstration, on loopback: a service that answers with JSON, and a mailbox that takes all."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

END_OF_MAIL = b".\r\n"
POLL_SECONDS = 0.05

DemoAnswer = Callable[[str, str], tuple[int, dict[str, Any]]]
"""`answer(path, body)`: status and body of the answer to a request."""


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
def serving(answer: DemoAnswer, mailbox: DemoMailbox) -> Iterator[tuple[str, int]]:
    """Both of them until the end of the block: the service's address, and the port of the mailbox."""
    doors = [_Doors(("127.0.0.1", 0), _json_handler(answer)), _MailDoor(("127.0.0.1", 0), _mail_handler(mailbox))]
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


def _json_handler(answer: DemoAnswer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            status, said = answer(self.path, asked)
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
