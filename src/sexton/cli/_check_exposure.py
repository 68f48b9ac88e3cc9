"""What `sexton check` says about the ways in and out: pages that are open to everybody, messages that all can read."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..config import Settings
from ..config.addresses import is_everywhere, is_loopback
from ..config.monitoring_settings import address_of


def warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what is odd about it); asks nobody."""
    if settings.web.listen and is_everywhere(address_of(settings.web.listen)[0]):
        yield "web.listen", f"{settings.web.listen} is every address of this machine; the pages have no password"
    channel = settings.channel
    urls = {"webhook": channel.webhook.url, "slack": channel.slack.url, "discord": channel.discord.url}
    places = {f"channel.{name}.url": url for name, url in urls.items()}
    for name, url in {**places, "metrics.heartbeat": settings.metrics.heartbeat}.items():
        if url and _is_readable(url):
            # Not the URL itself, which is the secret.
            yield name, "http:// sends this secret address unencrypted; write https://"
    email = channel.email
    if email.host and email.security == "none" and not is_loopback(email.host):
        yield "channel.email.security", '"none" sends every message unencrypted; write "starttls" or "tls"'


def _is_readable(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
