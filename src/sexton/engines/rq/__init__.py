"""RQ carries runs: `engine = "rq"`, a Redis, and workers of RQ.

    [engines.rq]
    url = "env:REDIS_URL"

sexton worker --engine rq                                  workers of ours, as many as `--concurrency` says
rq worker -w sexton.engines.rq.Worker sexton.high sexton   the same one, started as RQ's users do
rq worker sexton.high sexton                               RQ's own: told to end, it waits for the run in hand

RQ's own retries, results, schedules and repeats stay off: the rows decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import RqEngine
from .horse import consume

if TYPE_CHECKING:
    from .worker import HorseWorker as Worker

__all__ = ["RqEngine", "Worker", "consume"]


def __getattr__(name: str) -> Any:
    """`Worker`, which loads RQ's."""
    if name == "Worker":
        from .worker import HorseWorker

        return HorseWorker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
