"""Who is called: when it rests, who may probe it, what ends a rest, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection, Engine, select, text, update

from sexton.calls.destinations import (
    available,
    give_back_probe,
    health_of,
    listing,
    pause,
    probes_due,
    prolong_probe,
    record,
    reset,
    resume,
    take_probe,
    unwell,
)
from sexton.calls.health import CallReport, DestinationHealth, FailureKind, HealthChange
from sexton.db.tables import own_tables
from tests.support.called import failed, went_well
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON

NAME = "gateway"

RESTS, BACK = HealthChange.RESTS, HealthChange.BACK

DAY = 86400.0


def at(seconds: float) -> datetime:
    """So many seconds past noon."""
    return NOON + timedelta(seconds=seconds)


class Caller:
    """Short words for what happens to one destination, each in a transaction of its own; times in seconds past noon."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def fails(
        self, seconds: float, row: object = 1, kind: FailureKind = FailureKind.DOWN, asked: float | None = None
    ) -> HealthChange | None:
        with self.engine.begin() as connection:
            return failed(connection, NAME, str(row), f"{kind} at {seconds}", at(seconds), kind=kind, asked=asked)

    def succeeds(self, seconds: float) -> HealthChange | None:
        with self.engine.begin() as connection:
            return went_well(connection, NAME, "1", at(seconds))

    def room(self, seconds: float, most: int = 9) -> int:
        with self.engine.begin() as connection:
            return available(connection, [NAME], at(seconds), most)[NAME]

    def probes(self, seconds: float, claim: str = "one", lasts: float = 40) -> bool:
        with self.engine.begin() as connection:
            return take_probe(connection, NAME, claim, at(seconds + lasts), at(seconds))

    def health(self) -> DestinationHealth:
        with self.engine.begin() as connection:
            return health_of(connection, [NAME]).get(NAME, DestinationHealth())

    def rest(self) -> float | None:
        """Until when, in seconds past noon."""
        until = self.health().rest_until
        return None if until is None else (until - NOON).total_seconds()


@pytest.fixture
def caller(engine: Engine) -> Caller:
    return Caller(engine)


def test_one_that_nobody_has_called_gets_as_many_calls_as_the_step_has(caller: Caller) -> None:
    assert caller.room(0, most=4) == 4


def test_one_that_is_down_is_not_called_for_half_a_minute(caller: Caller) -> None:
    """(G1) One incident: only the first of the calls that were under way says so."""
    changes = [caller.fails(seconds, row) for seconds, row in ((0, 1), (0, 2), (0.5, 3), (2, 4))]

    assert changes == [RESTS, None, None, None]
    assert [caller.room(seconds) for seconds in (0, 2, 29.999, 30)] == [0, 0, 0, 1]


def test_each_further_rest_is_twice_as_long_up_to_a_quarter_of_an_hour(caller: Caller) -> None:
    """G5, G6: no storm of retries."""
    now, rests, changes = 0.0, [], []
    for _ in range(8):
        changes.append(caller.fails(now))
        until = caller.rest()
        assert until is not None
        rests.append(until - now)
        now = until
        assert caller.probes(now)

    assert rests == [30, 60, 120, 240, 480, 900, 900, 900]
    assert changes == [RESTS] + [None] * 7


@pytest.mark.parametrize(
    ("asked", "rest"),
    [
        (None, 30),
        (5, 30),
        (120, 120),
        (DAY, DAY),
        (1e14, DAY),
        (-7, 30),
        (float("nan"), 30),
        (float("inf"), DAY),
        (float("-inf"), 30),
    ],
)
def test_seconds_that_it_asks_for_are_honoured_up_to_a_day(asked: float | None, rest: float, caller: Caller) -> None:
    """(G6) a Retry-After of seconds, of nonsense, of years"""
    caller.fails(0, asked=asked)

    assert caller.rest() == rest
    assert [caller.room(rest - 0.001), caller.room(rest)] == [0, 1]


def test_an_answer_that_comes_during_a_rest_may_ask_for_a_longer_one(caller: Caller) -> None:
    caller.fails(0)
    rests = []
    for seconds, asked in ((1, 10), (2, 300), (3, 60)):
        caller.fails(seconds, asked=asked)
        rests.append(caller.rest())

    assert rests == [30, 302, 302]


def test_two_rows_of_three_are_the_rows_own(caller: Caller) -> None:
    """(G1) Three different rows in sequence are not."""
    changes = [caller.fails(row, row, FailureKind.ROW) for row in (1, 2)]
    assert caller.room(2) == 9

    assert [*changes, caller.fails(3, 3, FailureKind.ROW)] == [None, None, RESTS]
    assert caller.room(3) == 0


def test_two_bad_rows_that_fail_again_and_again_stop_nobody_else(caller: Caller) -> None:
    """Trap 4 of `outside`: one that clogs all."""
    for number in range(20):
        assert caller.fails(number, number % 2, FailureKind.ROW) is None

    assert caller.room(20) == 9


def test_a_success_ends_the_sequence_of_failed_rows(caller: Caller) -> None:
    for row in range(9):
        caller.fails(row, row, FailureKind.ROW)
        if row % 2:
            caller.succeeds(row)

    assert caller.room(9) == 9


def test_after_a_rest_it_gets_one_call_then_two_then_four_then_all(caller: Caller) -> None:
    caller.fails(0)
    caller.probes(30)
    assert caller.succeeds(31) is BACK
    rooms = [caller.room(31)]
    for _ in range(7):
        assert caller.succeeds(32) is None
        rooms.append(caller.room(32))

    assert rooms == [1, 2, 2, 4, 4, 4, 4, 9]
    assert caller.room(32, most=3) == 3
    assert caller.health().rests == 0


def test_one_that_comes_back_only_to_fail_again_rests_longer(caller: Caller) -> None:
    """But not for what was long ago."""
    caller.fails(0)
    assert caller.succeeds(30) is BACK
    assert caller.fails(31) is RESTS
    assert caller.rest() == 91
    assert caller.succeeds(91) is BACK
    caller.fails(91 + 3600)

    assert caller.rest() == 91 + 3600 + 30


def test_a_call_that_had_begun_before_ends_no_rest(caller: Caller) -> None:
    """Who says 429 to one call may have said yes to the one before, and gets its rest all the same. (G6)"""
    caller.fails(0, asked=600)

    assert caller.succeeds(1) is None
    assert caller.room(599) == 0
    assert caller.health().last_ok_at == at(1)


def test_a_probe_that_fails_in_its_own_way_makes_the_rest_longer_as_well(caller: Caller) -> None:
    caller.fails(0)
    caller.probes(30)

    assert caller.fails(35, kind=FailureKind.ROW) is None
    assert caller.rest() == 35 + 60


def test_exactly_one_claim_gets_the_probe_and_one_that_is_lost_is_free_again(caller: Caller) -> None:
    """Trap 6 of `outside`: a probe was lost, and the destination shut for days."""
    caller.fails(0)
    assert not caller.probes(29, "early")
    assert [caller.probes(30, claim) for claim in ("one", "two", "one")] == [True, False, True]
    assert [caller.room(seconds) for seconds in (31, 69.999, 70)] == [0, 0, 1]

    assert caller.probes(70, "two")
    assert not caller.probes(71, "one")


def test_a_probe_that_takes_long_is_prolonged_by_its_own_claim(caller: Caller) -> None:
    caller.fails(0)
    caller.probes(30, "one", lasts=40)
    assert caller.probes(60, "one", lasts=400)

    assert not caller.probes(80, "two")
    assert caller.room(459) == 0


def test_a_call_that_takes_longer_prolongs_no_probe_but_its_own(caller: Caller) -> None:
    def prolong(claim: str, seconds: float) -> None:
        with caller.engine.begin() as connection:
            prolong_probe(connection, NAME, claim, at(seconds + 400), at(seconds))

    prolong("one", 0)
    untouched = caller.health()
    caller.fails(0)
    prolong("one", 30)
    free = caller.room(31)
    caller.probes(31, "one", lasts=40)
    prolong("two", 60)
    short = caller.room(71)
    caller.probes(71, "one", lasts=40)
    prolong("one", 100)

    assert untouched == DestinationHealth()
    assert (free, short, caller.room(499), caller.room(500)) == (1, 1, 0, 1)


def test_a_probe_that_is_given_back_is_free_at_once(caller: Caller) -> None:
    caller.fails(0)
    caller.probes(30, "one")
    with caller.engine.begin() as connection:
        give_back_probe(connection, NAME, "two")
        assert available(connection, [NAME], at(31), 9) == {NAME: 0}
        give_back_probe(connection, NAME, "one")

    assert caller.probes(31, "two")


def test_one_that_works_needs_no_probe(caller: Caller) -> None:
    assert not caller.probes(0)
    caller.fails(0)
    with caller.engine.begin() as connection:
        due = [probes_due(connection, [NAME, "other"], at(seconds)) for seconds in (29, 30)]
    caller.succeeds(30)

    assert due == [set(), {NAME}]
    assert not caller.probes(31)


@pytest.mark.parametrize("back", [3600, 2 * DAY, 400 * DAY])
def test_a_clock_that_is_set_back_does_not_shut_it_for_longer_than_a_day(back: float, caller: Caller) -> None:
    """L12: set back at once after a probe began, which is lost."""
    caller.fails(0)
    caller.probes(30, lasts=600)
    at_once, day_later = 31 - back, 31 - back + DAY + 900

    assert 1 in (caller.room(at_once), caller.room(day_later))
    assert caller.probes(at_once, "two") or caller.probes(day_later, "two")


def test_without_credentials_it_is_tried_once_a_day(caller: Caller) -> None:
    """(G5) credentials revoked: no storm that would lock us out, and one incident."""
    changes = [caller.fails(0, kind=FailureKind.LASTING)]
    assert [caller.room(seconds) for seconds in (1, DAY - 1, DAY)] == [0, 0, 1]
    assert caller.probes(DAY)
    changes.append(caller.fails(DAY + 1, kind=FailureKind.LASTING))

    assert changes == [RESTS, None]
    assert caller.rest() == 2 * DAY + 1


def test_changed_settings_end_a_rest_that_waited_for_them(caller: Caller) -> None:
    """(G5) A process asks each time it starts; the settings that were refused change nothing."""
    with caller.engine.begin() as connection:
        failed(connection, NAME, "1", "401", NOON, kind=FailureKind.LASTING, settings="old")
        failed(connection, "other", "1", "refused", NOON, kind=FailureKind.DOWN)
        for unchanged in ({NAME: "old"}, {"other": "new"}, {"unheard of": "new"}):
            assert reset(connection, unchanged, at(60)) == set()
        assert available(connection, [NAME], at(60), 9) == {NAME: 0}

        assert reset(connection, {NAME: "new", "other": "new"}, at(60)) == {NAME}

    assert caller.probes(60)
    assert caller.succeeds(61) is BACK


def test_since_when_it_fails_is_set_once_and_ended_by_a_success(caller: Caller) -> None:
    """(W7) the days of failure count from the first one"""
    for row in range(4):
        caller.fails(100 * row, row, FailureKind.ROW)
    failing = caller.health()
    caller.succeeds(400)
    works = caller.health()

    assert (failing.first_failed_at, failing.last_failed_at) == (at(0), at(300))
    assert failing.since == at(0)
    assert failing.reason == "row at 300"
    assert (works.since, works.reason) == (None, None)


def test_a_person_pauses_and_resumes(caller: Caller) -> None:
    """What had worked goes on as it was."""
    caller.succeeds(0)
    with caller.engine.begin() as connection:
        pause(connection, NAME, "ann", "moving house", at(1))
        assert available(connection, [NAME], at(DAY), 9) == {NAME: 0}
        (row,) = listing(connection).values()
        assert (row.disabled_by, row.reason, row.since) == ("ann", "moving house", at(1))
        assert resume(connection, NAME)

    assert caller.room(2) == 9


def test_a_person_ends_a_rest(caller: Caller) -> None:
    caller.fails(0, asked=DAY)
    with caller.engine.begin() as connection:
        assert resume(connection, NAME)

    assert caller.room(1) == 1
    assert caller.succeeds(1) is None


def test_reports_of_many_calls_are_counted_in_their_order(engine: Engine) -> None:
    """One statement looks for all; each changes once."""
    down, row = FailureKind.DOWN, FailureKind.ROW
    reports = [
        *(CallReport("b", subject, row) for subject in "123"),
        *(CallReport("a", subject, failure) for subject, failure in (("1", row), ("2", row), ("3", None), ("4", row))),
        *(CallReport("c", subject, down) for subject in "12"),
        CallReport("d", "1"),
    ]
    with engine.begin() as connection:
        changes = record(connection, reports, at(0))
        names = [name for name, health in listing(connection).items() if health.rest_until is None]
        back = record(connection, [CallReport(name, "1") for name in "cba"], at(30))

    assert changes == {"b": RESTS, "c": RESTS}
    assert names == ["a", "d"]
    assert back == {"b": BACK, "c": BACK}


def writes(engine: Engine, calls: Sequence[float]) -> int:
    """How often the row is written by successes at these times."""
    table = own_tables(engine.dialect.name).destinations
    seen = []
    for seconds in calls:
        with engine.begin() as connection:
            went_well(connection, NAME, "1", at(seconds))
            seen.append(connection.execute(select(table.c.last_ok_at)).scalar_one())
    return len(set(seen))


def test_successes_of_one_that_works_write_its_row_once_a_minute(engine: Engine) -> None:
    """A row that each call writes would queue them all."""
    assert writes(engine, [0, 1, 30, 59.9, 60, 61, 119, 120]) == 3


@pytest.mark.databases("postgres")
def test_successes_of_one_that_works_wait_for_nobody(engine: Engine) -> None:
    with engine.begin() as connection:
        went_well(connection, NAME, "1", at(0))
    with engine.connect() as rival, engine.connect() as connection:
        rival.execute(update(own_tables("postgresql").destinations).values(rests=0))
        connection.execute(text("SET LOCAL lock_timeout = '1ms'"))

        assert went_well(connection, NAME, "1", at(1)) is None
        assert available(connection, [NAME], at(1), 4) == {NAME: 4}
        assert not take_probe(connection, NAME, "one", at(60), at(1))


def at_once(engine: Engine, *work: object) -> None:
    """Run the functions at the same moment, each in a transaction of its own; errors are raised."""
    together, errors = Barrier(len(work)), list[Exception]()

    def one(function: object) -> None:
        assert callable(function)
        together.wait(PATIENCE)
        try:
            with engine.begin() as connection:
                function(connection)
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=one, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_of_several_processes_one_gets_the_probe(caller: Caller) -> None:
    """(G1) Each on a connection of its own, all of them at the same moment."""
    for round_ in range(10):
        now, got = 1e5 * round_, list[str]()
        caller.fails(now, asked=30)

        def take(connection: Connection, claim: str, now: float = now, got: list[str] = got) -> None:
            if take_probe(connection, NAME, claim, at(now + 2000), at(now + 1000)):
                got.append(claim)

        at_once(caller.engine, *(lambda connection, n=n: take(connection, str(n)) for n in range(4)))

        assert got == [caller.health().probe]


def test_of_several_failures_at_once_one_opens_the_incident(caller: Caller) -> None:
    """First ones too, for whom there is no row yet; names come in any order, and no two wait for each other."""
    for round_ in range(10):
        names, changes = [f"{round_}{letter}" for letter in "abc"], list[str]()

        def fail(connection: Connection, names: Sequence[str], changes: list[str] = changes) -> None:
            changes.extend(record(connection, [CallReport(name, "1", FailureKind.DOWN) for name in names], NOON))

        orders = [names[place:] + names[:place] for place in range(3)]
        at_once(caller.engine, *(lambda connection, order=order: fail(connection, order) for order in orders))

        assert sorted(changes) == names


def test_three_processes_with_one_failed_row_each_make_it_rest(caller: Caller) -> None:
    """No failure is lost to another that is recorded at the same moment."""
    caller.succeeds(0)
    changes: list[HealthChange | None] = []

    def fail(connection: Connection, row: str) -> None:
        changes.append(failed(connection, NAME, row, "500", at(1), kind=FailureKind.ROW))

    at_once(caller.engine, *(lambda connection, row=row: fail(connection, row) for row in "123"))

    assert sorted(map(str, changes)) == ["None", "None", "rests"]
    assert caller.room(2) == 0


def test_what_somebody_left_in_a_row_stops_nothing(caller: Caller) -> None:
    """SEC-2"""
    caller.fails(0, kind=FailureKind.ROW)
    table = own_tables(caller.engine.dialect.name).destinations
    with caller.engine.begin() as connection:
        connection.execute(update(table).values(failed_subjects={"a": 1}, since_rest=-5, rests=-3))

    assert caller.room(1) == 1
    assert caller.fails(2) is RESTS
    assert caller.room(3) == 0


def test_those_that_are_not_well_are_listed_by_themselves(engine: Engine) -> None:
    with engine.begin() as connection:
        went_well(connection, "works", "1", NOON)
        failed(connection, "once", "1", "500", NOON, kind=FailureKind.ROW)
        failed(connection, "rests", "1", "refused", NOON, kind=FailureKind.DOWN)
        pause(connection, "paused", "ann", "why not", NOON)

        assert list(unwell(connection)) == ["paused", "rests"]
        assert list(listing(connection)) == ["once", "paused", "rests", "works"]
