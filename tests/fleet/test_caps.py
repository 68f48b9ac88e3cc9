"""How many connections a fleet holds: caps in all and a server, servers that are crowded, servers that are down."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sexton.fleet.caps import LONGEST_REST, PROBE_SECONDS, STRIKES, Admission, Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.results import Contact
from sexton.fleet.turns import Turns


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands still."""
    return Clock()


def database(name: str, server: str) -> FleetDatabase:
    """One of a server."""
    return FleetDatabase(name, "postgresql+psycopg://x", None, server, {}, DatabaseState.ACTIVE)


def test_a_server_has_its_cap_and_the_whole_has_one(clock: Clock) -> None:
    caps = Caps(5, 3, clock)

    assert [caps.admit("a") for _ in range(4)] == [Admission.GO] * 3 + [Admission.WAIT]
    assert [caps.admit("b") for _ in range(3)] == [Admission.GO] * 2 + [Admission.WAIT]
    caps.ended("a", Contact.MADE)
    assert caps.admit("b") is Admission.GO


def test_a_server_without_connections_is_given_half_and_gets_them_back_one_by_one(clock: Clock) -> None:
    caps = Caps(16, 4, clock)
    for _ in range(4):
        caps.admit("a")
    caps.ended("a", Contact.CROWDED)
    assert caps.limit("a") == 2
    assert caps.admit("a") is Admission.WAIT
    caps.ended("a", Contact.CROWDED)
    caps.ended("a", Contact.CROWDED)
    assert caps.limit("a") == 1  # never none: somebody has to find out when there is room again

    clock.now += LONGEST_REST
    limits = []
    for _ in range(4):
        caps.ended("a", Contact.MADE)
        assert caps.admit("a") is Admission.GO
        limits.append(caps.limit("a"))
    assert limits == [2, 3, 4, 4]


def test_others_go_on_while_a_server_rests(clock: Clock) -> None:
    caps = Caps(16, 4, clock)
    caps.admit("a")
    caps.ended("a", Contact.CROWDED)

    assert (caps.admit("a"), caps.admit("b")) == (Admission.WAIT, Admission.GO)


def test_a_server_that_never_answers_is_probed_once_a_minute(clock: Clock) -> None:
    caps = Caps(16, 4, clock)
    for _ in range(STRIKES):
        assert caps.admit("a") is Admission.GO
    for _ in range(STRIKES):
        caps.ended("a", Contact.NONE)
    assert caps.admit("a") is Admission.DOWN

    clock.now += PROBE_SECONDS
    assert [caps.admit("a") for _ in range(3)] == [Admission.GO, Admission.DOWN, Admission.DOWN]
    caps.ended("a", Contact.NONE)
    assert caps.admit("a") is Admission.DOWN
    clock.now += PROBE_SECONDS
    caps.admit("a")
    caps.ended("a", Contact.MADE)
    assert caps.admit("a") is Admission.GO


def test_what_a_server_refuses_says_that_it_is_up(clock: Clock) -> None:
    caps = Caps(16, 4, clock)
    for contact in (Contact.NONE, Contact.NONE, Contact.REFUSED, Contact.NONE, Contact.NONE):
        caps.admit("a")
        caps.ended("a", contact)

    assert caps.admit("a") is Admission.GO


def test_turns_go_round_the_servers(clock: Clock) -> None:
    caps = Caps(100, 100, clock)
    turns = Turns([*(database(f"a{one}", "a") for one in range(5)), database("b0", "b"), database("c0", "c")], caps)

    taken = [one.name for one in iter(turns.take, None)]

    assert taken == ["a0", "b0", "c0", "a1", "a2", "a3", "a4"]
    assert len(turns) == 0


def test_those_of_a_server_that_is_down_need_not_be_tried(clock: Clock) -> None:
    caps = Caps(16, 4, clock)
    turns = Turns([database(f"a{one}", "a") for one in range(6)] + [database("b0", "b")], caps)
    for _ in range(STRIKES):
        caps.admit("a")
    for _ in range(STRIKES):
        caps.ended("a", Contact.NONE)

    assert sorted(one.name for one in turns.of_servers_down()) == [f"a{one}" for one in range(6)]
    assert [one.name for one in iter(turns.take, None)] == ["b0"]


def test_whatever_comes_the_caps_hold_and_everybody_has_a_turn(clock: Clock, chance: random.Random) -> None:
    caps = Caps(7, 3, clock)
    turns = Turns([database(f"{server}{one}", server) for server in "abcde" for one in range(30)], caps)
    under_way: list[FleetDatabase] = []
    seen: Counter[str] = Counter()
    while turns or under_way:
        while (taken := turns.take()) is not None:
            under_way.append(taken)
        by_server = Counter(one.server for one in under_way)
        assert len(under_way) <= 7
        assert max(by_server.values(), default=0) <= 3
        clock.now += 1.0
        if under_way:
            ended = under_way.pop(chance.randrange(len(under_way)))
            contact = chance.choice([Contact.MADE, Contact.MADE, Contact.REFUSED, Contact.CROWDED])
            caps.ended(ended.server, contact)
            if contact is Contact.CROWDED:
                turns.put_back(ended)
            else:
                seen[ended.name] += 1
    assert len(seen) == 150
    assert set(seen.values()) == {1}
