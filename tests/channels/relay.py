"""A real SMTP relay on loopback whose replies are scripted by phase and receiver."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.support.patience import PATIENCE


@dataclass
class Relay:
    """What it answers, and what it took.

    receivers: replies to RCPT by address, in order, then 250.  dots: the same to the final dot.
    mail, ehlo, data, auth: replies instead of success.
    cut: "in DATA" hangs up after three lines, "after the dot" when all has arrived, "at MAIL" before it answers; so
        many times as given.
    most: mails that it takes over one connection, before it answers `enough` to MAIL and hangs up.
    slow: seconds that it takes for its answer to the final dot.  utf8: it offers SMTPUTF8.
    taken: receivers and content.  senders: what came after MAIL FROM, as it was written.
    """

    port: int = 0
    receivers: dict[str, list[str]] = field(default_factory=dict)
    mail: str | None = None
    ehlo: str | None = None
    dots: dict[str, list[str]] = field(default_factory=dict)
    data: str | None = None
    auth: str | None = None
    cut: dict[str, int] = field(default_factory=dict)
    most: int | None = None
    enough: str = "421 4.7.0 enough for one connection"
    slow: float = 0.0
    utf8: bool = False
    taken: list[tuple[list[str], Message]] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    sessions: int = 0

    def cuts(self, where: str) -> bool:
        self.cut[where] = self.cut.get(where, 0) - 1
        return self.cut[where] >= 0

    def told(self) -> list[str]:
        """Every receiver of every message that arrived."""
        return sorted(address for receivers, _ in self.taken for address in receivers)


class _Handler:
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.relay.mail is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.relay.mail or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        scripted = self.relay.receivers.get(address, [])
        reply = scripted.pop(0) if scripted else "250 OK"
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.relay.data is not None:
            return self.relay.data
        scripted = self.relay.dots.get(envelope.rcpt_tos[0], [])
        if scripted and not (reply := scripted.pop(0)).startswith("2"):
            return reply
        assert isinstance(envelope.content, bytes)
        assert isinstance(server, _Server)
        server.carried += 1
        self.relay.taken.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        if self.relay.cuts("after the dot"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        await asyncio.sleep(self.relay.slow)
        return "250 OK"


class _Server(SMTP):
    relay: Relay
    carried = 0

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        self.relay.senders.append(arg)
        full = self.relay.most is not None and self.carried >= self.relay.most
        if full:
            await self.push(self.relay.enough)
        if full or self.relay.cuts("at MAIL"):
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.close() if full else self.transport.abort()
            return
        await super().smtp_MAIL(arg)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        self.relay.sessions += 1
        if self.relay.ehlo is not None:
            await self.push(self.relay.ehlo)
            return
        await super().smtp_EHLO(hostname)

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        await self.push(self.relay.ehlo or "250 OK")

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not self.relay.cuts("in DATA"):
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        for _ in range(3):
            await self._reader.readline()
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


@contextmanager
def relay_server(tls: ssl.SSLContext | None = None) -> Iterator[Relay]:
    """A relay until the end of the block. tls: it offers STARTTLS, and takes mail only behind it."""
    relay = Relay()
    loop = asyncio.new_event_loop()

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if relay.auth is None:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=relay.auth)

    def one() -> SMTP:
        server = _Server(
            _Handler(relay),
            hostname="relay.test",
            authenticator=authenticate,
            auth_require_tls=tls is not None,
            loop=loop,
            tls_context=tls,
            require_starttls=tls is not None,
            enable_SMTPUTF8=relay.utf8,
        )
        server.relay = relay
        return server

    listening = loop.run_until_complete(loop.create_server(one, "127.0.0.1", 0))
    relay.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield relay
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(listening: asyncio.AbstractServer) -> None:
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
