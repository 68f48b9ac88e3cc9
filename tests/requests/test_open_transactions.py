"""A product's transaction that stays open for minutes holds up its own requests, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sexton import Wish
from sexton.jobs.job import OWN_ENGINE
from sexton.requests.upkeep import keep_up
from sexton.slots.lease import short_transaction
from tests.support.post_office import PostOffice

from .claims import claimed, dies

pytestmark = pytest.mark.databases("postgres")


def leaders_look(office: PostOffice) -> None:
    """What a leader does once a second, with the patience that it has."""
    with short_transaction(office.engine, 10.0) as connection:
        keep_up(connection, [OWN_ENGINE])


@contextmanager
def somebody_asks(office: PostOffice, *wishes: Wish) -> Iterator[None]:
    """In a transaction that stays open, and is rolled back."""
    with office.engine.connect() as connection:
        for wish in wishes:
            office.app.enqueue("post.write", using=connection, wish=wish, name="theirs")
        yield
        connection.rollback()


def test_who_asks_for_one_in_a_line_holds_up_no_other(office: PostOffice) -> None:
    asked = Wish(serial="customer 1", unique="invoice 7")
    blocked = office.app.enqueue("post.write", wish=asked)
    other = office.app.enqueue("post.write", wish=Wish(serial="customer 2"))
    delayed = office.app.enqueue("post.write", wish=Wish(delay="1h"))
    office.past(delayed, "run_at")

    with somebody_asks(office, asked):
        leaders_look(office)
        assert office.states() == {blocked: "blocked", other: "ready", delayed: "ready"}

    leaders_look(office)
    assert office.states()[blocked] == "ready"


def test_what_a_dead_process_had_waits_again_beside_an_open_rival(office: PostOffice) -> None:
    keys = [Wish(unique=str(number)) for number in range(3)]
    numbers = [office.app.enqueue("post.write", wish=wish, name="ours") for wish in keys]
    delayed = office.app.enqueue("post.write", wish=Wish(delay="1h"))
    office.past(delayed, "run_at")
    claimed(office, "busy")

    with somebody_asks(office, *keys[:2]):
        office.change(numbers[0], holder="gone", begun=True)
        office.change(numbers[1], holder="gone", begun=True)
        leaders_look(office)
        rows = {row.id: (str(row.state), row.unique_key) for row in office.rows()}

    assert rows == {
        numbers[0]: ("ready", None),
        numbers[1]: ("ready", None),
        numbers[2]: ("running", "2"),
        delayed: ("ready", None),
    }
    dies(office, "busy")
    office.work()
    assert office.names().count("ours") == len(numbers)
