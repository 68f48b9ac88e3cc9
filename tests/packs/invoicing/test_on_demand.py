"""Allocation, mail and PDF asked for by the product's own code, and done by a worker in a process of its own (T1.9)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from sexton import App, Wish
from sexton.db.tables import own_tables
from sexton.errors import UsageError
from sexton.testing.processes import wait_until
from tests.support.billing import KEY, Billing, open_billing
from tests.support.hostile_http import answers
from tests.support.patience import PATIENCE
from tests.support.shaam import Shaam, shaam_server

pytestmark = pytest.mark.slow

SETTINGS = """
database = "{database}"
packs = ["invoicing"]
[pack.invoicing]
token_keys = "{key}"
shaam_allocation_url = "{shaam}/allocation"
shaam_timeout = "60s"
"""


@pytest.fixture
def shaam() -> Iterator[Shaam]:
    """A service that gives numbers."""
    with shaam_server() as shaam:
        yield shaam


@pytest.fixture
def desk(engine: Engine, shaam: Shaam) -> Billing:
    """Business 1 and its invoice 7."""
    desk = open_billing(engine, **shaam.options)
    desk.tokens(1, expires="2999-01-01")
    desk.customer(3)
    desk.invoice(7, customer=3, status="finalized", items={"ייעוץ": (1, 10_000)})
    return desk


@pytest.fixture
def app(desk: Billing, shaam: Shaam, tmp_path: Path) -> Iterator[App]:
    """The product's, by a settings file."""
    url = desk.engine.url.render_as_string(hide_password=False)
    (tmp_path / "sexton.toml").write_text(SETTINGS.format(database=url, key=KEY, shaam=shaam.url))
    app = App.load(tmp_path / "sexton.toml")
    yield app
    app.database.dispose()


@contextmanager
def working(folder: Path) -> Iterator[None]:
    """A worker in a process of its own, which is asked to end at the end of the block."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "TMPDIR")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("SEXTON_T")}
    log = (folder / "worker.log").open("w")
    command = [sys.executable, "-m", "sexton.cli.main", "worker", "--concurrency", "1"]
    with log, subprocess.Popen(command, cwd=folder, env=kept, stdout=log, stderr=log) as worker:
        try:
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE)


def waiting(desk: Billing) -> int:
    """Requests that are not over."""
    return len(desk.rows(select(own_tables(desk.engine.dialect.name).requests.c.id)))


def dead(desk: Billing) -> list[str]:
    """Jobs of dead letters."""
    letters = own_tables(desk.engine.dialect.name).dead_requests
    return [row.job for row in desk.rows(select(letters.c.job).order_by(letters.c.id))]


def test_t1_9_what_is_asked_for_in_the_products_transaction_is_done_by_a_worker(
    desk: Billing, app: App, shaam: Shaam, tmp_path: Path
) -> None:
    """T1.9, T6.1, T1.4: committed with the invoice's own change, and each once; rolled back, it was never asked for."""
    with app.database.begin() as connection:
        for name in ("request_allocation", "send_invoice_email", "generate_pdf"):
            app.enqueue(f"invoicing.{name}", using=connection, wish=Wish(unique="invoice:7:1"), invoice_id=7)
    with app.database.connect() as connection:
        connection.execute(update(desk.own.invoices).values(number="N8"))
        app.enqueue("invoicing.generate_pdf", using=connection, invoice_id=8)
        connection.rollback()
    assert waiting(desk) == 3

    with working(tmp_path):
        done = wait_until(lambda: waiting(desk) == 0, PATIENCE, pause=0.05)

    assert done, (tmp_path / "worker.log").read_text()
    assert desk.column(desk.own.invoices, "allocation_number") == {7: "202606150001"}
    assert [row.recipient for row in desk.sent("invoice_email")] == ["customer3@example.org"]
    (content,) = desk.column(desk.own.invoice_documents, "content").values()
    assert content.startswith(b"%PDF")
    assert (dead(desk), len(shaam.requests)) == ([], 1)


def test_t1_9_a_service_that_fails_is_asked_again(desk: Billing, app: App, shaam: Shaam, tmp_path: Path) -> None:
    """T1.9: the request waits for its next attempt, 5 to 10 seconds, and others are done meanwhile."""
    shaam.plan = {"N7": [answers(500)]}
    app.enqueue("invoicing.request_allocation", invoice_id=7)
    app.enqueue("invoicing.generate_pdf", invoice_id=7)

    with working(tmp_path):
        done = wait_until(lambda: waiting(desk) == 0, PATIENCE, pause=0.05)

    assert done, (tmp_path / "worker.log").read_text()
    assert (len(shaam.requests), len(shaam.allocations)) == (2, 1)
    assert desk.column(desk.own.invoices, "allocation_number") == {7: "202606150001"}


def test_t1_9_what_can_never_be_done_ends_as_a_dead_letter(desk: Billing, app: App, tmp_path: Path) -> None:
    """T1.9: a draft, an invoice that is not there; the worker goes on."""
    desk.invoice(8, status="draft")
    for invoice in (8, 9):
        app.enqueue("invoicing.send_invoice_email", wish=Wish(attempts=1), invoice_id=invoice)
    app.enqueue("invoicing.send_invoice_email", invoice_id=7)

    with working(tmp_path):
        done = wait_until(lambda: waiting(desk) == 0, PATIENCE, pause=0.05)

    assert done, (tmp_path / "worker.log").read_text()
    assert dead(desk) == ["invoicing.send_invoice_email"] * 2
    assert len(desk.sent("invoice_email")) == 1


def test_t1_9_arguments_are_looked_at_before_anything_is_written(desk: Billing, app: App) -> None:
    """T1.9"""
    for arguments in ({}, {"invoice_id": "seven"}, {"invoice": 7}, {"invoice_id": 7, "copy": 1}):
        with pytest.raises(UsageError):
            app.enqueue("invoicing.generate_pdf", **arguments)
    assert waiting(desk) == 0
