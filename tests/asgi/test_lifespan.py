"""`lifespan` and `health` in one process: order of entering, state, mounted applications, settings, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message

from sexton import App
from sexton.asgi import SextonState, health, lifespan
from sexton.asgi.lifespan import launch_of
from sexton.config import Settings
from sexton.errors import SettingsError, UsageError
from tests.support.children import write_settings
from tests.support.leaks import runs
from tests.support.worker import JOBS, LONG

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def config(database: str, tmp_path: Path) -> Path:
    """A settings file."""
    write_settings(tmp_path, database, jobs=JOBS, lease=LONG, renew="500ms")
    return tmp_path / "sexton.toml"


Application = Starlette | FastAPI


async def started(application: Application, use: Callable[[dict[str, Any]], Any]) -> Any:
    """Start it as a server does, with a state of its own; call `use` with that; let it end."""
    state: dict[str, Any] = {}
    async with application.router.lifespan_context(application) as shared:
        state.update(shared or {})
        return await use(state)


async def page(application: ASGIApp, path: str, state: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON of a page."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "state": state}
    await application(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


async def leading(state: SextonState) -> dict[str, Any]:
    """Its health, once it has the worker."""
    while (said := state.health())["role"] != "leading" or not said["worker"]["alive"]:
        await asyncio.sleep(0.02)
    return said


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_t1_2_the_server_starts_with_the_worker_and_health_is_a_route(
    config: Path, kind: Callable[..., Application]
) -> None:
    """T1.3 as well: after the lifespan there is no worker."""
    application = kind(lifespan=lifespan(config))
    application.add_route("/health/sexton", health)

    async def use(state: dict[str, Any]) -> int:
        await leading(state["sexton"])
        status, said = await page(application, "/health/sexton", state)
        assert (status, said["ok"], said["role"], said["problem"]) == (200, True, "leading", None)
        assert said["worker"]["starts"] == 1
        assert application.state.sexton is state["sexton"]
        return int(state["sexton"]._host.worker._process.pid)

    worker = asyncio.run(started(application, use))
    assert not runs(worker)
    assert application.state.sexton.health()["role"] == "ended"


def test_the_products_own_lifespan_is_entered_inside_and_what_it_yields_arrives(config: Path) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def inner(server: Any) -> AsyncIterator[dict[str, int]]:
        order.append(f"in, {server.state.sexton.health()['role']}")
        yield {"pool": 7}
        order.append(f"out, {server.state.sexton.health()['role']}")

    async def use(state: dict[str, Any]) -> None:
        assert state["pool"] == 7
        await leading(state["sexton"])

    asyncio.run(started(Starlette(lifespan=lifespan(str(config), inner)), use))
    assert order[0].startswith("in, ")
    assert order[1:] == ["out, leading"]


def test_what_the_products_own_lifespan_raises_ends_the_worker_and_passes(config: Path) -> None:
    seen: list[SextonState] = []

    @asynccontextmanager
    async def inner(server: Any) -> AsyncIterator[None]:
        seen.append(server.state.sexton)
        await leading(server.state.sexton)
        raise RuntimeError("no cache")
        yield

    async def use(state: dict[str, Any]) -> None:
        raise AssertionError("it has not started")

    with pytest.raises(RuntimeError, match="no cache"):
        asyncio.run(started(Starlette(lifespan=lifespan(config, inner)), use))
    assert seen[0].health()["role"] == "ended"
    assert not seen[0]._host.worker.alive


def test_a_mounted_application_whose_lifespan_never_ran_says_so(config: Path) -> None:
    """starlette#649."""
    mounted = Starlette(routes=[Route("/health", health)], lifespan=lifespan(config))
    outer = Starlette(routes=[Mount("/api", mounted)])

    async def use(state: dict[str, Any]) -> tuple[int, Any]:
        return await page(outer, "/api/health", state)

    status, said = asyncio.run(started(outer, use))
    assert status == 503
    assert not said["ok"]
    assert "the lifespan of this application has not run" in said["problem"]
    assert "give lifespan=lifespan(…) to the outermost" in said["problem"]


def test_a_mounted_application_sees_the_worker_of_the_outermost(config: Path) -> None:
    async def own(request: Request) -> JSONResponse:
        return JSONResponse(isinstance(request.state.sexton, SextonState))

    mounted = Starlette(routes=[Route("/health", health), Route("/own", own)])
    outer = Starlette(routes=[Mount("/api", mounted)], lifespan=lifespan(config))

    async def use(state: dict[str, Any]) -> list[tuple[int, Any]]:
        await leading(state["sexton"])
        return [await page(outer, "/api/health", state), await page(outer, "/api/own", state)]

    health_page, own_page = asyncio.run(started(outer, use))
    assert (health_page[0], health_page[1]["role"]) == (200, "leading")
    assert own_page == (200, True)


def test_what_is_wrong_with_the_settings_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "sexton.toml").write_text("databse = 'sqlite://'\n")

    async def use(state: dict[str, Any]) -> None:
        raise AssertionError("it has not started")

    with pytest.raises(SettingsError, match="did you mean database"):
        asyncio.run(started(Starlette(lifespan=lifespan(tmp_path / "sexton.toml")), use))


def test_settings_that_a_worker_would_not_find_are_refused(database: str) -> None:
    app = App(Settings(database=database, timezone="Europe/Berlin"))
    with pytest.raises(UsageError, match=r"would find others than this app has; take App\.load"):
        launch_of(app)


def test_the_database_is_not_among_the_arguments_of_the_worker(config: Path, database: str) -> None:
    """Arguments can be read by every user of the host."""
    app = App.load(config, database="postgresql+psycopg://u:qXcanaryX7@127.0.0.1/x")
    launch = launch_of(app)
    assert "canary" not in " ".join(launch.command())
    assert launch.environment["SEXTON_DATABASE"] == app.settings.database
    assert launch.environment["SEXTON_CONFIG"] == str(config)
    assert "SEXTON_DATABASE" not in launch_of(App.load(config)).environment


def test_an_app_that_is_given_stays_open(config: Path, engine: Engine) -> None:
    app = App.load(config)

    async def use(state: dict[str, Any]) -> None:
        assert state["sexton"].app is app
        await leading(state["sexton"])

    application = Starlette(lifespan=lifespan(app))
    asyncio.run(started(application, use))
    asyncio.run(started(application, use))  # again, as a client for tests does
    app.database.dispose()
