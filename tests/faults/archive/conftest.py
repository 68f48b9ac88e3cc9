"""A product's database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.declared.shop import Shop

from .forged import prepare


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """With Sexton's tables, and none of its own yet."""
    return Shop(engine, database)


@pytest.fixture
def orders(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Orders to be archived, in the folder of the settings file."""
    prepare(shop, tmp_path)
    monkeypatch.chdir(tmp_path)
    return shop
