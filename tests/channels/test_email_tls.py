"""E-mail over TLS: a password travels only behind a certificate that is trusted and names the host."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sexton.call_outcomes import Done, Down
from sexton.channels.contract import Notice, Refused
from sexton.channels.email import EmailChannel, EmailSettings
from tests.support.certificates import certificate
from tests.support.patience import PATIENCE

from .relay import Relay, relay_server
from .test_mail_delivery import kinds, message


@pytest.fixture
def host() -> str:
    """The name in the relay's certificate."""
    return "IP:127.0.0.1"


@pytest.fixture
def relay(tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay behind STARTTLS, whose certificate this process trusts."""
    chain, key = certificate(tmp_path, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    with relay_server(context) as server:
        yield server


def channel(relay: Relay) -> EmailChannel:
    settings = EmailSettings(
        host="127.0.0.1",
        port=relay.port,
        user="sexton",
        password="qXcanaryX7",
        sender="sexton@example.com",
        to=("ops@example.com",),
    )
    return EmailChannel(settings, answer=PATIENCE, whole=PATIENCE)


def test_a_mail_goes_through_a_trusted_relay(relay: Relay, notice: Notice) -> None:
    channel(relay).send(notice)

    assert relay.told() == ["ops@example.com"]


def test_m6_a_certificate_nobody_trusts_is_refused_before_the_password(
    relay: Relay, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(Refused, match="is not trusted"):
        channel(relay).send(notice)
    assert relay.taken == []


@pytest.mark.parametrize("host", ["DNS:other.example"])
def test_m6_a_certificate_of_another_host_is_refused(relay: Relay, notice: Notice) -> None:
    with pytest.raises(Refused, match="is not trusted"):
        channel(relay).send(notice)
    assert relay.taken == []


def test_a_batch_goes_through_a_trusted_relay(relay: Relay) -> None:
    outcomes = list(channel(relay).deliver([message("a@example.com"), message("b@example.com")], seconds=PATIENCE))

    assert kinds(outcomes) == [Done, Done]
    assert relay.told() == ["a@example.com", "b@example.com"]


def test_m6_a_certificate_nobody_trusts_stops_the_batch_before_the_password(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(M6) Lasting: somebody has to look."""
    monkeypatch.delenv("SSL_CERT_FILE")

    outcomes = list(channel(relay).deliver([message("a@example.com"), message("b@example.com")], seconds=PATIENCE))

    assert kinds(outcomes) == [Down, Down]
    assert isinstance(outcomes[0], Down)
    assert outcomes[0].lasting
    assert "is not trusted" in outcomes[0].why
    assert relay.senders == []
