"""Serve the pages from a thread of the worker: no signal handler is touched, and the end is waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from ..app import App
from ..config.monitoring_settings import address_of
from ..errors import SettingsError
from ..telemetry.health_reader import HealthReader
from .application import Alive, Unfit, application
from .connections import MAX_CONNECTIONS, Connection, Crowd
from .hosts import OwnHosts

LONGEST_END = 3.0
"""Seconds that answers under way may still take when the worker ends."""

LONGEST_HEAD = 16 * 1024
"""Bytes of a request before its end; a longer one gets 400."""


@contextmanager
def serving(
    app: App,
    listen: str,
    alive: Alive | None = None,
    reader: HealthReader | None = None,
    unfit: Unfit | None = None,
    unready: Unfit | None = None,
) -> Iterator[tuple[str, int]]:
    """Serve the pages of `application` on `listen`, "127.0.0.1:8787", inside the block.

    Gives host and port, as port 0 takes any that is free. SettingsError when the address cannot be had.
    """
    listening = _listening(listen)
    pages = Crowd(application(app, alive, reader=reader, unfit=unfit, unready=unready))
    server = uvicorn.Server(_config(OwnHosts(pages, (*app.settings.web.hosts, address_of(listen)[0]))))
    thread = Thread(target=asyncio.run, args=(_served(server, listening),), name="sexton-web", daemon=True)
    thread.start()
    try:
        host, port = listening.getsockname()[:2]
        yield host, port
    finally:
        server.should_exit = True
        thread.join(LONGEST_END + 2)
        listening.close()


async def _served(server: uvicorn.Server, listening: socket.socket) -> None:
    # Without descriptors asyncio would log each call that it cannot take, thousands a second; the worker says it once.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    await server.serve([listening])


def _listening(listen: str) -> socket.socket:
    try:
        host, port = address_of(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except ValueError as error:
        raise SettingsError(f"web.listen: {error}") from error
    except OSError as error:
        raise SettingsError(f"web.listen: cannot listen on {listen}: {error.strerror or error}") from error


def _config(pages: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        pages,
        log_config=None,  # the worker writes the log; a line a scrape would drown it
        log_level="critical",
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http=Connection,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        backlog=MAX_CONNECTIONS,
        ws="none",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(LONGEST_END),
        server_header=False,
    )
