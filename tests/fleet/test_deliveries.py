"""Messages of a merchant are delivered in the visit that finds them, through its one connection."""

from __future__ import annotations

import pytest

from sexton.config.route_settings import OutboxSettings
from sexton.db.connect import open_database
from sexton.fleet.visit import Visit
from sexton.relay.relay import open_relay
from sexton.relay.routes import Route
from sexton.relay.source import RelaySource
from sexton.run_state import RunState
from tests.relay.mailroom import Mailroom
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import MerchantFleet, purge_job

pytestmark = pytest.mark.databases("postgres18")

MESSAGES = 25


def test_what_waits_is_delivered_beside_the_jobs_that_are_due(merchants: MerchantFleet) -> None:
    merchants.open(["anna"])
    database = merchants.databases["anna"]
    routes = (Route("log", ("order_expired",), "log", to="{payload.email}"),)
    (deliver,) = RelaySource(routes, {}, OutboxSettings()).jobs()
    engine = open_database(database.address)
    room = Mailroom(engine, open_relay(engine, routes, {}, OutboxSettings()))
    for number in range(1, MESSAGES + 1):
        room.message(number, "order_expired", email=f"{number}@example.com")

    report = Visit(database, errand(jobs=(purge_job(schedule=None), deliver))).make()

    assert [(one.job, one.state) for one in report.results] == [("sexton.deliver", RunState.SUCCEEDED)]
    assert len(room.deliveries()) == MESSAGES
    assert all(at is not None for at in room.published().values())
    engine.dispose()
