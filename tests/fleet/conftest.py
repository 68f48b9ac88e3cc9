"""A home database, and what reads a list of databases for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.config.fleet_settings import FleetSettings
from sexton.fleet import secret_commands
from sexton.fleet.inventory import Inventory, read_inventory
from tests.support.fleet_runners import merchants, reports, runner_of

__all__ = ["merchants", "reports", "runner_of"]

Reader = Callable[..., Inventory]


@pytest.fixture
def read(engine: Engine, tmp_path: Path) -> Reader:
    """Read a list, of these entries or as these settings say."""

    def read(*entries: object, allow_empty: bool = False, allow_gone: bool = False, **settings: object) -> Inventory:
        if not settings or "secret" in settings:
            settings["databases"] = entries
        chosen = FleetSettings(**settings)  # type: ignore[arg-type]
        chosen.check()
        return read_inventory(engine, chosen, tmp_path, allow_empty=allow_empty, allow_gone=allow_gone)

    return read


@pytest.fixture(autouse=True)
def _no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program has printed is known to one test only."""
    monkeypatch.setattr(secret_commands, "_answers", {})


def shops(*numbers: int, **more: object) -> list[Mapping[str, object]]:
    """Entries of merchants on one server that nobody asks."""
    return [{"name": f"shop_{one}", "url": f"postgresql://jobs@db1/shop_{one}", **more} for one in numbers]
