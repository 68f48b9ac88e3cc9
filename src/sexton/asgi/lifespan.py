"""The lifespan of an API server with Sexton inside: `FastAPI(lifespan=lifespan("sexton.toml"))`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.to_thread

from ..app import App
from ..config import load
from ..errors import UsageError
from .host import WorkerHost
from .state import SextonState
from .worker_process import Launch, WorkerProcess

ServerLifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
"""What Starlette and FastAPI take as `lifespan`; it yields the state that requests see."""

InnerLifespan: TypeAlias = ServerLifespan | Callable[[Any], AbstractAsyncContextManager[None]]


def lifespan(app: App | str | os.PathLike[str], inner: InnerLifespan | None = None) -> ServerLifespan:
    """A lifespan under which one of all server processes has a worker, and requests find `app.state.sexton`.

    app: from `App.load`, or the path of its settings file, which is read when the server starts.
    inner: the product's own lifespan, entered inside this one; what it yields reaches `request.state`, too.
    The server starts although the database is away; `health` says so. When it ends, the worker has 10 s to end.
    Raises at the start SettingsError, UsageError for settings that cannot be right.
    """

    @asynccontextmanager
    async def entered(server: Any) -> AsyncIterator[Mapping[str, Any]]:
        loaded = app if isinstance(app, App) else App.load(Path(app))
        host = WorkerHost(loaded, WorkerProcess(launch_of(loaded)))
        state = server.state.sexton = SextonState(loaded, host)
        host.start()
        try:
            async with inner(server) if inner is not None else nullcontext() as theirs:
                yield {"sexton": state, **(theirs or {})}
        finally:
            with anyio.CancelScope(shield=True):  # a limiter of our own: requests that hang may have all other threads
                await anyio.to_thread.run_sync(host.stop, limiter=anyio.CapacityLimiter(1))
            if loaded is not app:
                loaded.database.dispose()

    return entered


def launch_of(app: App) -> Launch:
    """How the worker finds the same settings. UsageError for settings that no file and no environment has."""
    file = next((str(file.absolute()) for file in app.files if file.name != ".env"), None)
    found = load(Path(file) if file else None)
    if replace(found, database=app.settings.database) != app.settings:
        raise UsageError(
            "lifespan: the worker reads its settings again, and would find others than this app has; "
            'take App.load(…), or name the settings file: lifespan("sexton.toml")'
        )
    environment = {"SEXTON_CONFIG": file} if file else {}
    if found.database != app.settings.database:
        environment["SEXTON_DATABASE"] = app.settings.database
    return Launch(environment, app.settings.jobs)
