"""Random licences, stores and files at random times: the job does what the plain model does, once, as it predicted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sexton import Counts
from tests.support.market import NOW, Market, at, open_market

from .models import DAY, Licence, Licences

pytestmark = pytest.mark.slow

TICK = timedelta(microseconds=1)
EDGES = [days * DAY + tick for days in (-45, -30, -14, -1, 0, 1, 13, 14, 30) for tick in (-TICK, TICK * 0, TICK)]
MOMENTS = st.one_of(st.sampled_from(EDGES), st.timedeltas(-60 * DAY, 60 * DAY)).map(lambda offset: at(NOW) + offset)
STATES = st.sampled_from(["verified"] * 6 + ["expired"] * 4 + ["pending", "deleted", "rejected"])


@st.composite
def worlds(draw: st.DrawFn) -> Licences:
    """Up to 12 licences of 4 stores, with up to 6 files used by some of them and by other things."""
    stores = {number: draw(st.sampled_from(["verified", "verified", "pending"])) for number in range(1, 5)}
    licences = {
        number: Licence(
            number,
            draw(st.integers(1, 4)),
            draw(STATES),
            draw(MOMENTS),
            at(NOW) - draw(st.sampled_from([DAY - TICK, DAY, 100 * DAY])),
        )
        for number in range(1, draw(st.integers(1, 12)) + 1)
    }
    files = {number: at(NOW) - draw(st.sampled_from([TICK, DAY, 2 * DAY, 90 * DAY])) for number in range(1, 7)}
    use = st.tuples(st.integers(1, 6), st.just("license"), st.sampled_from(sorted(licences)))
    other_use = st.tuples(st.integers(1, 6), st.just("product"), st.integers(1, 3))
    return Licences(stores, licences, files, draw(st.sets(st.one_of(use, use, use, other_use), max_size=10)))


def load(shop: Market, world: Licences) -> None:
    """Empty all tables, and put the rows of `world` in."""
    own = shop.own
    shop.refill(
        {
            own.stores: [{"id": n, "vendor_id": n, "name": "", "kyc_status": kyc} for n, kyc in world.stores.items()],
            own.licenses: [licence_row(one) for one in world.licences.values()],
            own.media: [{"id": n, "storage_key": f"file-{n}", "created_at": made} for n, made in world.files.items()],
            own.media_attachments: [{"media_id": f, "entity_type": kind, "entity_id": n} for f, kind, n in world.uses],
        }
    )


def licence_row(one: Licence) -> dict[str, object]:
    """As inserted."""
    dates = {"expires_at": one.expires, "created_at": one.created}
    return {"id": one.number, "store_id": one.store, "status": one.status, **dates}


def check(shop: Market, world: Licences, times: list[datetime]) -> None:
    """At each time: as predicted, as in the model, and nothing the second time."""
    load(shop, world)
    for time in sorted(times):
        before = shop.dump()
        predicted = shop.preview("licences", at=time)
        assert shop.dump() == before

        run = shop.run("licences", at=time)
        expected = world.run(time)

        assert {step: counts.picked for step, counts in run.steps.items()} == expected
        assert run.steps == predicted.steps
        assert shop.run("licences", at=time).total == Counts()
        assert shop.licences() == {number: world.licences[number].status for number in sorted(world.licences)}
        assert shop.stores() == world.stores
        assert shop.files() == sorted(world.files)
        assert shop.attached() == sorted(world.uses)
        assert _in_order(shop.messages()) == _in_order(world.messages)


def _in_order(messages: list[str]) -> tuple[list[str], list[str]]:
    """Notices in their order; files are compared as a set."""
    files = [message for message in messages if message.startswith("media")]
    return [message for message in messages if message not in files], sorted(files)


TIMES = st.lists(st.one_of(st.sampled_from([at(NOW), at(NOW) + DAY]), MOMENTS), min_size=1, max_size=2)
FEW = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
FEWER = settings(FEW, max_examples=2)


@pytest.mark.databases("sqlite")
def test_licences_go_as_the_model_says_twice_is_once_and_the_dry_run_knows(engine: Engine) -> None:
    """PF-137"""
    shop = open_market(engine)

    @FEW
    @given(worlds(), TIMES)
    def compare(world: Licences, times: list[datetime]) -> None:
        check(shop, world, times)

    compare()


@pytest.mark.databases("postgres")
def test_licences_go_as_the_model_says_on_postgresql_too(engine: Engine) -> None:
    """PF-137"""
    shop = open_market(engine)

    @FEWER
    @given(worlds(), TIMES)
    def compare(world: Licences, times: list[datetime]) -> None:
        check(shop, world, times)

    compare()
