"""What would hurt in a broker: messages that it may drop, or bring twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...doctor.finding import Finding
from ...errors import SextonError
from ..carrier import TIMEOUT_MARGIN_SECONDS
from ..redis_findings import redis_findings
from .broker import answering, fresh_connection, on_redis

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

    from ...app import App
    from .options import CeleryOptions


ABOUT = "celery"

CONSUMER_TIMEOUT_SECONDS = 1800.0
"""After which RabbitMQ by default closes the channel of a worker that holds a message that it has not begun."""

POLICIES_SINCE = (3, 12)
"""Version of RabbitMQ from which a policy may say so of single queues."""

NEAR_SECONDS = 300.0
"""A job with a timeout so near to that may reach it, as messages are brought before a process is free."""

VISIBILITY_SECONDS = 3600.0
"""After which Celery by default brings a message again that a worker of Redis holds and has not begun."""


def findings(app: App, options: CeleryOptions, celery: Celery) -> Iterator[Finding]:
    """Of this application of Celery, and of the broker behind it. app: whose jobs are asked for their timeouts."""
    longest = max((job.time_limit.total_seconds() for job in app.registry if job.engine == "celery"), default=0.0)
    try:
        with answering(celery), fresh_connection(celery) as connection:
            connection.ensure_connection(max_retries=1)
            if on_redis(connection):
                yield from _of_redis(connection, longest)
            else:
                yield from _of_rabbitmq(connection, longest, options.queues)
    except SextonError as error:
        yield Finding("wrong", ABOUT, str(error))
        return
    yield from _of_application(options, celery)


def _of_application(options: CeleryOptions, celery: Celery) -> Iterator[Finding]:
    accepted = {str(one).rpartition("/")[2].removeprefix("x-python-serialize") for one in celery.conf.accept_content}
    if accepted & {"", "pickle"}:
        text = (
            f"{options.app} accepts pickle: whoever may write to the broker can run code in its workers; "
            "`sexton worker --engine celery` accepts JSON only"
        )
        yield Finding("warning", ABOUT, text)


def _of_redis(connection: Connection, longest: float) -> Iterator[Finding]:
    with connection.channel() as channel:
        known: dict[str, Any] = channel.client.info("everything")
    yield from redis_findings(ABOUT, known)
    options = connection.transport_options or {}
    visible = float(options.get("visibility_timeout", VISIBILITY_SECONDS))
    if longest + TIMEOUT_MARGIN_SECONDS > visible:
        text = (
            f"a message that waits in a worker for longer than {visible:g} s is brought again, and the longest timeout "
            f"is {longest:g} s; nothing runs twice, the second is counted as a duplicate"
        )
        yield Finding("note", ABOUT, text)


def _of_rabbitmq(connection: Connection, longest: float, queues: Iterable[str]) -> Iterator[Finding]:
    if longest < CONSUMER_TIMEOUT_SECONDS - NEAR_SECONDS:
        return
    limit = int((longest + NEAR_SECONDS) * 1000)
    pattern = "|".join(queue.replace(".", "\\.") for queue in queues)
    remedy = f"consumer_timeout = {limit} in rabbitmq.conf"
    if _version(connection) >= POLICIES_SINCE:
        policy = f"'^({pattern})$' '{{\"consumer-timeout\": {limit}}}'"
        remedy = f"rabbitmqctl set_policy sexton {policy} --apply-to queues"
    text = (
        f"the longest timeout is {longest:g} s, and RabbitMQ by default closes the channel of a worker that holds a "
        f"message for 30 minutes before it begins it; raise that: {remedy}"
    )
    yield Finding("warning", ABOUT, text)


def _version(connection: Connection) -> tuple[int, ...]:
    said = str(connection.connection.server_properties.get("version", "0"))
    return tuple(int(part) for part in said.split(".")[:2] if part.isdigit())
