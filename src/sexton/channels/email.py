"""The channel that sends e-mail through a relay: one connection a notice, each receiver judged alone.

Who is to blame is decided by the phase: before the receivers are named it is our settings, or the relay; with a
receiver it is this receiver; after the last byte nobody knows.
"""

from __future__ import annotations

import hashlib
import select
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from ..config.alert_settings import EmailSettings
from ..errors import scrubbed
from .call_timeout import TooLate, within
from .contract import DEADLINE, ChannelError, Notice, Refused, Unavailable, Unknown, shortened
from .smtp_dialogue import Relay, RelayBehindTLS, TooMuch

WHOLE = 60.0
"""Seconds for one notice in all, whatever the relay does."""

DOT = "the final dot"
SETTLE = 0.1
"""Seconds to wait before the final dot: a relay that has hung up in the middle shows by then."""


class EmailChannel:
    """Sends to all of `settings.to`. answer: seconds that one answer of the relay may take."""

    name = "email"

    def __init__(self, settings: EmailSettings, *, answer: float = DEADLINE, whole: float = WHOLE) -> None:
        self._settings, self._answer, self._whole = settings, answer, whole

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Send it. Raises Unknown when the answer to the final dot is lost: the copy has the same Message-ID."""
        receivers = [address for address in self._settings.to if not only or address in only]
        if not receivers:
            return {}  # those who were left are no longer in the settings
        session = _Session(self._settings, self._answer)
        try:
            within(self._whole, lambda: session.deliver(self._message(notice), receivers), session.cut)
        except smtplib.SMTPResponseException as error:
            raise session.refusal(error.smtp_code, error.smtp_error) from None
        except (TooLate, TooMuch, smtplib.SMTPException, OSError) as error:
            raise session.lost(error) from None
        return session.judged()

    def _message(self, notice: Notice) -> bytes:
        settings = self._settings
        assert settings.sender is not None
        message = EmailMessage(policy=SMTP)
        message["From"] = settings.sender
        message["To"] = ", ".join(settings.to)
        message["Subject"] = f"[sexton] {shortened(notice.title, 200)}"
        message["Date"] = format_datetime(datetime.now(UTC))
        digest = hashlib.sha256(notice.key.encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@{settings.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(notice.lines()) + "\n")
        return message.as_bytes()


class _Session:
    """One conversation with the relay. phase: how far it came.  replies: to each receiver, code and text."""

    def __init__(self, settings: EmailSettings, answer: float) -> None:
        self.phase = "connect"
        self.replies: dict[str, tuple[int, str]] = {}
        self._settings, self._answer = settings, answer
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
            self._step("MAIL", lambda: relay.mail(self._settings.sender or ""))
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
        return kind(self._settings.host or "", self._settings.port, self._answer, self._know)

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
            return self._later(Unknown, f"{host} did not confirm: {reason}; it may have been delivered")
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
