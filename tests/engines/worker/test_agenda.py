"""The agenda: jobs by the instant at which to look at them, however many there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from sexton.engines.worker.agenda import Agenda

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def after(seconds: int) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def test_what_is_due_comes_out_once_and_in_order() -> None:
    agenda = Agenda()
    for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("d", 9)):
        agenda.look_at(name, after(seconds))

    assert agenda.due(after(3)) == ["a", "b", "c"]
    assert agenda.due(after(3)) == []
    assert agenda.next() == after(9)


def test_the_earliest_wish_counts() -> None:
    agenda = Agenda()
    agenda.look_at("a", after(5))
    agenda.look_at("a", after(2))
    agenda.look_at("a", after(8))

    assert agenda.due(after(2)) == ["a"]
    assert agenda.due(after(10)) == []
    assert agenda.next() is None


@given(some.lists(some.tuples(some.sampled_from("abcde"), some.integers(0, 20)), max_size=40), some.integers(0, 20))
def test_it_agrees_with_a_plain_table(wishes: list[tuple[str, int]], now: int) -> None:
    agenda, table = Agenda(), dict[str, int]()
    for name, seconds in wishes:
        agenda.look_at(name, after(seconds))
        table[name] = min(seconds, table.get(name, seconds))

    assert sorted(agenda.due(after(now))) == sorted(name for name, at in table.items() if at <= now)
    left = [at for at in table.values() if at > now]
    assert agenda.next() == (after(min(left)) if left else None)
