"""One conversation with a mail relay: one connection a notice, each receiver judged alone.

Who is to blame is decided by the phase: before the receivers are named it is our settings, or the relay; with a
receiver it is this receiver; after the last byte nobody knows.
"""

from __future__ import annotations

import select
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..masking import scrubbed
from .call_timeout import TooLate, within
from .contract import ChannelError, Refused, Unavailable, Unconfirmed, shortened
from .smtp_dialogue import Relay, RelayBehindTLS, TooMuch

DOT = "the final dot"
SETTLE = 0.1
"""Seconds to wait before the final dot: a relay that has hung up in the middle shows by then."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Where the relay is, and as whom we speak. security: "starttls", "tls" or "none".  sender: of the envelope.

    answer: seconds that one answer may take.  whole: seconds for one notice in all, whatever the relay does.
    """

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    answer: float
    whole: float


def hand_over(relay: RelaySettings, message: bytes, receivers: Sequence[str]) -> Mapping[str, str]:
    """Give the message to the relay; receivers who will never take it. Raises as `contract.Channel.send` does."""
    session = _Session(relay)
    try:
        within(relay.whole, lambda: session.deliver(message, receivers), session.cut)
    except smtplib.SMTPResponseException as error:
        raise session.refusal(error.smtp_code, error.smtp_error) from None
    except (TooLate, TooMuch, smtplib.SMTPException, OSError) as error:
        raise session.lost(error) from None
    return session.judged()


class _Session:
    """One conversation with the relay. phase: how far it came.  replies: to each receiver, code and text."""

    def __init__(self, settings: RelaySettings) -> None:
        self.phase = "connect"
        self.replies: dict[str, tuple[int, str]] = {}
        self._settings = settings
        self._relay: smtplib.SMTP | None = None

    def cut(self) -> None:
        """End it from another thread."""
        with suppress(OSError):
            if self._relay is not None and self._relay.sock is not None:
                self._relay.sock.shutdown(socket.SHUT_RDWR)  # close() would wait for the thread that reads

    def deliver(self, message: bytes, receivers: Sequence[str]) -> None:
        """Name the receivers, and hand the message over if one of them is taken."""
        self.replies = dict.fromkeys(receivers, (0, "not asked"))
        try:
            relay = self._connected()
            self._log_in(relay)
            self._step("MAIL", lambda: relay.mail(self._settings.sender))
            self.phase = "RCPT"
            for address in receivers:
                code, reply = relay.rcpt(address)
                self.replies[address] = (code, _words(reply))
            if any(_taken(code) for code, _ in self.replies.values()):
                self._hand_over(relay, message)
        finally:
            if self._relay is not None:
                self._relay.close()  # no QUIT: what it answers changes nothing any more

    def _connected(self) -> smtplib.SMTP:
        kind = RelayBehindTLS if self._settings.security == "tls" else Relay
        return kind(self._settings.host, self._settings.port, self._settings.answer, self._know)

    def _know(self, relay: smtplib.SMTP) -> None:
        self._relay = relay

    def _log_in(self, relay: smtplib.SMTP) -> None:
        settings = self._settings
        self.phase = "EHLO"
        relay.ehlo_or_helo_if_needed()
        if settings.security == "starttls":
            self.phase = "STARTTLS"
            relay.starttls(context=ssl.create_default_context())
            relay.ehlo_or_helo_if_needed()
        if settings.user is not None and settings.password is not None:
            self.phase = "AUTH"
            relay.login(settings.user, settings.password)

    def _step(self, phase: str, say: Callable[[], tuple[int, bytes]]) -> None:
        self.phase = phase
        code, reply = say()
        if not 200 <= code < 400:
            raise smtplib.SMTPResponseException(code, reply)

    def _hand_over(self, relay: smtplib.SMTP, message: bytes) -> None:
        self._step("DATA", lambda: relay.docmd("DATA"))
        # Lines that begin with a dot get a second one, or they would end the message.
        lines = [b"." + line if line.startswith(b".") else line for line in message.splitlines()]
        relay.send(b"\r\n".join(lines) + b"\r\n")
        assert relay.sock is not None
        if select.select([relay.sock], [], [], SETTLE)[0]:  # nobody speaks here, but one who hangs up
            code, reply = relay.getreply()
            raise smtplib.SMTPResponseException(code, reply)
        self.phase = DOT
        relay.send(b".\r\n")
        self._step(DOT, relay.getreply)

    def judged(self) -> Mapping[str, str]:
        """Receivers who will never take it. Unavailable: some are to be tried again; Refused: nobody took it."""
        refused = self._refused()
        left = [who for who, (code, _) in self.replies.items() if code < 500 and not _taken(code)]
        if left:
            reasons = ", ".join(f"{who}: {self.replies[who][0]} {self.replies[who][1]}" for who in left)
            partial = len(left) + len(refused) < len(self.replies)
            raise Unavailable(f"the relay put off {reasons}", left=left, refused=refused, partial=partial)
        if len(refused) == len(self.replies):
            raise Refused("the relay takes no receiver: " + ", ".join(f"{who}: {why}" for who, why in refused.items()))
        return refused

    def refusal(self, code: int, reply: bytes | str) -> ChannelError:
        """What a reply means that ended the conversation."""
        words = "check user and password" if self.phase == "AUTH" else _words(reply)
        text = f"the relay answered {code} to {self.phase}: {words}"
        return Refused(text) if 500 <= code < 600 else self._later(Unavailable, text)

    def lost(self, error: Exception) -> ChannelError:
        """What a broken conversation means, by how far it came."""
        host, phase = self._settings.host, self.phase
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            return Refused(f"{host} does not offer {phase} as we need it; correct security, user and password")
        if isinstance(error, ssl.SSLCertVerificationError):
            return Refused(f"the certificate of {host} is not trusted: {error.verify_message}")
        reason = str(error) if isinstance(error, TooMuch) else getattr(error, "strerror", None) or type(error).__name__
        if phase == DOT:
            return self._later(Unconfirmed, f"{host} did not confirm: {reason}; it may have been delivered")
        return self._later(Unavailable, f"{host} cannot be reached, or hung up at {phase}: {reason}")

    def _later(self, kind: type[Unavailable], text: str) -> Unavailable:
        """The same error for those who are still to be told."""
        refused = self._refused()
        return kind(text, left=[who for who in self.replies if who not in refused], refused=refused)

    def _refused(self) -> dict[str, str]:
        return {who: f"{code} {text}" for who, (code, text) in self.replies.items() if code >= 500}


def _taken(code: int) -> bool:
    return code in (250, 251, 252)


def _words(reply: bytes | str) -> str:
    """What a relay says, as one short line without secrets."""
    text = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
    return shortened(scrubbed(" ".join(text.split())), 200)
