"""What is asked of a broker, within seconds: whether it answers, what waits in it, who takes from it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..carrier import EngineUnreachable, trouble
from .application import BROKER_ANSWER_SECONDS

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

SUBMITTED = "sexton_submitted"
"""Header of a message: when it was handed on, as ISO text."""

WORKER_ANSWER_SECONDS = 1.0
"""Seconds in which workers answer who take from our queues. Those who have become deaf answer as well."""


class QueueCount(NamedTuple):
    """waiting: messages that no worker has taken.  consumers: workers that take from it, None: it cannot tell.

    oldest: when the first of those was handed on; None: none waits, or it cannot tell.
    """

    waiting: int
    consumers: int | None
    oldest: datetime | None


def fresh_connection(celery: Celery) -> Connection:
    """A connection that is not made yet, and never waits longer than a few seconds for anything."""
    connection = celery.connection_for_write(connect_timeout=BROKER_ANSWER_SECONDS)
    ours: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_max": 0}
    if on_redis(connection):
        ours |= {"socket_timeout": BROKER_ANSWER_SECONDS, "socket_connect_timeout": BROKER_ANSWER_SECONDS}
    else:
        ours |= {"confirm_publish": True, "read_timeout": BROKER_ANSWER_SECONDS, "write_timeout": BROKER_ANSWER_SECONDS}
    connection.transport_options = {**(connection.transport_options or {}), **ours}
    return connection


def on_redis(connection: Connection) -> bool:
    """Whether the broker is Redis, or what speaks like it."""
    return bool(connection.transport.driver_type == "redis")


@contextmanager
def answering(celery: Celery) -> Iterator[None]:
    """EngineUnreachable, in one line and without a password, for whatever the broker's library raises."""
    try:
        yield
    except _troubles() as error:
        text = trouble(str(error) or type(error).__name__)
        place = celery.connection_for_write().host
        raise EngineUnreachable(f"celery: the broker at {place} does not answer as it should: {text}") from error


def _troubles() -> tuple[type[BaseException], ...]:
    from amqp.exceptions import AMQPError, MessageNacked
    from kombu.exceptions import KombuError

    found: list[type[BaseException]] = [OSError, KombuError, AMQPError, MessageNacked]
    with suppress(ImportError):
        from redis.exceptions import RedisError

        found.append(RedisError)
    return tuple(found)


class KeptConnection:
    """One connection for a process, for publishing. A process that was forked makes its own. Thread-safe."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._process = 0

    @contextmanager
    def producer(self) -> Iterator[Any]:
        """A producer on it, alone; after an error it is closed, and the next time a fresh one is made."""
        with self._lock:
            try:
                yield self._celery.amqp.Producer(self._own())
            except BaseException:
                self._hang_up()
                self._close()
                raise

    @property
    def made(self) -> bool:
        """Whether there is one already, which may have broken since."""
        return self._connection is not None and self._process == os.getpid()

    def close(self) -> None:
        """Give it back."""
        with self._lock:
            self._close()

    def _own(self) -> Connection:
        if not self.made:
            self._connection, self._process = fresh_connection(self._celery), os.getpid()
        assert self._connection is not None
        return self._connection

    def _hang_up(self) -> None:
        """Without the farewells of AMQP: one that is frozen, or full, makes us wait longer than a lease."""
        talk: Any = getattr(self._connection, "_connection", None)
        if self._process == os.getpid() and hasattr(talk, "collect"):
            talk.collect()

    def _close(self) -> None:
        left, self._connection = self._connection, None
        if left is not None and self._process == os.getpid():  # else it is our parent's, who still uses it
            with suppress(*_troubles()):
                left.release()


def count(connection: Connection, queues: Iterable[str]) -> list[QueueCount]:
    """What waits in each of these queues; one that nobody has declared yet is empty. Errors of the library pass."""
    return [_count(connection, queue) for queue in queues]


def _count(connection: Connection, queue: str) -> QueueCount:
    redis = on_redis(connection)
    with connection.channel() as channel:  # one for each, as RabbitMQ closes it when there is no such queue
        try:
            declared = channel.queue_declare(queue=queue, passive=True)
        except connection.channel_errors as error:
            if getattr(error, "reply_code", getattr(error, "code", None)) not in (404, "404"):
                raise
            return QueueCount(0, None if redis else 0, None)
        oldest = _oldest(channel, queue) if redis and declared.message_count else None
        return QueueCount(declared.message_count, None if redis else declared.consumer_count, oldest)


def _oldest(channel: Any, queue: str) -> datetime | None:
    """When the next message to be taken was handed on, as its header says; Redis only, which lets one look."""
    with suppress(ValueError, TypeError, KeyError):  # a message of somebody else
        found = channel.client.lindex(queue, -1)
        return datetime.fromisoformat(json.loads(found)["headers"][SUBMITTED]) if found else None
    return None


def workers_of(celery: Celery, connection: Connection, queues: Iterable[str]) -> int:
    """How many workers say that they take from one of these queues."""
    said = celery.control.inspect(timeout=WORKER_ANSWER_SECONDS, connection=connection).active_queues() or {}
    ours = set(queues)
    return sum(any(queue.get("name") in ours for queue in taken or ()) for taken in said.values())
