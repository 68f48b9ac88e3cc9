"""Visits to the databases of a fleet: each by itself, each with its own slot, run row and reason (PGC-1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sexton.fleet.results import Contact
from sexton.fleet.visit import Visit
from sexton.run_state import NoRun, RunState
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import DUE, MerchantFleet, left

pytestmark = pytest.mark.databases("postgres")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_pgc_1_what_is_asked_for_a_slot_runs_once_in_each_database(merchants: MerchantFleet) -> None:
    merchants.open(["anna", "bert"])
    slot = datetime.now(UTC) - timedelta(minutes=1)

    for tries in ((RunState.SUCCEEDED, DUE, 1), (NoRun.ALREADY_DONE, 0, 0)):
        for database in merchants.databases.values():
            report = Visit(database, errand(slot=slot)).make()
            (result,) = report.results
            assert (result.state, result.counts.changed, result.attempt) == tries
            assert report.contact is Contact.MADE
            assert left(database.address) == DUE
