"""What would hurt in the Redis of an engine: messages that it may drop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..doctor.finding import Finding


def redis_findings(about: str, known: Mapping[str, Any]) -> Iterator[Finding]:
    """about: the engine.  known: what INFO says, which managed servers allow where they refuse CONFIG."""
    if str(known.get("aof_enabled", "0")) != "1":
        text = "Redis has appendonly off: when it ends unexpectedly, messages since its last snapshot are lost, and "
        yield Finding("warning", about, text + "submitted again after a minute; CONFIG SET appendonly yes")
    policy = str(known.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        text = f"Redis drops keys, messages too, when memory is short (maxmemory-policy {policy}); set it to noeviction"
        yield Finding("warning", about, text)
