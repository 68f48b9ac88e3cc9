"""The channel that sends e-mail through a relay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..addresses import is_loopback
from ..setting_fields import setting
from .contract import DEADLINE, ConfiguredChannel, Notice, shortened

WHOLE = 60.0
"""Seconds for one notice in all, whatever the relay does."""

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """Alerts by e-mail, through a relay."""

    host: str | None = setting(None, "host of the relay", example="smtp.example.com")
    port: int = setting(587, "port of the relay", minimum=1, maximum=65535)
    security: str = setting(
        "starttls", 'how the connection is protected: "starttls", "tls" from the start (port 465), or "none"'
    )
    user: str | None = setting(None, "name to log in with; left out: no login", example="alerts@example.com")
    password: str | None = setting(
        None, "password to log in with; put it into .env", secret=True, example="out of the relay's settings"
    )
    sender: str | None = setting(None, "address that alerts come from", kind="address", example="sexton@example.com")
    to: tuple[str, ...] = setting(
        (), "addresses that alerts go to", kind="address", example=("ops@example.com", "duty@example.com")
    )

    def check(self) -> None:
        """ValueError when a login is half given, or would travel unprotected."""
        if self.security not in ("starttls", "tls", "none"):
            raise ValueError('security must be "starttls", "tls" or "none"')
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together; give both, or none")
        if self.user is not None and self.security == "none" and self.host not in _HERE:
            raise ValueError('the password would travel unprotected; write security = "starttls" or "tls"')


class EmailChannel(ConfiguredChannel[EmailSettings]):
    """Sends to all of `settings.to`. answer: seconds that one answer of the relay may take."""

    name = "email"
    settings_type = EmailSettings
    required = ("host", "sender", "to")

    def __init__(self, settings: EmailSettings, *, answer: float = DEADLINE, whole: float = WHOLE) -> None:
        super().__init__(settings)
        self._answer, self._whole = answer, whole

    @classmethod
    def warnings(cls, settings: EmailSettings) -> Iterator[tuple[str, str]]:
        """Messages that travel unencrypted."""
        if settings.host and settings.security == "none" and not is_loopback(settings.host):
            yield "security", '"none" sends every message unencrypted; write "starttls" or "tls"'

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Send it. Raises Unconfirmed when the answer to the final dot is lost: the copy has the same Message-ID."""
        settings = self.settings
        receivers = [address for address in settings.to if not only or address in only]
        if not receivers:
            return {}  # those who were left are no longer in the settings
        from .smtp_session import RelaySettings, hand_over  # with smtplib and ssl, which reading settings does not need

        relay = RelaySettings(
            settings.host or "",
            settings.port,
            settings.security,
            settings.user,
            settings.password,
            settings.sender or "",
            self._answer,
            self._whole,
        )
        return hand_over(relay, self._message(notice), receivers)

    def _message(self, notice: Notice) -> bytes:
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import format_datetime

        settings = self.settings
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
