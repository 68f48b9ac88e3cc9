"""What a request finds under `request.app.state.sexton`: jobs on demand, and how the worker of the servers is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from ..app import App
from ..clock import iso
from ..jobs.on_demand import NO_WISH, Wish
from .host import WorkerHost

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session


class SextonState:
    """One server process. app: its Sexton, to be read, and asked for what is not here."""

    def __init__(self, app: App, host: WorkerHost) -> None:
        self.app = app
        self._host = host

    def enqueue(
        self, name: str, /, *, using: Connection | Session | None = None, wish: Wish = NO_WISH, **arguments: Any
    ) -> int:
        """`App.enqueue`, from an endpoint that is no coroutine: it waits for the database."""
        return self.app.enqueue(name, using=using, wish=wish, **arguments)

    def enqueue_many(
        self,
        name: str,
        many: Iterable[Mapping[str, Any]],
        /,
        *,
        using: Connection | Session | None = None,
        wish: Wish = NO_WISH,
    ) -> list[int]:
        """`App.enqueue_many`, which waits for the database, too."""
        return self.app.enqueue_many(name, many, using=using, wish=wish)

    async def enqueue_async(
        self,
        name: str,
        /,
        *,
        using: AsyncConnection | AsyncSession | None = None,
        wish: Wish = NO_WISH,
        **arguments: Any,
    ) -> int:
        """`App.enqueue_async`, from a coroutine. using: None: in a transaction of its own, waited for in a thread."""
        if using is None:
            return await anyio.to_thread.run_sync(lambda: self.enqueue(name, wish=wish, **arguments))
        return await self.app.enqueue_async(name, using=using, wish=wish, **arguments)

    def health(self) -> dict[str, Any]:
        """For a monitor: `ok`, `role`, `since`, `worker` where this process has it, `problem`. Asks no database."""
        report, worker = self._host.report, self._host.worker
        return {
            "ok": not report.problem and report.role in ("leading", "standing by"),
            "role": report.role,
            "since": iso(report.since),
            "worker": {
                "alive": worker.alive,
                "since": iso(worker.since) if worker.since else None,
                "starts": worker.starts,
            }
            if report.role == "leading"
            else None,
            "problem": report.problem or None,
        }
