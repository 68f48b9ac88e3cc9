"""The four verbs of Celery, with a real Redis and a real RabbitMQ."""

from __future__ import annotations

import json
import os
import signal
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import amqp
import pytest

from sexton.app import App
from sexton.engines.carrier import EngineMessage, EngineUnreachable, MessageKind
from sexton.engines.celery import CeleryEngine
from sexton.engines.registry import engine_of
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.ports import closed_port
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer

PASSWORD = "hunter2hunter2"
DATABASE = "0123456789abcdef"
BROKERS = ("redis", "rabbitmq")
Made = Callable[..., CeleryEngine]


@pytest.fixture
def engine_for(tmp_path: Path) -> Iterator[Made]:
    """`engine_for(url)`: engines whose settings name this broker."""
    made: list[CeleryEngine] = []

    def make(url: str, **options: str) -> CeleryEngine:
        lines = [f"{name} = {json.dumps(value)}" for name, value in {"broker": url, **options}.items()]
        database = f"database = {json.dumps(f'sqlite:///{tmp_path}/home.db')}"
        file = tmp_path / "sexton.toml"
        file.write_text("\n".join([database, 'engine = "celery"', "[engines.celery]", *lines]) + "\n")
        engine = engine_of(App.load(file, create=True), "celery")
        assert isinstance(engine, CeleryEngine)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
        engine.app.database.dispose()


def message(*ids: int, high: bool = False, kind: MessageKind = MessageKind.RUN) -> EngineMessage:
    return EngineMessage(kind, ids, DATABASE, 90.0, high)


def taken(engine: CeleryEngine, queue: str) -> list[Any]:
    """What waits in a queue, taken out of it: (headers, body) of each."""
    found = []
    with engine.celery.connection_for_read() as connection, connection.channel() as channel:
        while (one := channel.basic_get(queue, no_ack=True)) is not None:
            assert one.content_type == "application/json"
            body = one.body if isinstance(one.body, bytes) else one.body.encode()
            found.append((one.headers, json.loads(body if body.startswith(b"[") else b64decode(body))))
    return found


@pytest.mark.parametrize("broker", BROKERS)
def test_a_message_is_our_text_and_nothing_else(broker: str, engine_for: Made, request: pytest.FixtureRequest) -> None:
    """Acknowledged at its start, no result, no retry; the engine's time limit is our timeouts and 60 s."""
    engine = engine_for(request.getfixturevalue(f"{broker}_url"))

    engine.submit(message(7))
    engine.submit(message(8, 9, kind=MessageKind.REQUEST, high=True))

    ((headers, (given, named, embed)),) = taken(engine, "sexton")
    assert (headers["task"], headers["id"]) == ("sexton.consume", f"sexton-{DATABASE}-run-7")
    assert (headers["timelimit"], headers["ignore_result"], headers["retries"]) == ([150.0, 150.0], True, 0)
    assert (headers["eta"], headers["expires"]) == (None, None)
    assert (given, named) == ([message(7).to_json()], {})
    assert not any(embed.values())
    ((_, (given, _, _)),) = taken(engine, "sexton.high")
    assert EngineMessage.from_json(given[0]).ids == (8, 9)


@pytest.mark.parametrize("broker", BROKERS)
def test_health_counts_what_waits(broker: str, engine_for: Made, request: pytest.FixtureRequest) -> None:
    engine = engine_for(request.getfixturevalue(f"{broker}_url"))
    empty = engine.health()
    assert (empty.reachable, empty.workers, empty.waiting, empty.oldest) == (True, 0, 0, None)

    before = datetime.now(UTC) - timedelta(seconds=1)
    for number in (1, 2, 3):
        engine.submit(message(number, high=number == 2))

    health = engine.health()
    assert (health.reachable, health.workers, health.waiting, health.trouble) == (True, 0, 3, "")
    if broker == "redis":  # RabbitMQ lets nobody look at a message without taking it
        assert health.oldest is not None
        assert before <= health.oldest <= datetime.now(UTC)
        assert health.oldest.isoformat() == taken(engine, "sexton")[0][0]["sexton_submitted"]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away_is_said_without_its_password(scheme: str, engine_for: Made) -> None:
    with closed_port() as port:
        _is_away(scheme, port, engine_for)


def _is_away(scheme: str, port: int, engine_for: Made) -> None:
    engine = engine_for(f"{scheme}://me:{PASSWORD}@127.0.0.1:{port}/0")

    with pytest.raises(EngineUnreachable, match=f"celery: the broker at 127.0.0.1:{port}") as caught:
        engine.submit(message(1))
    engine._database = DATABASE
    with pytest.raises(EngineUnreachable):
        engine.cancel(MessageKind.RUN, [1])
    health = engine.health()

    assert caught.value.exit_code == 69
    assert not health.reachable
    assert health.trouble == str(caught.value)
    assert PASSWORD not in str(caught.value) + repr(engine.options)


def test_a_wrong_password_is_said_without_it(engine_for: Made, rabbitmq_url: str) -> None:
    engine = engine_for(rabbitmq_url.replace("guest:guest", f"guest:{PASSWORD}"))

    with pytest.raises(EngineUnreachable) as caught:
        engine.submit(message(1))

    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_connection_that_broke_is_made_anew(broker: str, engine_for: Made, request: pytest.FixtureRequest) -> None:
    """The broker was restarted between two submissions: nobody has to wait for the next round."""
    server: RedisServer | RabbitMQServer = request.getfixturevalue(f"start_{broker}")()
    engine = engine_for(server.url)
    engine.submit(message(1))

    server.shut_down(crash=True)
    with pytest.raises(EngineUnreachable):
        engine.submit(message(2))
    server.boot()
    engine.submit(message(3))
    server.restart(crash=True)
    engine.submit(message(4))

    assert {headers["id"].rpartition("-")[2] for headers, _ in taken(engine, "sexton")} >= {"3", "4"}


def test_a_broker_that_stands_still_is_left_without_a_farewell(
    engine_for: Made, start_rabbitmq: Callable[..., RabbitMQServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As RabbitMQ does to who publishes while it is short of memory or disk. Nor is it called once more at once."""
    server = start_rabbitmq()
    engine = engine_for(server.url)
    engine.submit(message(1))
    monkeypatch.setattr(amqp.Connection, "send_method", lambda *_, **__: pytest.fail("a farewell"))
    monkeypatch.setattr(amqp.Connection, "connect", lambda *_, **__: pytest.fail("called once more"))

    assert server.pid is not None
    os.killpg(server.pid, signal.SIGSTOP)
    threads = list(Path(f"/proc/{server.pid}/task").iterdir())
    try:
        assert wait_until(lambda: all(") T " in (one / "stat").read_text() for one in threads), PATIENCE)
        with pytest.raises(EngineUnreachable, match="timed out"):
            engine.submit(message(2))
    finally:
        os.killpg(server.pid, signal.SIGCONT)


def test_redis_that_is_full_is_no_success(engine_for: Made, start_redis: Callable[..., RedisServer]) -> None:
    """It answers, and refuses to write."""
    server = start_redis(maxmemory="1", maxmemory_policy="noeviction")
    engine = engine_for(server.url)

    with pytest.raises(EngineUnreachable, match="maxmemory"):
        engine.submit(message(1))


@pytest.mark.parametrize("broker", BROKERS)
def test_a_fork_has_a_connection_of_its_own(broker: str, engine_for: Made, request: pytest.FixtureRequest) -> None:
    """What a child of a pool submits does not go into the parent's conversation with the broker."""
    engine = engine_for(request.getfixturevalue(f"{broker}_url"))
    engine.submit(message(1))
    (parent,) = _sockets(engine)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            engine.submit(message(2))
            status = 0 if parent not in _sockets(engine) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    engine.submit(message(3))

    assert _sockets(engine) == [parent]
    assert len(taken(engine, "sexton")) == 3


def _sockets(engine: CeleryEngine) -> list[str]:
    """The socket that it publishes on."""
    connection = engine._kept._connection
    assert connection is not None
    if engine.options.broker.startswith("amqp"):
        return [str(connection.connection.sock.getsockname())]
    pool = connection.default_channel.client.connection_pool
    return [str(one._sock.getsockname()) for one in pool._available_connections if one._sock is not None]


def test_tls_checks_who_the_broker_is(engine_for: Made, start_redis: Callable[..., RedisServer]) -> None:
    """SEC: a certificate that nobody vouches for is refused, and one of ours is taken."""
    server = start_redis(tls=True)
    url = f"rediss://127.0.0.1:{server.ports['tls']}/0"

    with pytest.raises(EngineUnreachable, match="certificate"):
        engine_for(url).submit(message(1))
    trusting = engine_for(url, broker_ca=str(server.certificate))
    trusting.submit(message(2))

    assert trusting.health().waiting == 1


def test_cancel_names_the_message(engine_for: Made, redis_url: str) -> None:
    """Nobody may hear it; the row is cancelled already."""
    engine = engine_for(redis_url)
    engine._database = DATABASE

    engine.cancel(MessageKind.RUN, [1, 2])
