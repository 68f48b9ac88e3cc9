"""SEC-10: a relay whose answers do not end: the channel hangs up after some lines, and nothing fills memory."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sexton.channels.contract import Notice, Refused, Unavailable, Unconfirmed
from sexton.channels.email import EmailChannel, EmailSettings
from sexton.channels.smtp_dialogue import MOST_BYTES, MOST_LINES
from sexton.testing.processes import wait_until
from tests.support.certificates import certificate
from tests.support.patience import PATIENCE

from .web import dripping

ENOUGH = 64 * 1024 * 1024
"""Bytes after which the server gives up: buffers of the system hold far less."""

PHASES = {"connect": b"", "EHLO": b"EHLO", "AUTH": b"AUTH", "MAIL": b"MAIL", "RCPT": b"RCPT", "DATA": b"DATA"}


@dataclass
class Endless:
    """A relay that never ends its answer to the command that begins with `at`; b"" is the greeting.

    chunk: what it repeats there.  tls: offers STARTTLS, and floods only behind it.  extra: lines more in its answer
    to EHLO.  sent: bytes that went out.
    """

    chunk: bytes
    at: bytes
    tls: ssl.SSLContext | None = None
    extra: int = 0
    port: int = 0
    sent: int = 0
    hung_up: bool = False
    commands: list[bytes] = field(default_factory=list)

    def converse(self, client: socket.socket) -> None:
        """One conversation."""
        if self._answers(client, b"", b"220 relay\r\n"):
            return
        stream = client.makefile("rb")
        while command := stream.readline().upper():
            self.commands.append(command)
            if command.startswith(b"STARTTLS") and self.tls is not None:
                client.sendall(b"220 go\r\n")
                client = self.tls.wrap_socket(client, server_side=True)
                stream = client.makefile("rb")
                continue
            offers = b"250-relay\r\n" + b"250-X\r\n" * self.extra + b"250-STARTTLS\r\n250 AUTH PLAIN\r\n"
            known = {b"EHLO": offers, b"DATA": b"354 go\r\n", b"AUTH": b"235 ok\r\n"}
            answer = known.get(command[:4], b"250 ok\r\n")
            if self._answers(client, command, answer):
                return
            if command.startswith(b"DATA"):
                while (line := stream.readline()) not in (b".\r\n", b""):
                    pass
                if self._answers(client, line, b"250 taken\r\n"):
                    return

    def _answers(self, client: socket.socket, command: bytes, answer: bytes) -> bool:
        """Answer; or flood until the other side hangs up, and say so."""
        plain_yet = self.tls is not None and not isinstance(client, ssl.SSLSocket)
        if plain_yet or (command[: len(self.at)] != self.at if self.at else command != b""):
            client.sendall(answer)
            return False
        with suppress(OSError):
            while self.sent < ENOUGH:
                client.sendall(self.chunk)
                self.sent += len(self.chunk)
        self.hung_up = self.sent < ENOUGH
        client.close()
        return True


@contextmanager
def endless(chunk: bytes, at: bytes, tls: ssl.SSLContext | None = None, extra: int = 0) -> Iterator[Endless]:
    """Such a relay, for one conversation."""
    relay = Endless(chunk, at, tls, extra)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        relay.port = listening.getsockname()[1]

        def serve() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                relay.converse(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield relay
        thread.join()


def channel(port: int, **more: str) -> EmailChannel:
    given = {"security": "none", "user": "sexton", "password": "qXcanaryX7", **more}
    settings = EmailSettings(
        host="127.0.0.1",
        port=port,
        sender="sexton@example.com",
        to=("ops@example.com",),
        **given,
    )
    return EmailChannel(settings, answer=PATIENCE, whole=PATIENCE)


@pytest.mark.parametrize("chunk", [b"250-more\r\n" * 1000, b"x" * 10_000, b"250-" + b"y" * 8000 + b"\r\n", b"250-\r\n"])
@pytest.mark.parametrize("phase", PHASES)
def test_sec_10_an_answer_without_end_is_hung_up_on(notice: Notice, phase: str, chunk: bytes) -> None:
    words = f"at {phase}: more than {MOST_LINES} lines or 64 KiB in one answer"
    with endless(chunk, PHASES[phase]) as relay, pytest.raises(Unavailable, match=words) as told:
        channel(relay.port).send(notice)
    assert not isinstance(told.value, Unconfirmed)
    assert relay.hung_up
    assert MOST_BYTES == 64 * 1024


def test_sec_10_the_answer_to_the_whole_letter_is_lost_then(notice: Notice) -> None:
    """It may have been taken."""
    with endless(b"250-more\r\n" * 1000, b".") as relay, pytest.raises(Unconfirmed, match="may have been delivered"):
        channel(relay.port).send(notice)
    assert relay.hung_up


def test_sec_10_questions_without_end_to_a_login_are_hung_up_on(notice: Notice) -> None:
    """Each answer is short; there are ever more of them. The library's own limit holds."""
    with (
        endless(b"334 cGFzc3dvcmQ6\r\n" * 100, b"AUTH") as relay,
        pytest.raises(Refused, match="does not offer AUTH") as told,
    ):
        channel(relay.port).send(notice)
    assert "qXcanaryX7" not in str(told.value)
    assert relay.hung_up


def test_sec_10_also_behind_starttls(notice: Notice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = certificate(tmp_path, "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    more = b"250-more\r\n" * 1000
    with endless(more, b"EHLO", context) as relay, pytest.raises(Unavailable, match="64 KiB in one answer"):
        channel(relay.port, security="starttls").send(notice)
    assert relay.hung_up
    assert [command[:4] for command in relay.commands] == [b"EHLO", b"STAR", b"EHLO"]


def test_sec_10_a_hundred_lines_are_an_answer(notice: Notice) -> None:
    with endless(b"", b"never", extra=100) as relay:
        assert channel(relay.port).send(notice) == {}
    assert not relay.hung_up


def test_sec_10_a_greeting_that_drips_leaves_no_thread_that_reads_on(notice: Notice) -> None:
    """64 KiB, a byte at a time, would be days."""
    settings = EmailSettings(host="127.0.0.1", security="none", sender="sexton@example.com", to=("ops@example.com",))
    with dripping(b"220-", b"x") as port:
        with pytest.raises(Unavailable):
            EmailChannel(replace(settings, port=port), answer=PATIENCE, whole=0.3).send(notice)

        assert wait_until(lambda: not [one for one in threading.enumerate() if one.name == "sexton-channel"], PATIENCE)
