"""What the ticket wants of a health page and a log of runs, for the jobs of a shop (ORA-MON.1, ORA-MON.2)."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any

import pytest

from sexton import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.engines.contract import execute
from sexton.packs.storefront.options import StorefrontOptions
from sexton.packs.storefront.tables import storefront_tables
from sexton.slots.due_run import DueRun
from sexton.slots.history import history
from sexton.telemetry.health_reader import HealthReader
from sexton.web import serving
from tests.support.patience import PATIENCE

PARTS = {
    "lastCleanup": "storefront.release_stale_holds",
    "lastStockCheck": "storefront.check_low_stock",
    "paymentRetries": "storefront.check_payments",
}
"""What the ticket's page has, and the job that it is about."""


@pytest.fixture
def app(database: str) -> Any:
    """A shop without rows, whose three jobs have run once."""
    engine = open_database(database)
    storefront_tables(StorefrontOptions()).metadata.create_all(engine)
    engine.dispose()
    app = App(Settings(database=database, packs=("storefront",)))
    for job in PARTS.values():
        assert execute(app, DueRun(job)).state == "succeeded"
    yield app
    app.database.dispose()


def test_ora_mon_1_the_health_page_has_what_the_ticket_asks_for(app: App) -> None:
    """ORA-MON.1: last cleanup, last stock check, uptime, and how often each was done, from the database."""
    reader = HealthReader.of(app.settings, app.registry, patience=PATIENCE, statement=PATIENCE)
    with serving(app, "127.0.0.1:0", None, reader) as (host, port):
        connection = HTTPConnection(host, port, timeout=PATIENCE)
        connection.request("GET", "/api/health/cron")
        told = json.loads(connection.getresponse().read())
        connection.close()

    for job in PARTS.values():
        assert told["jobs"][job]["last_success"].endswith("Z")
        assert told["counts"][job] == 1
    assert told["uptime"] >= 0


def test_ora_mon_2_each_run_is_a_row_with_name_state_and_time(app: App) -> None:
    """ORA-MON.2"""
    with app.database.connect() as connection:
        rows = history(connection)

    assert {(row.job, row.state) for row in rows} == {(job, "succeeded") for job in PARTS.values()}
    assert all(row.started_at is not None for row in rows)
