"""An app with the RQ engine on a Redis of the test's own; and child processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.engines.rq.engine import RqEngine
from sexton.engines.rq.options import RqOptions
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture
def app(database: str) -> Iterator[App]:
    """An app of no jobs but Sexton's own."""
    app = App(Settings(database=database))
    yield app
    app.database.dispose()


@pytest.fixture
def carrier(app: App, redis_url: str) -> Iterator[RqEngine]:
    """The engine."""
    engine = RqEngine(app, RqOptions(url=redis_url))
    yield engine
    engine.close()
