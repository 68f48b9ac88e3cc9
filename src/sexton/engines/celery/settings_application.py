"""The application of Celery that the settings name, for processes that Celery itself starts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ...console import complain
from ...errors import SextonError
from .. import consumer
from ..registry import engine_of
from .application import queue_in
from .engine import CeleryEngine

if TYPE_CHECKING:
    from celery import Celery


@cache
def application_of_settings() -> Celery:
    """That of the settings: what `celery -A sexton.engines.celery` works with. SettingsError.

    An application of the product also gets our queues: its workers take from them where no `-Q` says otherwise.
    """
    engine = engine_of(consumer.app(), "celery")
    assert isinstance(engine, CeleryEngine)
    found = engine.celery
    if engine.options.app:
        for name in engine.options.queues:
            found.amqp.queues.select_add(queue_in(found, name))
    return found


def application_or_end() -> Celery:
    """The same for the `celery` command, which would print a traceback: wrong settings end it, a line for each."""
    try:
        return application_of_settings()
    except SextonError as error:
        complain(*error.lines)
        raise SystemExit(error.exit_code) from None
