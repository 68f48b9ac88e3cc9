"""Many databases at once: never more than the caps, servers take turns, one that hangs holds up nobody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from sexton.errors import SextonError, TimedOut
from sexton.fleet import side_by_side
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.side_by_side import SideBySide, VisitLimits
from tests.support.patience import PATIENCE


def databases(*servers: str) -> list[FleetDatabase]:
    """One on each of these servers, shop_0 and so on."""
    return [
        FleetDatabase(f"shop_{number}", "postgresql://db/x", None, server, {}, DatabaseState.ACTIVE)
        for number, server in enumerate(servers)
    ]


class Crowd:
    """Counts who is at it at once; everybody waits until as many have come as may."""

    def __init__(self, wanted: int) -> None:
        self.lock, self.full = threading.Lock(), threading.Event()
        self.wanted = wanted
        self.here: Counter[str] = Counter()
        self.most, self.most_on_one = 0, 0

    def visit(self, database: FleetDatabase) -> str:
        with self.lock:
            self.here[database.server] += 1
            self.most = max(self.most, self.here.total())
            self.most_on_one = max(self.most_on_one, *self.here.values())
            if self.here.total() == self.wanted:
                self.full.set()
        assert self.full.wait(PATIENCE)
        with self.lock:
            self.here[database.server] -= 1
        return database.name


@pytest.mark.parametrize(("connections", "per_server", "at_once"), [(3, 4, 3), (16, 2, 4), (16, 1, 2)])
def test_the_caps_are_reached_and_never_passed(connections: int, per_server: int, at_once: int) -> None:
    all_of_them = databases(*["db1", "db2"] * 20)
    crowd = Crowd(at_once)

    work = SideBySide(all_of_them, crowd.visit, VisitLimits(connections, per_server, seconds=PATIENCE))

    assert {(database.name, answer) for database, answer in work} == {(one.name, one.name) for one in all_of_them}
    assert (crowd.most, crowd.most_on_one <= per_server) == (at_once, True)


def test_servers_take_turns() -> None:
    begun: list[str] = []

    def visit(database: FleetDatabase) -> None:
        begun.append(database.server)

    list(SideBySide(databases("a", "a", "a", "b", "b", "c"), visit, VisitLimits(1)))

    assert begun == ["a", "b", "c", "a", "b", "a"]


def test_an_error_is_the_answer_for_one_database() -> None:
    def visit(database: FleetDatabase) -> str:
        if database.name == "shop_1":
            raise SextonError("no")
        return "yes"

    answers = {database.name: answer for database, answer in SideBySide(databases(*"aaa"), visit, VisitLimits())}

    assert str(answers.pop("shop_1")) == "no"
    assert answers == {"shop_0": "yes", "shop_2": "yes"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """What the visits are timed by: it stands still until a test moves it."""
    clock = Clock()
    monkeypatch.setattr(side_by_side, "time", clock)
    yield clock
    clock.free.set()


class Clock:
    """now: seconds.  free: whoever hangs waits for this."""

    def __init__(self) -> None:
        self.now = 0.0
        self.free = threading.Event()

    def monotonic(self) -> float:
        return self.now

    def hang(self) -> str:
        self.free.wait(PATIENCE)
        return "too late"


def answers_of(work: SideBySide[str], clock: Clock, healthy: int) -> dict[str, str | Exception]:
    """By name; time is over once so many have answered."""
    answers: dict[str, str | Exception] = {}
    for database, answer in work:
        answers[database.name] = answer
        clock.now = PATIENCE + 1 if len(answers) >= healthy else 0.0
    return answers


def test_one_that_hangs_is_told_and_the_others_of_its_server_go_on(clock: Clock) -> None:
    def visit(database: FleetDatabase) -> str:
        return clock.hang() if database.name == "shop_0" else "yes"

    work = SideBySide(databases(*"aaab"), visit, VisitLimits(4, 2, seconds=PATIENCE))
    answers = answers_of(work, clock, healthy=3)

    assert isinstance(answers.pop("shop_0"), TimedOut)
    assert answers == {"shop_1": "yes", "shop_2": "yes", "shop_3": "yes"}


def test_when_all_places_of_a_server_hang_its_others_are_told_as_not_tried(clock: Clock) -> None:
    def visit(database: FleetDatabase) -> str:
        return "yes" if database.server == "b" else clock.hang()

    work = SideBySide(databases(*"aaabb"), visit, VisitLimits(4, 2, seconds=PATIENCE))
    answers = answers_of(work, clock, healthy=2)

    assert [type(answers[f"shop_{one}"]) for one in (0, 1)] == [TimedOut, TimedOut]
    assert str(answers["shop_2"]) == "not tried: visits to its server do not end"
    assert (answers["shop_3"], answers["shop_4"]) == ("yes", "yes")


def test_nothing_begins_once_it_is_stopped() -> None:
    work = SideBySide(databases(*"aaaa"), lambda database: database.name, VisitLimits(1))
    for _ in work:
        work.stopped = True

    assert [database.name for database in work.not_begun()] == ["shop_1", "shop_2", "shop_3"]
