"""Yards whose runs Celery carries: a broker, schedulers, workers, as processes of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.contracts.carried import CarriedYard, carried_by
from tests.contracts.celery_carriers import CeleryCarrier
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.worker import make_yard
from tests.support.workers import Start, nursery, start

from .programs import Programs, programs

__all__ = ["nursery", "start"]

MakeYard = Callable[..., CarriedYard]

SERVERS: dict[str, type[RedisServer | RabbitMQServer]] = {"redis": RedisServer, "rabbitmq": RabbitMQServer}


@pytest.fixture
def celery_yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Iterator[MakeYard]:
    """`celery_yard("redis", pool="solo", lines="stop_limit = '1s'")`: one, ended with its broker after the test."""
    made: list[CarriedYard] = []

    def make(
        broker: str = "redis", *, jobs: str = "tests.support.carried_jobs", lines: str = "", **settings: str
    ) -> CarriedYard:
        carrier = CeleryCarrier(SERVERS[broker], **settings)
        made.append(carried_by(carrier, make_yard(engine, database, tmp_path, start, jobs=jobs), tmp_path))
        file = tmp_path / "sexton.toml"
        file.write_text(file.read_text() + lines + "\n")
        return made[-1]

    yield make
    for yard in made:
        for process in yard.yard.workers:
            if process.runs:
                process.kill()
        yard.carrier.close()


@pytest.fixture
def celery(tmp_path: Path) -> Iterator[Programs]:
    """`celery("-A", "sexton.engines.celery", "worker", SEXTON_CONFIG=…)`: the command itself."""
    with programs(tmp_path) as start_program:
        yield start_program
