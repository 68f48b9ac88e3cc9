"""What would hurt in the Redis of RQ: messages that it may drop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...doctor.finding import Finding

if TYPE_CHECKING:
    from redis import Redis

ABOUT_RQ = "rq"


def of_redis(redis: Redis) -> Iterator[Finding]:
    """Asked by INFO, which managed servers allow where they refuse CONFIG. Errors of the library pass."""
    known: dict[str, Any] = {}
    for section in ("persistence", "memory"):
        known |= redis.info(section)
    if str(known.get("aof_enabled", "0")) != "1":
        yield Finding(
            "warning",
            ABOUT_RQ,
            "Redis has appendonly off: when it ends unexpectedly, messages since its last snapshot are lost, and "
            "submitted again after a minute; CONFIG SET appendonly yes",
        )
    policy = str(known.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        yield Finding(
            "warning",
            ABOUT_RQ,
            f"Redis drops keys, messages too, when its memory is short (maxmemory-policy {policy}); set noeviction",
        )
