"""A conversation with a mail relay: one connection for one mail, or for one after another.

Who is to blame is decided by the phase: before the receivers are named it is our settings, or the relay; with a
receiver it is this receiver; after the last byte nobody knows.
"""

from __future__ import annotations

import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ..masking import MASK, scrubbed
from ..texts import visible
from .call_timeout import TooLate, within
from .contract import ChannelError, Refused, Unavailable, Unconfirmed, shortened
from .smtp_dialogue import Relay, RelayBehindTLS, TooMuch

DOT = "the final dot"
BEFORE_RECEIVERS = ("connect", "EHLO", "STARTTLS", "AUTH", "RSET", "MAIL")
"""Phases in which nobody has been named yet: what fails there says nothing about a receiver (M6)."""

SETTLE = 0.1
"""Seconds to wait before the final dot, at most: a relay that has hung up in the middle shows by then."""

BROKEN = (TooLate, TooMuch, smtplib.SMTPException, OSError)
"""What ends a conversation without an answer, see `Conversation.lost`."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Where the relay is, and as whom we speak. security: "starttls", "tls" or "none".  sender: of the envelope.

    answer: seconds that one answer may take.
    """

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    answer: float


def hand_over(relay: RelaySettings, message: bytes, receivers: Sequence[str], whole: float) -> Mapping[str, str]:
    """Give one mail to the relay for all receivers; those who will never take it. Raises as `Channel.send` does.

    whole: seconds for all of it, whatever the relay does.
    """
    conversation = Conversation(relay, settle=SETTLE)
    conversation.expect(receivers)
    try:
        within(whole, lambda: conversation.carry(message, receivers), conversation.cut)
    except smtplib.SMTPResponseException as error:
        raise conversation.refusal(error.smtp_code, error.smtp_error) from None
    except BROKEN as error:
        raise conversation.lost(error) from None
    finally:
        conversation.close()
    return conversation.judged()


class Conversation:
    """phase: how far it came.  replies: to each receiver of the mail in hand, code and text.

    served: a mail was begun on it, so the relay talks to us.  taken: mails that the relay has taken.
    settle: seconds to wait before the final dot; None: as long as the slowest answer to this mail took, as the news of
    its end takes no longer.
    """

    def __init__(self, settings: RelaySettings, *, settle: float | None = None) -> None:
        self.phase = BEFORE_RECEIVERS[0]
        self.replies: dict[str, tuple[int, str]] = {}
        self.served = False
        self.taken = 0
        self.said = ""
        """The relay's answer to the last mail that it took: holds its own id of it, mostly."""
        self._settings = settings
        self._settle = settle
        self._slowest = 0.0
        self._relay: smtplib.SMTP | None = None
        self._begun = self._clean = self._cut = False

    def cut(self) -> None:
        """End it from another thread. One that is not even connected ends by itself, before its next command."""
        self._cut = True
        with suppress(OSError):
            if self._relay is not None and self._relay.sock is not None:
                # close() would wait for the thread that reads; SSLSocket's own would let it go on in plain text.
                socket.socket.shutdown(self._relay.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; without QUIT, as what it answers changes nothing any more."""
        if self._relay is not None:
            self._relay.close()

    def expect(self, receivers: Sequence[str]) -> None:
        """Whom the next mail is for."""
        self.replies = dict.fromkeys(receivers, (0, "not asked"))

    def carry(self, message: bytes, receivers: Sequence[str], *, utf8: bool = False) -> None:
        """Name the receivers, and hand the message over if one of them is taken. Connects, and logs in, the first time.

        utf8: an address needs SMTPUTF8. A relay that does not offer it is not asked: `replies` then say so.
        """
        self.expect(receivers)
        try:
            self._carry(self._ready(), message, receivers, utf8=utf8)
        finally:
            if self._cut:
                self.close()

    def _carry(self, relay: smtplib.SMTP, message: bytes, receivers: Sequence[str], *, utf8: bool) -> None:
        if utf8 and not relay.has_extn("smtputf8"):
            self.phase = "RCPT"
            self.replies = dict.fromkeys(receivers, (553, "it takes no other letters before the @ (SMTPUTF8)"))
            return
        self._clean, self._slowest = False, 0.0
        relay.command_encoding = "ascii"  # mail() makes it UTF-8 where that is wanted
        options = ("SMTPUTF8", "BODY=8BITMIME") if utf8 else ()
        self._step("MAIL", lambda: relay.mail(self._settings.sender, options))
        self.phase, self.served = "RCPT", True
        for address in receivers:
            code, reply = self._timed(partial(relay.docmd, "RCPT", f"TO:<{address}>"))
            self.replies[address] = (code, self._words(reply))
        if any(is_taken(code) for code, _ in self.replies.values()):
            self._hand_over(relay, message)
            self.taken += 1
            self._clean = True  # RFC 5321, 4.1.1.4: the relay has forgotten sender and receivers

    def _ready(self) -> smtplib.SMTP:
        if self._relay is None or not self._begun:
            kind = RelayBehindTLS if self._settings.security == "tls" else Relay
            relay = kind(self._settings.host, self._settings.port, self._settings.answer, self._know)
            if self._cut:
                raise TooLate
            self._log_in(relay)
            self._begun = True
            return relay
        if not self._clean:
            self._step("RSET", self._relay.rset)
        return self._relay

    def _know(self, relay: smtplib.SMTP) -> None:
        self._relay = relay

    def _log_in(self, relay: smtplib.SMTP) -> None:
        settings = self._settings
        assert relay.sock is not None
        # The dot is a packet of its own, and must not wait for the receipt of those before it.
        relay.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.phase = "EHLO"
        relay.ehlo_or_helo_if_needed()
        if settings.security == "starttls":
            self.phase = "STARTTLS"
            relay.starttls(context=ssl.create_default_context())
            relay.ehlo_or_helo_if_needed()
        if settings.user is not None and settings.password is not None:
            self.phase = "AUTH"
            relay.login(settings.user, settings.password)

    def _step(self, phase: str, say: Callable[[], tuple[int, bytes]]) -> bytes:
        self.phase = phase
        code, reply = self._timed(say)
        if not 200 <= code < 400:
            raise smtplib.SMTPResponseException(code, reply)
        return reply

    def _timed(self, say: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if self._cut:
            raise TooLate
        begun = time.monotonic()
        answer = say()
        self._slowest = max(self._slowest, time.monotonic() - begun)
        return answer

    def _hand_over(self, relay: smtplib.SMTP, message: bytes) -> None:
        self._step("DATA", lambda: relay.docmd("DATA"))
        # Lines that begin with a dot get a second one, or they would end the message.
        lines = [b"." + line if line.startswith(b".") else line for line in message.splitlines()]
        relay.send(b"\r\n".join(lines) + b"\r\n")
        assert relay.sock is not None
        patience = min(self._slowest, SETTLE) if self._settle is None else self._settle
        if select.select([relay.sock], [], [], patience)[0]:  # nobody speaks here, but one who hangs up
            code, reply = relay.getreply()
            raise smtplib.SMTPResponseException(code, reply)
        if self._cut:
            raise TooLate
        self.phase = DOT
        relay.send(b".\r\n")
        self.said = self._words(self._step(DOT, relay.getreply))

    def judged(self) -> Mapping[str, str]:
        """Receivers who will never take it. Unavailable: some are to be tried again; Refused: nobody took it."""
        refused = self._refused()
        left = [who for who, (code, _) in self.replies.items() if code < 500 and not is_taken(code)]
        if left:
            reasons = ", ".join(f"{who}: {self.replies[who][0]} {self.replies[who][1]}" for who in left)
            partial = len(left) + len(refused) < len(self.replies)
            raise Unavailable(f"the relay put off {reasons}", left=left, refused=refused, partial=partial)
        if len(refused) == len(self.replies):
            raise Refused("the relay takes no receiver: " + ", ".join(f"{who}: {why}" for who, why in refused.items()))
        return refused

    def refusal(self, code: int, reply: bytes | str) -> ChannelError:
        """What a reply means that ended the conversation."""
        words = "check user and password" if self.phase == "AUTH" else self._words(reply)
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

    def _words(self, reply: bytes | str) -> str:
        """What a relay says, as one short line without secrets, whatever it repeats of what it was told."""
        text = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
        if self._settings.password:
            text = text.replace(self._settings.password, MASK)
        return shortened(visible(scrubbed(" ".join(text.split()))), 200)


def is_taken(code: int) -> bool:
    """Whether a receiver was taken."""
    return code in (250, 251, 252)
