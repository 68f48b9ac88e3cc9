"""The channel that sends e-mail through a relay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..addresses import is_loopback
from ..call_outcomes import CallOutcome, Failed
from ..setting_fields import setting
from .contract import DEADLINE, ConfiguredChannel, Notice, OutgoingMessage, shortened

if TYPE_CHECKING:
    from .mail_address import MailAddress
    from .smtp_batch import Letter, Suspicion
    from .smtp_session import RelaySettings

WHOLE = 60.0
"""Seconds for one notice in all, whatever the relay does."""

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """E-mail through a relay: alerts, and messages of the outbox."""

    host: str | None = setting(None, "host of the relay", example="smtp.example.com")
    port: int = setting(587, "port of the relay", minimum=1, maximum=65535)
    security: str = setting(
        "starttls", 'how the connection is protected: "starttls", "tls" from the start (port 465), or "none"'
    )
    user: str | None = setting(None, "name to log in with; left out: no login", example="alerts@example.com")
    password: str | None = setting(
        None, "password to log in with; put it into .env", secret=True, example="out of the relay's settings"
    )
    sender: str | None = setting(None, "address that mails come from", kind="address", example="sexton@example.com")
    sender_name: str | None = setting(
        None, "name that messages of the outbox come from, beside that address", example="Example Shop"
    )
    to: tuple[str, ...] = setting(
        (),
        "addresses that alerts go to; messages of the outbox have their own",
        kind="address",
        example=("ops@example.com", "duty@example.com"),
    )

    def check(self) -> None:
        """ValueError when a login is half given, or would travel unprotected."""
        if self.security not in ("starttls", "tls", "none"):
            raise ValueError('security must be "starttls", "tls" or "none"')
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together; give both, or none")
        if self.user is not None and self.security == "none" and self.host not in _HERE:
            raise ValueError('the password would travel unprotected; write security = "starttls" or "tls"')
        if self.sender_name is not None and not self.sender_name.isprintable():
            raise ValueError("sender_name must be one line without control characters")


class EmailChannel(ConfiguredChannel[EmailSettings]):
    """Sends alerts to all of `settings.to`, and delivers messages to their recipients.

    answer: seconds that one answer of the relay may take.  whole: for one notice in all.
    """

    name = "email"
    settings_type = EmailSettings
    required = ("host", "sender", "to")
    delivers = True
    batch = 50
    needed_to_deliver = ("host", "sender")
    retry = ("5m", "30m", "2h", "6h")

    def __init__(self, settings: EmailSettings, *, answer: float = DEADLINE, whole: float = WHOLE) -> None:
        super().__init__(settings)
        self._answer, self._whole = answer, whole
        self._suspicion: Suspicion | None = None

    @classmethod
    def warnings(cls, settings: EmailSettings) -> Iterator[tuple[str, str]]:
        """Messages that travel unencrypted."""
        if settings.host and settings.security == "none" and not is_loopback(settings.host):
            yield "security", '"none" sends every message unencrypted; write "starttls" or "tls"'

    def destination(self, recipient: str) -> str:
        """The relay: it takes mail for everybody, or for nobody."""
        return f"{self.name}:{self.settings.host}:{self.settings.port}"

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Send it. Raises Unconfirmed when the answer to the final dot is lost: the copy has the same Message-ID."""
        receivers = [address for address in self.settings.to if not only or address in only]
        if not receivers:
            return {}  # those who were left are no longer in the settings
        from .mail_address import parse_mail_address
        from .mail_message import mail_bytes
        from .smtp_session import hand_over  # with smtplib and ssl, which reading settings does not need

        content = mail_bytes(
            self._sender(),
            map(parse_mail_address, self.settings.to),
            f"[sexton] {shortened(notice.title, 200)}",
            "\n".join(notice.lines()),
            "",
            identity=(notice.key,),
        )
        return hand_over(self._relay(), content, receivers, self._whole)

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Mail each message to its recipient, over one connection. The phase decides what a failure means, see
        `smtp_batch`. A second copy has the same Message-ID: the hash of key and recipient."""
        from .smtp_batch import Suspicion, carry_all

        self._suspicion = self._suspicion or Suspicion()
        return carry_all(self._relay(), map(self._letter, messages), self._suspicion, seconds)

    def _letter(self, message: OutgoingMessage) -> Letter | Failed:
        """Failed: this one cannot be a mail, for a reason that the relay need not find out (M7, M8)."""
        from .mail_address import parse_mail_address
        from .mail_message import mail_bytes
        from .smtp_batch import Letter
        from .templates import with_words

        try:
            receiver = parse_mail_address(message.recipient)
            said = with_words(message)
            identity = (message.key, str(receiver))
            content = mail_bytes(
                self._sender(named=True), [receiver], said.subject, said.text, said.html, identity=identity
            )
        except ValueError as error:
            text = "half of a surrogate pair is no text" if isinstance(error, UnicodeError) else str(error)
            return Failed(f"not sent: {text}")
        return Letter(message.id, str(receiver), content, receiver.needs_utf8, message.attempt)

    def _sender(self, *, named: bool = False) -> MailAddress:
        from .mail_address import MailAddress

        local, _, domain = (self.settings.sender or "").rpartition("@")
        return MailAddress(local, domain, (self.settings.sender_name or "") if named else "")

    def _relay(self) -> RelaySettings:
        from .smtp_session import RelaySettings

        settings = self.settings
        return RelaySettings(
            settings.host or "",
            settings.port,
            settings.security,
            settings.user,
            settings.password,
            settings.sender or "",
            self._answer,
        )
