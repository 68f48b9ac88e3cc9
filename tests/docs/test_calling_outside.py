"""What "call something outside" shows is Python that runs: its policies, and its test of one."""

from __future__ import annotations

import sys
import time
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from sqlalchemy import Engine, insert

from sexton import Again, Attempt, Done, Failed
from sexton.clock import parse_instant
from sexton.testing import preview_job, run_job
from tests.support.hostile_http import Behaviour, answers, hostile_server, says
from tests.support.patience import PATIENCE

from .pages import DOCS, blocks

PAGE = DOCS / "how-to" / "call-something-outside.md"


@pytest.fixture
def shown(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The page's files as modules, and their table on `engine`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    names = ("parcels", "test_parcels", "films")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {name: __import__(name) for name in names}
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    modules["parcels"].parcels.metadata.create_all(engine)
    return modules


def test_the_test_on_the_page_passes(engine: Engine, shown: dict[str, ModuleType]) -> None:
    shown["test_parcels"].test_a_parcel_is_asked_about_until_it_has_arrived(engine)


def test_the_job_on_the_page_can_be_planned(engine: Engine, shown: dict[str, ModuleType]) -> None:
    assert preview_job(engine, shown["parcels"].track).total.picked == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (says({"state": "delivered"}), Done({"status": "delivered"})),
        (says({"state": "at sea"}), Again("still on its way")),
        (answers(404), Failed("the courier does not know it", values={"status": "lost"})),
    ],
    ids=["delivered", "at sea", "unknown"],
)
def test_the_function_on_the_page_says_what_the_courier_said(
    shown: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, said: Behaviour, outcome: object
) -> None:
    module = shown["parcels"]
    real = module.http_call
    with hostile_server(said) as server:
        monkeypatch.setattr(module, "http_call", lambda method, url, **more: real(method, server.url, **more))
        assert module.ask_courier(attempt()) == outcome


def test_the_long_call_on_the_page_says_that_it_is_alive_and_fetches_all(
    engine: Engine, shown: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, parcels = shown["films"], shown["parcels"].parcels
    pieces = [b"a" * module.PIECE, b"b" * module.PIECE, b"c"]
    asked: list[str] = []
    alive: list[Attempt] = []
    monkeypatch.chdir(tmp_path)
    real = Attempt.heartbeat

    def opened(url: str, timeout: float) -> BytesIO:
        asked.append(url)
        return BytesIO(b"".join(pieces))

    def heartbeat(call: Attempt) -> None:
        alive.append(call)
        real(call)

    monkeypatch.setattr(module, "urlopen", opened)
    monkeypatch.setattr(Attempt, "heartbeat", heartbeat)
    sent = {"id": 7, "number": "X7", "status": "delivered", "sent_at": parse_instant("2026-11-30T08:00Z")}
    with engine.begin() as connection:
        connection.execute(insert(parcels).values(sent))

    run = run_job(engine, module.fetch_films, at="2026-11-30T10:00Z")

    assert (run.state, run.total.changed) == ("succeeded", 1)
    assert asked == ["https://courier.example.org/films/X7"]
    assert (tmp_path / "7.mp4").read_bytes() == b"".join(pieces)
    assert len(alive) == 3


def attempt() -> Attempt:
    """The first one, for parcel 7."""
    row, now = SimpleNamespace(id=7, number="X7"), parse_instant("2026-11-30T10:00Z")
    ends = time.monotonic() + PATIENCE
    return Attempt(row, "parcel:7", 1, now=now, destination="courier", ends=ends)  # type: ignore[arg-type]
