"""The worker's side of the Procrastinate engine: the one task, the app that has it, and its worker.

All tasks of a Procrastinate worker share one process, which must not end with a run: so each runs in a warm executor.
A worker that is told to end, and a message that is to be aborted, cancel the task; that asks the run to end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

try:
    import procrastinate
    import psycopg
    from procrastinate.exceptions import ProcrastinateException
    from procrastinate.job_context import AbortReason
except ModuleNotFoundError as error:
    from ...errors import SettingsError
    from .schema import MISSING_LIBRARY

    raise SettingsError(MISSING_LIBRARY) from error

from ...config.worker_settings import MAX_CONCURRENCY
from ...db.connect import connection_arguments
from ...db.faults import driver_words
from ...errors import causes
from ...runs.stop_signals import Stop
from ...telemetry import logs
from .. import consumer
from ..carrier import MessageKind
from ..product_app import product_app
from ..registry import engine_of
from .messages import TASK

if TYPE_CHECKING:
    from ...app import App
    from .options import ProcrastinateOptions

CONNECTION_SECONDS = 10.0
"""Seconds in which the database has to give a connection; then the worker begins again."""

FIRST_DATABASE_REST = 1.0
"""Seconds until a worker begins again that lost its database; twice as long each time."""

LONGEST_DATABASE_REST = 30.0
"""At most so long."""

_threads = ThreadPoolExecutor(MAX_CONCURRENCY, thread_name_prefix="sexton")


async def _consume(context: procrastinate.JobContext, message: Mapping[str, Any]) -> None:
    """Take one message; back when all its runs have ended, were ended, or are somebody else's."""
    loop = asyncio.get_running_loop()
    working = loop.run_in_executor(_threads, _take, json.dumps(message))
    cancelled = False
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled = True
            if context.abort_reason() != AbortReason.USER_REQUEST:
                consumer.stop().ask("its worker of Procrastinate ends")
            elif message["kind"] == MessageKind.RUN:
                consumer.ask_to_end(message["ids"])
    if cancelled:
        raise asyncio.CancelledError


def _take(text: str) -> None:
    consumer.consume(consumer.app(), text, own_process=False, engine="procrastinate")


def register(product: procrastinate.App) -> None:
    """Add our task to a product's own app, where it is not there yet: its workers then take our messages, too."""
    if TASK not in product.tasks:
        product.task(name=TASK, pass_context=True)(_consume)


@cache
def app_of_settings() -> procrastinate.App:
    """The app of `sexton.toml`, for Procrastinate's own command line. SettingsError."""
    app = consumer.app()
    engine: Any = engine_of(app, "procrastinate")
    return _app_for(app, engine.options)


def _app_for(app: App, options: ProcrastinateOptions) -> procrastinate.App:
    """The product's, or one that connects as Sexton does, in a session that finds Procrastinate's schema."""
    if options.app:
        found: procrastinate.App = product_app("engines.procrastinate.app", options.app, procrastinate.App, app.folder)
        register(found)
        return found
    arguments = connection_arguments(app.settings.database)
    path = f"-c search_path={options.place},pg_temp"
    arguments["options"] = f"{arguments['options']} {path}" if "options" in arguments else path
    arguments["application_name"] = "sexton procrastinate"
    ours = procrastinate.App(
        connector=procrastinate.PsycopgConnector(kwargs=arguments, min_size=1, max_size=4, timeout=CONNECTION_SECONDS),
        worker_defaults=_worker_options(options),
    )
    register(ours)
    return ours


def _worker_options(options: ProcrastinateOptions) -> Any:
    """Messages are deleted when they are over; a worker that is to end asks runs to end before it waits for them."""
    return {
        "queues": list(options.queues),
        "delete_jobs": "always",
        "shutdown_graceful_timeout": 0.0,
        "name": "sexton",
    }


def work(app: App, options: ProcrastinateOptions, concurrency: int, stop: Stop) -> int:
    """Work until `stop` is asked; begin again whenever the database was lost. The exit code, 0."""
    rest = FIRST_DATABASE_REST
    try:
        while not stop.asked:
            began = asyncio.run(_session(_app_for(app, options), options, concurrency, stop))
            rest = FIRST_DATABASE_REST if began else min(2 * rest, LONGEST_DATABASE_REST)
            if not stop.asked:
                logs.emit(logs.said("engine worker begins again", engine="procrastinate", seconds=rest))
                stop.wait(rest)
    finally:
        consumer.close_executors()
    return 0


async def _session(worker: procrastinate.App, options: ProcrastinateOptions, concurrency: int, stop: Stop) -> bool:
    """One worker from its start to its end, which comes by itself when it loses the database. Whether it began."""
    began = False

    async def serve() -> None:
        nonlocal began
        async with worker.open_async():
            began = True
            # One that lost its database leaves its runs in peace: each finds out for itself.
            more = {**_worker_options(options), "shutdown_graceful_timeout": None}
            await worker.run_worker_async(**more, concurrency=concurrency, install_signal_handlers=False)

    loop = asyncio.get_running_loop()
    serving = loop.create_task(serve())

    def ask() -> None:
        loop.remove_reader(stop.fileno())
        consumer.stop().ask(stop.reason)
        serving.cancel()

    loop.add_reader(stop.fileno(), ask)
    try:
        with suppress(asyncio.CancelledError):
            await serving
    except (ProcrastinateException, psycopg.Error, OSError) as error:
        logs.emit(logs.said("engine worker lost its database", engine="procrastinate", error=_words(error)))
    finally:
        loop.remove_reader(stop.fileno())
    return began


def _words(error: BaseException) -> str:
    """Of the driver's error, behind that of the library."""
    return next(filter(None, map(driver_words, causes(error))), type(error).__name__)
