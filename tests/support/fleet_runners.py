"""MerchantFleet on a server of the test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from sqlalchemy import Engine

from sexton.fleet.caps import Caps
from sexton.fleet.fleet_run import FleetRunState, begin, end
from sexton.fleet.results import VisitReport
from sexton.fleet.running import FleetRunner
from sexton.fleet.visit import Errand, Visit
from sexton.runs.context import Limits
from sexton.runs.runner import RunOptions
from sexton.runs.stop_signals import Stop
from sexton.testing.postgres import Server

from .merchant_fleet import INSTALLATION, MerchantFleet, purge_job

_numbers = count(1)


@pytest.fixture
def merchants(server: Server) -> Iterator[MerchantFleet]:
    """None yet: `merchants.open(["anna", "bert"])`."""
    made = MerchantFleet(server, f"fleet_{next(_numbers)}")
    yield made
    made.close()


def errand(**changes: object) -> Errand:
    """What is to be done: one purge, by its schedule."""
    options = RunOptions(limits=Limits(), definition="", stop=Stop())
    values = {"jobs": (purge_job(),), "options": options, "installation": INSTALLATION, "dialect": "postgresql"}
    return Errand(**{**values, **changes})  # type: ignore[arg-type]


def prove(home: Engine, job: str, definition: str) -> None:
    """Put on record that this definition has been everywhere."""
    with home.begin() as connection:
        end(connection, begin(connection, job, definition, "", None), FleetRunState.FINISHED, None)


@pytest.fixture
def reports() -> list[VisitReport]:
    """What a runner told."""
    return []


@pytest.fixture
def runner_of(merchants: MerchantFleet, reports: list[VisitReport]) -> Callable[..., FleetRunner]:
    """A runner over the merchants; changes: of the errand."""

    def make(
        caps: Caps | None = None, stop: Stop | None = None, visit: type[Visit] = Visit, **changes: object
    ) -> FleetRunner:
        asked = stop or Stop()
        options = RunOptions(limits=Limits(), stop=asked)
        wanted = errand(**{"options": options, **changes})
        return FleetRunner(merchants.home, wanted, caps or Caps(8, 4), asked, told=reports.append, make=visit)

    return make
