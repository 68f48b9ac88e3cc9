"""Redis as RQ's engine asks it: connected when first used, never waited for longer than a few seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import SettingsError
from ..carrier import EngineUnreachable, trouble

try:
    import rq  # noqa: F401  # here, so that one message names what to install
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ModuleNotFoundError as error:
    raise SettingsError("engines.rq: its library is not installed; run: pip install 'sexton[rq]'") from error

ANSWER_SECONDS = 4.0
"""Seconds in which Redis has to connect, and to answer."""


def client(address: str) -> Redis:
    """For questions and for handing on: nothing is tried twice, as nobody would know what the first try did."""
    return Redis.from_url(
        address,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        health_check_interval=25,
        retry=Retry(NoBackoff(), 0),
    )


def waiting_client(address: str) -> Redis:
    """For a worker, which waits for messages; RQ itself sets how long."""
    return Redis.from_url(address, socket_connect_timeout=ANSWER_SECONDS, socket_keepalive=True)


@contextmanager
def answering() -> Iterator[None]:
    """EngineUnreachable, in one line and without a password, for whatever Redis or its library says."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise EngineUnreachable(f"rq: Redis does not answer as it should: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """What the library says, without credentials."""
    return trouble(str(error) or type(error).__name__)
