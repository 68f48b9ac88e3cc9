"""A server with pg_cron for a test process, and a shop on it for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sexton.testing.postgres import Server
from tests.support.databases import Databases
from tests.support.pg_cron import CronShop, new_shop, start_pg_cron


@pytest.fixture(scope="session")
def pg_cron_server(databases: Databases) -> Iterator[Server]:
    """The shared one; a test restarts only servers of its own."""
    with start_pg_cron(databases) as server:
        yield server


@pytest.fixture
def shop(pg_cron_server: Server) -> Iterator[CronShop]:
    """A database whose jobs are given to PostgreSQL: policies `codes` and `carts`."""
    with new_shop(pg_cron_server) as shop:
        yield shop
