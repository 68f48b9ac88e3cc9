"""The pages for monitors as an ASGI application: served by the worker, or mounted in a product's own.

    GET /metrics           for Prometheus
    GET /api/health/cron   every job as JSON; 503 when one is too late, nothing starts them, or the worker is not well
    GET /healthz           503 when the worker's loop has not turned for 30 s, or it cannot start runs (its clock is
                           wrong, its executors do not start, the database lets none begin); asks no database
    GET /readyz            503 until the database can be read, has this package's tables and takes what the worker
                           writes, and runs can be started

No page holds a row's values, SQL or an address. Each answers in 3 s, whatever the database does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..app import App
from ..clock import iso
from ..errors import SchemaOutdated, SchemaUntrusted, SextonError
from ..telemetry.health import JobHealth
from ..telemetry.health_reader import HealthReader, HealthReading
from ..telemetry.metrics import exposition
from ..texts import visible

STILL = 30.0
"""Seconds without a turn after which the worker's loop counts as dead."""

Alive = Callable[[], float]
"""Seconds since the worker's loop turned last."""


Unfit = Callable[[], str]
"""Why the worker cannot start runs, or cannot work in its database; empty while it can. Read by strangers."""


def application(
    app: App,
    alive: Alive | None = None,
    *,
    reader: HealthReader | None = None,
    unfit: Unfit | None = None,
    unready: Unfit | None = None,
) -> ASGIApp:
    """The pages for the jobs of `app`. alive, unfit, unready: None where no worker runs in this process.

    unready: why the worker cannot work in its database, which no restart would mend.
    Whatever name it is asked for under: where it is mounted, the product decides which hosts are its own.
    reader: where the figures come from; by default one on the database of `app`.
    """
    pages = _Pages(reader or HealthReader.of(app.settings, app.registry), alive, unfit or str, unready or str)
    routes = [
        Route("/metrics", pages.metrics),
        Route("/api/health/cron", pages.jobs),
        Route("/healthz", pages.alive),
        Route("/readyz", pages.ready),
    ]
    pages_alone = Starlette(routes=routes, middleware=[Middleware(_NotStored)])
    pages_alone.router.redirect_slashes = False  # it would send people to whatever host they were told to ask for
    return pages_alone


class _Pages:
    def __init__(self, reader: HealthReader, alive: Alive | None, unfit: Unfit, unready: Unfit) -> None:
        self._reader = reader
        self._alive = alive
        self._unfit = unfit
        self._unready = unready
        self._began = time.monotonic()

    def metrics(self, request: Request) -> Response:
        body, content_type = exposition(self._reader.read(), request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    def jobs(self, request: Request) -> Response:
        answer = self._reader.read()
        worker = {"uptime": round(time.monotonic() - self._began, 3), "worker": self._turning()}
        if isinstance(answer, SextonError):
            return JSONResponse({"ok": False, "problem": _problem(answer), **worker}, 503)
        ok = answer.health.ok and not self._unwell()
        return JSONResponse({"ok": ok, **worker, **_figures(answer)}, 200 if ok else 503)

    async def alive(self, request: Request) -> Response:
        problem = self._unwell()
        return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)

    def ready(self, request: Request) -> Response:
        answer = self._reader.read()
        if isinstance(answer, SextonError):
            return PlainTextResponse(f"{_problem(answer)}\n", 503)
        problem = visible(self._unfit() or self._unready())
        return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)

    def _unwell(self) -> str:
        return "the worker's loop stands still" if self._stands_still() else visible(self._unfit())

    def _stands_still(self) -> bool:
        return self._alive is not None and self._alive() > STILL

    def _turning(self) -> dict[str, Any] | None:
        if self._alive is None:
            return None
        problem = visible(self._unfit())
        turning = {"ok": not self._unwell(), "seconds_since_turn": round(self._alive(), 3)}
        return turning | ({"problem": problem} if problem else {})


def _problem(error: SextonError) -> str:
    """For strangers: the error itself names host and database, and is for the log."""
    if isinstance(error, SchemaUntrusted):
        return "the tables of this database belong to others; run: sexton check"
    if isinstance(error, SchemaOutdated):
        return "the tables of this database are not those of this version; run: sexton migrate"
    return "the database cannot be read"


def _figures(answer: HealthReading) -> dict[str, Any]:
    health, tallies = answer.health, answer.tallies
    return {
        "time": iso(health.now),
        "leader": {"present": health.leader, "missing": health.leader_missing},
        "late": [job.job for job in health.late],
        "unseen": [job.job for job in health.unseen],
        "counted_since": iso(tallies.since),
        "counts": {job.job: tallies.jobs[job.job].successes for job in health.jobs},
        "jobs": {job.job: _job(job) for job in health.jobs},
    }


def _job(job: JobHealth) -> dict[str, Any]:
    instants = {"last_start": job.last_start, "last_success": job.last_success, "next_slot": job.next_slot}
    return {name: iso(instant) if instant else None for name, instant in instants.items()} | {
        "state": job.state,
        "seconds": job.seconds,
        "rows": job.rows,
        "failures": job.failures,
        "paused": job.paused,
        "late": job.late,
        "lateness": round(job.lateness, 3),
        "allowed_lateness": job.allowed,
    }


class _NotStored:
    """Every answer, errors too, forbids to be kept: an old health is worse than none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                start: MutableMapping[str, Any] = message
                start["headers"] = [*start.get("headers", ()), (b"cache-control", b"no-store")]
            await send(message)

        await self._app(scope, receive, sent)
