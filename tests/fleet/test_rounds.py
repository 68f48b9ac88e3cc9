"""Rounds of visits: the caps are reached and never passed, one that breaks down or stands still holds up nobody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from itertools import chain, count
from math import inf

import pytest
from sqlalchemy import Engine, text

from sexton.fleet import condition_visits as module
from sexton.fleet.caps import STRIKES, Caps
from sexton.fleet.condition_visits import ConditionErrand, ConditionVisit, condition_visits
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.job_visits import job_visits
from sexton.fleet.results import Contact, VisitReport
from sexton.fleet.rounds import CROWDED_TRIES, Round
from sexton.fleet.visit import Visit
from sexton.fleet.visit_results import Condition, VisitResult
from sexton.runs.stop_signals import Stop
from sexton.testing.postgres import Server
from tests.support.fleet_runners import errand
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy
from tests.support.proxy_actions import MUTE


class CrowdedVisit(Visit):
    """Its server has no connection left."""

    made = 0

    def make(self) -> VisitReport:
        CrowdedVisit.made += 1
        return VisitReport(self.database.name, self.database.server, Contact.CROWDED)


def test_each_time_that_a_database_is_due_it_waits_for_a_connection_as_often() -> None:
    """Tries were counted for the life of the worker, so that later it did not wait any more."""
    hours = count(0, 3600)
    database = FleetDatabase("anna", "sqlite://", None, "one", {}, DatabaseState.ACTIVE)
    visits = job_visits((), errand(), Caps(8, 4, lambda: float(next(hours))), Stop(), make=CrowdedVisit)
    tries = []
    for _ in range(3):
        CrowdedVisit.made = 0
        visits.add([database])
        assert [report.database for reports in visits.reports() for report in reports] == ["anna"]
        tries.append(CrowdedVisit.made)

    assert tries == [CROWDED_TRIES] * 3


def databases(*servers: str, url: str = "sqlite://") -> list[FleetDatabase]:
    """One on each of these servers, shop_0 and so on."""
    return [
        FleetDatabase(f"shop_{number}", url, None, server, {}, DatabaseState.ACTIVE)
        for number, server in enumerate(servers)
    ]


def round_of(
    fleet: list[FleetDatabase], do: Callable[[FleetDatabase, Engine], VisitResult], caps: Caps
) -> Round[VisitResult]:
    """The same in each of them."""
    return condition_visits(fleet, ConditionErrand(do, PATIENCE, connect_seconds=PATIENCE), caps, Stop())


def ready(database: FleetDatabase, _engine: Engine) -> VisitResult:
    """Nothing is asked."""
    return VisitResult(database, Condition.READY)


class Crowd:
    """Counts who is at it at once; everybody waits until as many have come as may."""

    def __init__(self, wanted: int) -> None:
        self.lock, self.full = threading.Lock(), threading.Event()
        self.wanted = wanted
        self.here: Counter[str] = Counter()
        self.most, self.most_on_one = 0, 0

    def visit(self, database: FleetDatabase, _engine: Engine) -> VisitResult:
        with self.lock:
            self.here[database.server] += 1
            self.most = max(self.most, self.here.total())
            self.most_on_one = max(self.most_on_one, *self.here.values())
            if self.here.total() == self.wanted:
                self.full.set()
        assert self.full.wait(PATIENCE)
        with self.lock:
            self.here[database.server] -= 1
        return VisitResult(database, Condition.READY)


@pytest.mark.parametrize(("connections", "per_server", "at_once"), [(3, 4, 3), (16, 2, 4), (16, 1, 2)])
def test_the_caps_are_reached_and_never_passed(connections: int, per_server: int, at_once: int) -> None:
    fleet, crowd = databases(*["db1", "db2"] * 20), Crowd(at_once)

    found = chain.from_iterable(round_of(fleet, crowd.visit, Caps(connections, per_server)).reports())

    assert {one.database.name: one.condition for one in found} == {one.name: Condition.READY for one in fleet}
    assert (crowd.most, crowd.most_on_one <= per_server) == (at_once, True)


def test_servers_take_turns() -> None:
    begun: list[str] = []

    def do(database: FleetDatabase, engine: Engine) -> VisitResult:
        begun.append(database.server)
        return ready(database, engine)

    list(round_of(databases("a", "a", "a", "b", "b", "c"), do, Caps(1, 4)).reports())

    assert begun == ["a", "b", "c", "a", "b", "a"]


def test_whatever_breaks_down_is_the_answer_of_one_database() -> None:
    def do(database: FleetDatabase, engine: Engine) -> VisitResult:
        if database.name == "shop_1":
            raise KeyError("of ours, and nobody foresaw it")
        return ready(database, engine)

    found = {
        one.database.name: one for one in chain.from_iterable(round_of(databases(*"aaa"), do, Caps(4, 4)).reports())
    }

    assert found.pop("shop_1").condition is Condition.REFUSES
    assert {one.condition for one in found.values()} == {Condition.READY}


def test_nothing_begins_once_it_is_halted() -> None:
    begun: list[str] = []

    def do(database: FleetDatabase, engine: Engine) -> VisitResult:
        begun.append(database.name)
        return ready(database, engine)

    visits = round_of(databases(*"aaaa"), do, Caps(1, 1))
    for results in visits.reports():
        if results:
            visits.halt()

    assert begun == ["shop_0"]


def test_a_server_that_is_away_is_not_asked_for_each_of_its_databases() -> None:
    """`fleet check` waited for each of hundreds; a visit that runs jobs did not."""
    nowhere = databases(*"aaaaaaa", url="postgresql+psycopg://postgres@127.0.0.1:1/shop")

    def do(_database: FleetDatabase, engine: Engine) -> VisitResult:
        engine.connect()
        raise AssertionError("nothing is there")

    found = [*chain.from_iterable(round_of(nowhere, do, Caps(1, 1)).reports())]

    assert {one.condition for one in found} == {Condition.UNREACHABLE}
    assert Counter(one.contact for one in found) == {Contact.NONE: STRIKES, Contact.NOT_TRIED: 7 - STRIKES}


class ImpatientVisit(ConditionVisit):
    """Its time is over once the proxy has seen the statement."""

    proxy: Proxy

    @property
    def ends(self) -> float:
        return 0.0 if any("now()" in seen.text for seen in self.proxy.statements) else inf

    @ends.setter
    def ends(self, _value: float) -> None: ...


@pytest.mark.databases("postgres")
def test_one_that_stands_still_is_cut_and_its_place_is_free_again(
    server: Server, open_proxy: Callable[[str], Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection was left where it was, and its place stayed taken."""
    url = server.create_database("stands_still")
    proxy = open_proxy(url)
    proxy.on(lambda seen: "now()" in seen.text, MUTE)
    ImpatientVisit.proxy = proxy
    monkeypatch.setattr(module, "ConditionVisit", ImpatientVisit)
    (still,) = databases("a", url=proxy.url_for(url))
    other = FleetDatabase("other", url, None, "a", {}, DatabaseState.ACTIVE)

    def do(database: FleetDatabase, engine: Engine) -> VisitResult:
        with engine.connect() as connection:
            connection.execute(text("SELECT now()" if database is still else "SELECT 1"))
        return ready(database, engine)

    found = {one.database.name: one for one in chain.from_iterable(round_of([still, other], do, Caps(1, 1)).reports())}

    server.drop_database("stands_still")
    assert found["other"].condition is Condition.READY
    assert (found["shop_0"].condition, found["shop_0"].reason) == (
        Condition.UNREACHABLE,
        f"no end within {2 * PATIENCE:g} s",
    )
