"""Who is called: rests, probes, what ends them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from sexton.calls.destinations import available, failed, listing, take_probe, went_well
from sexton.calls.health import FailureKind, HealthChange
from tests.support.sessions import NOON


def test_one_that_is_down_rests_is_probed_once_and_comes_back_slowly(engine: Engine) -> None:
    later = NOON + timedelta(seconds=30)
    with engine.begin() as connection:
        assert available(connection, ["gateway"], NOON, 4) == {"gateway": 4}
        change = failed(connection, "gateway", "7", "refused", NOON, kind=FailureKind.DOWN)
        assert change is HealthChange.RESTS
        assert available(connection, ["gateway"], NOON, 4) == {"gateway": 0}
        assert available(connection, ["gateway"], later, 4) == {"gateway": 1}
        assert take_probe(connection, "gateway", "one", later + timedelta(seconds=40), later)
        assert not take_probe(connection, "gateway", "two", later + timedelta(seconds=40), later)
        assert available(connection, ["gateway"], later, 4) == {"gateway": 0}
        assert went_well(connection, "gateway", "8", later) is HealthChange.BACK
        room = []
        for _ in range(8):
            room.append(available(connection, ["gateway"], later, 8)["gateway"])
            assert went_well(connection, "gateway", "8", later) is None
        assert listing(connection)["gateway"].since is None
    assert room == [1, 2, 2, 4, 4, 4, 4, 8]
