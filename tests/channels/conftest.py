"""Servers, and a notice to send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sexton.channels.contract import Notice

from .relay import Relay, relay_server
from .web import Web, patient_calls, web_server


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the developer's has no say about loopback, nor has the pace of the machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    patient_calls(monkeypatch)


@pytest.fixture
def web() -> Iterator[Web]:
    """An HTTP server that answers 204."""
    with web_server() as server:
        yield server


@pytest.fixture
def relay() -> Iterator[Relay]:
    """An SMTP relay that takes everything."""
    with relay_server() as server:
        yield server


@pytest.fixture
def notice() -> Notice:
    """As an incident makes it."""
    return Notice(
        "alert:7:open:email",
        "failing: shop.expire",
        "shop.expire failed 3 times in a row",
        "shop.expire",
        {"since": "2026-11-22 04:00 UTC", "last error": "boom"},
        "sexton show 17",
    )
