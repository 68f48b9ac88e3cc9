"""SEC-21, SEC-25: what `sexton check` says about the ways in and out."""

from __future__ import annotations

import pytest

from sexton.channels.discord import DiscordSettings
from sexton.channels.email import EmailSettings
from sexton.channels.slack import SlackSettings
from sexton.channels.webhook import WebhookSettings
from sexton.cli._check_exposure import warnings
from sexton.config import Settings
from sexton.config.monitoring_settings import MetricsSettings, WebSettings

from .shell import Inside

CANARY = "qXcanaryX7"


@pytest.mark.parametrize("listen", ["0.0.0.0:8787", "[::]:8787", "0:8787"])
def test_sec_21_pages_on_every_address_are_a_warning(listen: str) -> None:
    ((about, text),) = warnings(Settings(web=WebSettings(listen=listen)))

    assert about == "web.listen"
    assert text == f"{listen} is every address of this machine; the pages have no password"


@pytest.mark.parametrize("listen", [None, "127.0.0.1:8787", "[::1]:8787", "localhost:8787", "10.0.0.5:8787"])
def test_sec_21_pages_on_one_address_are_none(listen: str | None) -> None:
    assert list(warnings(Settings(web=WebSettings(listen=listen)))) == []


def addressed(url: str) -> Settings:
    """All that is posted to has this address."""
    channel = {
        "webhook": WebhookSettings(url=url),
        "slack": SlackSettings(url=url),
        "discord": DiscordSettings(url=url),
    }
    return Settings(channel=channel, metrics=MetricsSettings(heartbeat=url))


def test_sec_25_secret_addresses_that_travel_unencrypted_are_a_warning() -> None:
    found = dict(warnings(addressed(f"http://ops.example.com/{CANARY}")))

    assert [*found] == ["channel.webhook.url", "channel.slack.url", "channel.discord.url", "metrics.heartbeat"]
    assert CANARY not in str(found)


@pytest.mark.parametrize(
    "place", ["https://ops.example.com", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9"]
)
def test_sec_25_others_are_none(place: str) -> None:
    assert list(warnings(addressed(f"{place}/{CANARY}"))) == []


@pytest.mark.parametrize(("host", "number"), [("relay.example.com", 1), ("127.0.0.1", 0), ("localhost", 0)])
def test_sec_25_mail_that_travels_unencrypted_is_a_warning(host: str, number: int) -> None:
    channel = {"email": EmailSettings(host=host, security="none")}

    assert len(list(warnings(Settings(channel=channel)))) == number


def test_sec_21_sec_25_check_prints_them_and_all_is_well_otherwise(demo: Inside) -> None:
    demo.environment = {
        "SEXTON_WEB__LISTEN": "0.0.0.0:8787",
        "SEXTON_METRICS__HEARTBEAT": f"http://hc.example.com/{CANARY}",
    }
    done = demo.sexton("check", "--offline")

    assert done.code == 0
    assert "warning  web.listen: 0.0.0.0:8787 is every address" in done.out
    assert "warning  metrics.heartbeat: http://" in done.out
    assert CANARY not in done.out


def test_sec_21_sec_25_what_is_refused_is_one_line(demo: Inside) -> None:
    for name, value in (
        ("SEXTON_WEB__LISTEN", ":8787"),
        ("SEXTON_METRICS__HEARTBEAT", f"http://169.254.169.254/{CANARY}"),
        ("SEXTON_WEB__HOSTS", "https://x.example"),
    ):
        demo.environment = {name: value}
        done = demo.sexton("check", "--offline")

        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert name in done.err
        assert CANARY not in done.err
