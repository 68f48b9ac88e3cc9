"""A worker knows which engine it is of, also where the settings name several: what moves there is counted there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sexton.app import App
from sexton.clock import parse_instant
from sexton.db.connect import read_only
from sexton.db.database_identity import identity
from sexton.engines import consumer
from sexton.engines.carrier import EngineMessage, MessageKind
from sexton.engines.celery import pool_processes, tasks
from sexton.engines.rq import horse
from sexton.slots.engine_counts import EngineCounts, counts_since

pytestmark = pytest.mark.databases("sqlite")

SETTINGS = """
jobs = ["tests.support.carried_jobs"]
[job."carried.note"]
engine = "celery"
[job."carried.slow_note"]
engine = "rq"
[engines.celery]
broker = "redis://127.0.0.1:1/0"
[engines.rq]
url = "redis://127.0.0.1:1/0"
"""


@pytest.fixture
def app(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Two engines carry jobs, and neither is the general one; this process is a worker, and a message's alone."""
    file = tmp_path / "sexton.toml"
    file.write_text(f"database = {database!r}\n{SETTINGS}")
    app = App.load(file)
    monkeypatch.setattr(consumer, "app", lambda: app)
    monkeypatch.setattr(consumer, "forget_connections", lambda: None)
    monkeypatch.setattr(pool_processes, "is_one", lambda: True)
    monkeypatch.setattr(horse, "is_horse", lambda: True)
    yield app
    consumer.leave()
    app.database.dispose()


@pytest.mark.parametrize(("engine", "take"), [("celery", tasks.take), ("rq", horse.consume)])
def test_a_request_that_comes_twice_is_a_duplicate_of_the_engine_that_brought_it(
    engine: str, take: Callable[[str], None], app: App
) -> None:
    with read_only(app.database) as connection:
        message = EngineMessage(MessageKind.REQUEST, (4711,), identity(connection))

    take(message.to_json())

    with read_only(app.database) as connection:
        found = counts_since(connection, parse_instant("2020-01-01T00:00Z"))
    assert found == {engine: EngineCounts(duplicates=1)}
