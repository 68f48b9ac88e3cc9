"""An app with the Procrastinate engine, its tables made; and child processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.engines.procrastinate.engine import ProcrastinateEngine
from sexton.engines.procrastinate.options import ProcrastinateOptions
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture
def app(database: str) -> Iterator[App]:
    """An app of no jobs but Sexton's own."""
    app = App(Settings(database=database))
    yield app
    app.database.dispose()


@pytest.fixture
def bare(app: App) -> ProcrastinateEngine:
    """The engine before its tables are made."""
    return ProcrastinateEngine(app, ProcrastinateOptions())


@pytest.fixture
def carrier(bare: ProcrastinateEngine) -> ProcrastinateEngine:
    """The engine, ready."""
    bare.migrate()
    return bare
