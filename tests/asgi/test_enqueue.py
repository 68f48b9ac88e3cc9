"""Jobs on demand from a request: in its own transaction, in the product's, in one that is awaited."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.testing.processes import wait_until
from tests.support.api_server import ApiServer, api_server
from tests.support.children import write_settings
from tests.support.patience import PATIENCE
from tests.support.worker import LONG

pytestmark = pytest.mark.slow

JOBS = """
from sqlalchemy import text
from sexton import Job
from sexton.jobs.on_demand import OnDemand

def note(run, number: int):
    with run.transaction() as connection:
        connection.execute(text("INSERT INTO noted VALUES (:number)"), {"number": number})

notes = Job("shop.note", work=note, on_demand=OnDemand())
"""

API = """
import os

from fastapi import FastAPI, Request
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from sexton.asgi import health, lifespan

app = FastAPI(lifespan=lifespan("sexton.toml"))
app.add_route("/health/sexton", health)


@app.get("/part")
def part(request: Request):
    return {"pid": os.getpid(), **request.app.state.sexton.health()}


@app.get("/alone/{number}")
def alone(number: int, request: Request):
    return request.app.state.sexton.enqueue("shop.note", number=number)


@app.get("/alone-async/{number}")
async def alone_async(number: int, request: Request):
    return await request.app.state.sexton.enqueue_async("shop.note", number=number)


@app.get("/many")
def many(request: Request):
    return request.app.state.sexton.enqueue_many("shop.note", [{"number": 100}, {"number": 101}])


@app.get("/inside/{number}")
def inside(number: int, request: Request, fails: bool = False):
    sexton = request.app.state.sexton
    with sexton.app.database.connect() as connection:
        found = sexton.enqueue("shop.note", using=connection, number=number)
        if not fails:
            connection.commit()
        return found


@app.get("/awaited/{number}")
async def awaited(number: int, request: Request, fails: bool = False):
    engine = create_async_engine(request.app.state.sexton.app.settings.database)
    try:
        async with AsyncSession(engine) as session:
            found = await request.app.state.sexton.enqueue_async("shop.note", using=session, number=number)
            if not fails:
                await session.commit()
            return found
    finally:
        await engine.dispose()
"""


def noted(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return sorted(connection.execute(text("SELECT number FROM noted")).scalars())


def server_of(folder: Path, database: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE noted (number integer)"))
    (folder / "shop_on_demand.py").write_text(JOBS)
    write_settings(folder, database, jobs="shop_on_demand.py", lease=LONG)


def number_from(server: ApiServer, path: str) -> object:
    status, said = server.get(path)
    assert status == 200, server.log
    return said


@pytest.mark.databases("sqlite", "postgres18")
def test_a_request_asks_for_jobs_and_what_it_takes_back_was_never_asked_for(
    database: str, engine: Engine, tmp_path: Path
) -> None:
    server_of(tmp_path, database, engine)
    with api_server(tmp_path, code=API) as server:
        server.wait_for_role("leading")
        numbers = [number_from(server, path) for path in ("/alone/1", "/alone-async/2", "/inside/3")]
        number_from(server, "/inside/4?fails=true")
        number_from(server, "/many")

        assert wait_until(lambda: len(noted(engine)) >= 5, PATIENCE), server.log
        assert noted(engine) == [1, 2, 3, 100, 101]
        assert len(set(map(str, numbers))) == 3


@pytest.mark.databases("postgres18")
def test_a_coroutine_asks_in_the_transaction_of_its_session(database: str, engine: Engine, tmp_path: Path) -> None:
    server_of(tmp_path, database, engine)
    with api_server(tmp_path, code=API) as server:
        server.wait_for_role("leading")
        number_from(server, "/awaited/6?fails=true")
        number_from(server, "/awaited/7")

        assert wait_until(lambda: bool(noted(engine)), PATIENCE), server.log
        number_from(server, "/alone/8")
        assert wait_until(lambda: len(noted(engine)) >= 2, PATIENCE), server.log
        assert noted(engine) == [7, 8]
