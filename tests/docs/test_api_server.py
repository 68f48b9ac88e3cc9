"""What "inside an API server" shows is a server that runs: its job on demand, its health, its own lifespan."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sexton.testing.processes import wait_until
from tests.cli.shell import Shell
from tests.support.api_server import ApiServer, api_server
from tests.support.patience import PATIENCE

from .pages import DOCS, blocks

PAGE = DOCS / "how-to" / "asgi.md"

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The page's files, and its database."""
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    assert Shell(tmp_path, {}).sexton("migrate").code == 0
    return tmp_path


@contextmanager
def running(shop: Path, file: str) -> Iterator[ApiServer]:
    """The server of a file of the page, with the options of the page."""
    (command,) = [line for block in blocks(PAGE) for line in block.text.splitlines() if line.startswith("uvicorn ")]
    words = command.split()[2:]
    with api_server(shop, *words, code=(shop / file).read_text()) as server:
        assert wait_until(lambda: answers_200(server), PATIENCE), server.log
        yield server


def answers_200(server: ApiServer) -> bool:
    try:
        return server.get("/health/sexton")[0] == 200
    except OSError:
        return False


def test_the_server_on_the_page_makes_the_invoice_that_is_asked_for(shop: Path) -> None:
    with running(shop, "api.py") as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request("POST", "/invoices/7/pdf")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (202, {"request": 1})
        connection.close()

        assert wait_until((shop / "invoice-7.pdf").exists, PATIENCE), server.log
        server.send(signal.SIGTERM)
        assert server.wait() == 0
        assert len(server.events("worker started")) == 1


def test_the_health_on_the_page_has_the_keys_of_the_real_one(shop: Path) -> None:
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]
    with running(shop, "api.py") as server:
        said: list[dict[str, object]] = []

        def leading() -> bool:
            said.append(server.get("/health/sexton")[1])
            return said[-1]["role"] == "leading" and bool(said[-1]["ok"])

        assert wait_until(leading, PATIENCE), said[-1]
    assert set(shown) == set(said[-1])
    assert {type(value) for value in shown["worker"].values()} == {bool, str, int}
    assert set(shown["worker"]) == set(said[-1]["worker"])  # type: ignore[call-overload]


def test_the_lifespan_on_the_page_is_entered_and_left(shop: Path) -> None:
    with running(shop, "api_with_pool.py") as server:
        server.send(signal.SIGTERM)
        server.wait()
        assert server.log.count("the pool is open") == server.log.count("the pool is closed") == 4
