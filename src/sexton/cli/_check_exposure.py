"""What `sexton check` says about the ways in and out: pages that are open to everybody, messages that all can read."""

from __future__ import annotations

from collections.abc import Iterator

from ..addresses import is_everywhere, unencrypted
from ..channels.registry import channel_type
from ..config import Settings
from ..config.monitoring_settings import address_of


def warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what is odd about it); asks nobody."""
    if settings.web.listen and is_everywhere(address_of(settings.web.listen)[0]):
        yield "web.listen", f"{settings.web.listen} is every address of this machine; the pages have no password"
    for name, given in settings.channel.items():
        for key, words in channel_type(name).warnings(given):
            yield f"channel.{name}.{key}", words
    if (odd := unencrypted(settings.metrics.heartbeat)) is not None:
        yield "metrics.heartbeat", odd
