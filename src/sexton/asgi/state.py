"""What a request finds under `request.app.state.sexton`: jobs on demand, and how the worker of the servers is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread

from ..app import App
from ..clock import iso
from ..errors import UsageError
from .host import WorkerHost

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session


class SextonState:
    """One server process. app: its Sexton, whose `registry` and `settings` may be read."""

    def __init__(self, app: App, host: WorkerHost) -> None:
        self.app = app
        self._host = host

    def enqueue(self, name: str, /, *, using: Connection | Session | None = None, **options: Any) -> int:
        """Ask for a job on demand, as `App.enqueue` does; the number of the request.

        using: the transaction that it belongs to; None: one of its own, which is committed.
        options: the job's arguments, and `wish`.
        UsageError for what has to be awaited; else what `App.enqueue` raises.
        """
        if hasattr(using, "run_sync"):
            raise UsageError(
                f"enqueue({name!r}): this connection has to be awaited; write: await …aenqueue({name!r}, …)"
            )
        return self.app.enqueue(name, using=using, **options)

    async def aenqueue(
        self, name: str, /, *, using: AsyncConnection | AsyncSession | None = None, **options: Any
    ) -> int:
        """The same for what is awaited: an AsyncConnection, an AsyncSession; None: in a thread, by one of its own.

        UsageError for a connection that is not awaited; else what `App.enqueue` raises.
        """
        if using is None:
            return await anyio.to_thread.run_sync(lambda: self.enqueue(name, **options))
        if not hasattr(using, "run_sync"):
            raise UsageError(f"aenqueue({name!r}): this connection is not awaited; write: enqueue({name!r}, …)")
        return await using.run_sync(lambda inner: self.enqueue(name, using=inner, **options))

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
