"""Child processes for these tests, and a server with time for its guests, as a busy machine may need it."""

from __future__ import annotations

import pytest

from sexton.web import connections
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture(autouse=True)
def guests_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection ends by the clock, unless the test says so: longer than any test waits."""
    monkeypatch.setattr(connections, "HEAD", 3600.0)
    monkeypatch.setattr(connections, "ANSWER", 3600.0)
    monkeypatch.setattr(connections.Connection, "timeout_keep_alive_handler", lambda _connection: None)
