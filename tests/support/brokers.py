"""A plugin: fixtures of Redis and RabbitMQ, one of each for a test process, started when first asked for.

def test_submit(redis_url): ...                   # a database of one's own on the shared server
def test_outage(start_redis): server = start_redis()   # one to stop, kill and wipe
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .databases import Databases
from .rabbitmq_server import RabbitMQServer
from .redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server(databases: Databases) -> Iterator[RedisServer]:
    """The shared Redis. A test asks for its own part by `redis_url`, and restarts only servers of its own."""
    with RedisServer(databases.folder) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server(databases: Databases) -> Iterator[RabbitMQServer]:
    """The shared RabbitMQ. A test asks for its own part by `rabbitmq_url`, and restarts only servers of its own."""
    with RabbitMQServer(databases.folder) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty database of Redis. Channels of publish and subscribe are not apart."""
    return redis_server.fresh()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQServer) -> str:
    """URL of a new virtual host of RabbitMQ."""
    return rabbitmq_server.fresh()


@pytest.fixture
def start_redis(databases: Databases) -> Iterator[Callable[..., RedisServer]]:
    """`start_redis(tls=True, maxmemory="1mb")`: servers of the test's own, stopped at its end."""
    started: list[RedisServer] = []

    def start(*, tls: bool = False, **settings: str) -> RedisServer:
        started.append(RedisServer(databases.folder, tls=tls, **settings))
        started[-1].boot()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def start_rabbitmq(databases: Databases) -> Iterator[Callable[..., RabbitMQServer]]:
    """`start_rabbitmq(consumer_timeout="60000")`: servers of the test's own, stopped at its end."""
    started: list[RabbitMQServer] = []

    def start(**settings: str) -> RabbitMQServer:
        started.append(RabbitMQServer(databases.folder, **settings))
        started[-1].boot()
        return started[-1]

    yield start
    for server in started:
        server.stop()
