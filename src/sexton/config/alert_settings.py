"""Settings of alerts: what counts as wrong with a job, and through which channels people are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..channels.registry import BUILT_IN_CHANNELS, ONLY_MESSAGES, missing, takes_alerts
from ..setting_fields import Misfit, setting

MOST_PER_HOUR = 30
"""Messages that one channel gets in an hour, unless settings say otherwise."""

_ALERTED = [name for name in BUILT_IN_CHANNELS if name not in ONLY_MESSAGES]


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What counts as wrong with a job, and who is told."""

    channels: tuple[str, ...] = setting(
        ("log",),
        f"channels that are told: {', '.join(_ALERTED)}, or one that a package of yours brings; all but log "
        "need their table [channel.NAME]",
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


def check_channels(alerts: AlertSettings, given: Mapping[str, Any]) -> None:
    """Misfit, a ValueError, when a channel is to be told that is not set up. given: settings of channels by name."""
    for name in alerts.channels:
        if not takes_alerts(name):
            raise Misfit(f'"{name}" takes messages of the outbox only, no alerts', "alerts", "channels")
        if absent := missing(name, given):
            keys = ", ".join(absent)
            raise Misfit(f'"{name}" is not set up; give [channel.{name}] its {keys}', "alerts", "channels")
