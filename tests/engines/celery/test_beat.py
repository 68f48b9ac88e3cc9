"""`celery beat -S sexton.engines.celery:Beat`: our schedules, beside the product's own entries."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.testing.processes import wait_until
from sexton.testing.postgres import Server
from tests.support.patience import PATIENCE
from tests.support.worker import Yard, make_yard
from tests.support.workers import Start

from .conftest import BEAT, Programs

JOBS = "tests.support.carried_jobs"


class Beats:
    """Beats over one database and one broker; no worker, so what they submit stays to be counted."""

    def __init__(self, yard: Yard, celery: Programs, folder: Path, broker: str, *, application: str = "") -> None:
        self.yard, self._celery, self._folder = yard, celery, folder
        file = Path(yard.config.partition("=")[2])
        option = f"app = {json.dumps(application)}" if application else f"broker = {json.dumps(broker)}"
        file.write_text(f'engine = "celery"\n{file.read_text()}\n[engines.celery]\n{option}\n')
        self.notes = folder / "notes"
        self.variables = {"SEXTON_CONFIG": str(file), "SHOP_BROKER": broker, "SHOP_NOTES": str(self.notes)}
