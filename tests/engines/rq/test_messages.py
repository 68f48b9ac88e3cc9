"""Messages in RQ's queues: handed on, named, forgotten, counted; what Redis says is told without its password."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from sexton.app import App
from sexton.config.reading import read_into
from sexton.db.database_identity import identity
from sexton.engines.carrier import EngineMessage, EngineUnreachable, MessageKind
from sexton.engines.rq.engine import SAME_MESSAGE, RqEngine
from sexton.engines.rq.horse import FUNCTION
from sexton.engines.rq.options import RqOptions
from sexton.engines.rq.worker import OwnSerializer
from sexton.errors import SettingsError
from tests.support.ports import closed_port
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.databases("sqlite")

RUN, REQUEST = MessageKind.RUN, MessageKind.REQUEST


def message(app: App, *ids: int, kind: MessageKind = RUN, high: bool = False, seconds: float = 600.0) -> EngineMessage:
    """Of the app's database."""
    with app.database.begin() as connection:
        return EngineMessage(kind, ids, identity(connection), seconds=seconds, high=high)


def waiting(url: str, queue: str = "sexton") -> list[Job]:
    """The messages in a queue, the next one first."""
    found: list[Job] = Queue(queue, connection=Redis.from_url(url)).get_jobs()
    return found


def test_bj_25_a_message_is_json_and_nothing_of_rq_is_used_but_the_carrying(
    app: App, carrier: RqEngine, redis_url: str
) -> None:
    sent = message(app, 17, seconds=599.5)
    carrier.submit(sent)
    carrier.submit(message(app, 1, 2, 3, kind=REQUEST, high=True))

    (job,) = waiting(redis_url)
    assert (job.func_name, job.args, job.kwargs) == (FUNCTION, (sent.to_json(),), {})
    assert (job.timeout, job.result_ttl, job.failure_ttl, job.retries_left) == (660, 0, 300, None)
    assert job.description == "sexton: run 17"
    assert job.id == f"sexton-{sent.database}-run-17-1"
    (high,) = waiting(redis_url, "sexton.high")
    assert EngineMessage.from_json(high.args[0]).ids == (1, 2, 3)


def test_submitted_again_it_is_another_message_of_which_there_may_be_many(
    app: App, carrier: RqEngine, redis_url: str
) -> None:
    again = message(app, 17)
    for _ in range(SAME_MESSAGE + 2):
        carrier.submit(again)

    names = [job.id for job in waiting(redis_url)]
    assert len(set(names)) == SAME_MESSAGE + 2
    assert names[:2] == [f"sexton-{again.database}-run-17-1", f"sexton-{again.database}-run-17-2"]


def test_cancelled_messages_never_start(app: App, carrier: RqEngine, redis_url: str) -> None:
    for ids in [(1,), (2,), (2,), (2, 3), (4,)]:
        carrier.submit(message(app, *ids))
    carrier.submit(message(app, 2, kind=REQUEST))

    carrier.cancel(RUN, [1, 2, 99])

    left = [EngineMessage.from_json(job.args[0]) for job in waiting(redis_url)]
    assert [(one.kind, one.ids) for one in left] == [(RUN, (2, 3)), (RUN, (4,)), (REQUEST, (2,))]


def test_health_tells_what_waits_and_since_when(app: App, carrier: RqEngine) -> None:
    idle = carrier.health()
    assert (idle.reachable, idle.workers, idle.waiting, idle.oldest, idle.trouble) == (True, 0, 0, None, "")
    before = datetime.now(UTC)
    for number in (1, 2):
        carrier.submit(message(app, number, high=number == 1))

    health = carrier.health()

    assert (health.reachable, health.workers, health.waiting) == (True, 0, 2)
    assert health.oldest is not None
    assert 0 <= (health.oldest - before).total_seconds() < 600


def test_a_redis_that_is_down_is_said_in_one_line_without_the_password(app: App) -> None:
    with closed_port() as port:
        carrier = RqEngine(app, RqOptions(url=f"redis://sexton:s3cret@127.0.0.1:{port}/0"))
        with pytest.raises(EngineUnreachable, match="Redis does not answer") as caught:
            carrier.submit(message(app, 1))
        with pytest.raises(EngineUnreachable):
            carrier.cancel(RUN, [1])
        health = carrier.health()
        found = list(carrier.findings())
    assert not health.reachable
    assert [finding.level for finding in found] == ["wrong"]
    for text in (str(caught.value), health.trouble, found[0].text, repr(carrier.options)):
        assert "s3cret" not in text
        assert "\n" not in text


def test_it_goes_on_when_redis_is_back(app: App, start_redis: Callable[..., RedisServer]) -> None:
    server = start_redis()
    carrier = RqEngine(app, RqOptions(url=server.url))
    carrier.submit(message(app, 1))
    server.shut_down(crash=True)
    with pytest.raises(EngineUnreachable):
        carrier.submit(message(app, 2))
    server.boot()

    carrier.submit(message(app, 3))

    assert [EngineMessage.from_json(job.args[0]).ids for job in waiting(server.url)] == [(1,), (3,)]
    carrier.close()


def test_doctor_wants_redis_to_keep_what_it_was_given(app: App, start_redis: Callable[..., RedisServer]) -> None:
    good, poor = start_redis(), start_redis(appendonly="no", maxmemory="64mb", maxmemory_policy="allkeys-lru")

    def said(server: RedisServer) -> list[str]:
        carrier = RqEngine(app, RqOptions(url=server.url))
        found = list(carrier.findings())
        carrier.close()
        assert {finding.level for finding in found} <= {"warning"}
        return [finding.text for finding in found]

    assert said(good) == []
    aof, memory = said(poor)
    assert "appendonly" in aof
    assert "maxmemory-policy allkeys-lru" in memory


def test_over_tls_the_certificate_is_checked(app: App, start_redis: Callable[..., RedisServer]) -> None:
    server = start_redis(tls=True)
    carrier = RqEngine(app, RqOptions(url=server.tls_url))
    carrier.submit(message(app, 1))
    carrier.close()
    assert len(waiting(server.url)) == 1

    unknown = RqEngine(app, RqOptions(url=server.tls_url.partition("?")[0]))
    with pytest.raises(EngineUnreachable, match="certificate"):
        unknown.submit(message(app, 2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "engines.rq.url: name your Redis"),
        ({"url": "env:NO_SUCH_REDIS"}, "the variable NO_SUCH_REDIS is not set"),
        ({"url": "env:ODD_REDIS"}, "ODD_REDIS: an address of redis, rediss, unix, such as redis://host:6379/0"),
        ({"url": "amqp://user:s3cret@host/"}, "an address of redis, rediss, unix"),
        ({"url": "redis://h", "queue": "a b"}, "need two different names"),
        ({"url": "redis://h", "queue": "one", "high_queue": "one"}, "need two different names"),
    ],
)
def test_wrong_options_are_one_clear_line(
    app: App, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], words: str
) -> None:
    monkeypatch.setenv("ODD_REDIS", "http://user:s3cret@host")
    with pytest.raises(SettingsError, match=words) as caught:
        RqEngine(app, read_into(RqOptions, options, where="engines.rq"))
    assert "s3cret" not in str(caught.value)


def test_an_address_may_come_from_the_environment(app: App, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("SHOP_REDIS", redis_url)
    carrier = RqEngine(app, RqOptions(url="env:SHOP_REDIS"))
    carrier.submit(message(app, 1))
    carrier.close()
    assert len(waiting(redis_url)) == 1


def test_sec_our_workers_read_plain_values_only() -> None:
    """Whoever may write to Redis must not choose what a worker runs while it reads."""
    plain = (FUNCTION, None, ("text", 1), {"a": [1.5, None]})
    assert OwnSerializer.loads(OwnSerializer.dumps(plain)) == plain
    with pytest.raises(pickle.UnpicklingError, match="names no"):
        OwnSerializer.loads(pickle.dumps((os.system, None, ("true",), {})))
