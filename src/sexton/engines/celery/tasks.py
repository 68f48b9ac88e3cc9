"""The one task of ours: it takes a message, and hands it to `consume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import pool_processes
from .options import CELERY_TASK

if TYPE_CHECKING:
    from celery import Celery


def install(app: Celery) -> None:
    """Let the workers of this application carry Sexton's runs; they take them from the queues of `[engines.celery]`.

    Our task is acknowledged at its start, keeps no result and is never retried: the rows of Sexton see to all that.
    Your other tasks and all settings of the application stay as they are. Nothing is loaded or connected by it.
    """
    app.task(
        take,
        name=CELERY_TASK,
        acks_late=False,
        ignore_result=True,
        store_errors_even_if_ignored=False,
        max_retries=0,
        rate_limit=0,  # none: with None it would have that of the product's settings
        track_started=False,
        serializer="json",
        shared=False,
    )
    pool_processes.connect()


def take(*given: object, **named: object) -> None:
    """Do what a message says. Whatever else comes under this name is told in one line, and forgotten."""
    from .. import consumer

    text: Any = given[0] if len(given) == 1 and not named else None
    with pool_processes.carrying():
        consumer.consume(consumer.app(), text, own_process=pool_processes.is_one(), engine="celery")
