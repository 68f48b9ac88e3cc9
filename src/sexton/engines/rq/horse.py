"""What a work-horse of RQ does with a message. RQ finds it by its name, `FUNCTION`; nothing of RQ is loaded here."""

from __future__ import annotations

import os

FUNCTION = "sexton.engines.rq.consume"
"""What each message of ours names."""


def consume(text: str) -> None:
    """Take one message; back when all its runs have ended, or are somebody else's.

    A work-horse is a process of its own, which may end with a run. A worker that forks none hands the run to an
    executor.
    """
    from .. import consumer

    own = is_horse()
    if own:
        consumer.forget_connections()
    consumer.consume(consumer.app(), text, own_process=own, engine="rq")


def is_horse() -> bool:
    """Whether this process was made for the message that it has."""
    from rq import get_current_job

    job = get_current_job()
    return job is not None and os.environ.get("RQ_JOB_ID") == job.id
