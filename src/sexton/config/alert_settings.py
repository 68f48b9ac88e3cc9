"""Settings of alerts: what counts as wrong with a job, and through which channels people are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from .setting_fields import Misfit, setting

MOST_PER_HOUR = 30
"""Messages that one channel gets in an hour, unless settings say otherwise."""

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What counts as wrong with a job, and who is told."""

    channels: tuple[str, ...] = setting(
        ("log",),
        "channels that are told: log, email, webhook, slack, discord; all but log need their table [channel.NAME]",
        kind="channel",
    )
    after_failures: int = setting(
        3, "runs that failed, timed out or died in a row until an incident opens", minimum=1, maximum=50
    )
    failure_rate: float = setting(
        0.5,
        "share of failed runs in `window` from which on an incident opens, with at least 10 runs; 0: never",
        minimum=0.0,
        maximum=1.0,
    )
    window: str = setting("24h", "how far back `failure_rate` looks", kind="duration", minimum="10m", maximum="31d")
    late_after: str | None = setting(
        None,
        "how long after a slot that nobody ran a job counts as late, also on the health page; left out: a period "
        "of its schedule and 15 minutes, at least an hour",
        kind="duration",
        minimum="1m",
        maximum="366d",
        example="2h",
    )
    slow_factor: float = setting(
        3.0,
        "a run is slow when it takes this many times the median of the last 20, and 30 s more; 0: never",
        minimum=0.0,
        maximum=1000.0,
    )
    fast_factor: float = setting(
        10.0,
        "a run is too fast when the median of the last 20 is this many times as long, and 30 s more; 0: never",
        minimum=0.0,
        maximum=1000.0,
    )
    silent_days: int = setting(
        3,
        "days without any effect after which a job that had one on most days counts as silent; 0: never",
        minimum=0,
        maximum=90,
    )
    most_per_hour: int = setting(
        MOST_PER_HOUR,
        "messages that one channel gets in an hour; more are held back, which is told in one message, and when an "
        "hour has passed in another",
        minimum=1,
        maximum=100_000,
    )
    remind: str = setting(
        "1d", "how often an open incident is told again", kind="duration", minimum="1d", maximum="31d"
    )

    @property
    def late_limit(self) -> timedelta | None:
        """`late_after`; None for the default."""
        from ..jobs.duration import parse_duration

        return parse_duration(self.late_after) if self.late_after else None

    def check(self) -> None:
        """Misfit when a factor would call every run slow or too fast."""
        for name in ("slow_factor", "fast_factor"):
            value = getattr(self, name)
            if 0 < value < 1.5:
                raise Misfit(f"{name} {value} must be at least 1.5, or 0 for never", name)


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


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Alerts as a POST of JSON to an address of yours, signed as Standard Webhooks says."""

    url: str | None = setting(
        None, "address that is posted to", kind="url", secret=True, example="https://ops.example.com/sexton"
    )
    secret: str | None = setting(
        None,
        'key of the signature, "whsec_" and base64; left out: no signature',
        kind="webhook secret",
        secret=True,
        example="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Alerts to a channel in Slack, through an incoming webhook."""

    url: str | None = setting(
        None,
        "address of the incoming webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://hooks.slack.com/services/T000/B000/XXXX",
    )


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Alerts to a channel in Discord, through a webhook."""

    url: str | None = setting(
        None,
        "address of the webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://discord.com/api/webhooks/000/XXXX",
    )


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Where each channel of alerts leads."""

    email: EmailSettings = field(default_factory=EmailSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    slack: SlackSettings = field(default_factory=SlackSettings)
    discord: DiscordSettings = field(default_factory=DiscordSettings)

    def missing(self, name: str) -> Iterator[str]:
        """The keys without which the channel `name` cannot send; none for "log"."""
        needed = {"email": ("host", "sender", "to"), "log": ()}.get(name, ("url",))
        yield from (key for key in needed if not getattr(getattr(self, name), key))


def check_channels(alerts: AlertSettings, channel: ChannelSettings) -> None:
    """Misfit, a ValueError, when a channel is to be told that is not set up."""
    for name in alerts.channels:
        missing = list(channel.missing(name))
        if missing:
            keys = ", ".join(missing)
            raise Misfit(f'"{name}" is not set up; give [channel.{name}] its {keys}', "alerts", "channels")
