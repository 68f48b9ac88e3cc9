"""Requests that are taken back: while they wait, while they are claimed, while they run."""

from __future__ import annotations

import pytest

from sexton import Wish
from sexton.requests.claiming import Claims
from sexton.requests.ending import give_back
from sexton.slots.history import RunRecord
from tests.support.post_office import PostOffice

from .claims import claimed, dies


def test_one_that_waits_is_gone_when_it_is_cancelled(office: PostOffice) -> None:
    ready, delayed = office.app.enqueue("post.write"), office.app.enqueue("post.write", wish=Wish(delay="1h"))

    with office.engine.connect() as connection:
        assert office.app.cancel(ready, using=connection)
        connection.rollback()
    assert set(office.states()) == {ready, delayed}

    assert office.app.cancel(ready, by="ada")
    assert office.app.cancel(delayed)
    assert not office.app.cancel(delayed)
    assert not office.app.cancel(10**6)
    office.work()

    assert office.names() == []
    assert [_said(run) for run in office.runs()] == [
        ("cancelled", "cancelled by ada, before it began"),
        ("cancelled", "cancelled by the product, before it began"),
    ]


def _said(run: RunRecord) -> tuple[str, str]:
    return str(run.state), str(run.error)


@pytest.mark.parametrize("back", ["given back", "its process died"])
def test_one_that_is_cancelled_while_it_is_claimed_never_comes_back(office: PostOffice, back: str) -> None:
    number = office.app.enqueue("post.write")
    claimed(office, "a")
    assert office.app.cancel(number, by="ada")

    if back == "given back":
        with office.engine.begin() as connection:
            give_back(connection, "a", [number])
    else:
        dies(office, "a")

    assert office.rows() == []
    assert office.runs()[-1].state == "cancelled"


def test_one_that_fails_and_was_cancelled_is_not_tried_again(office: PostOffice) -> None:
    number = office.app.enqueue("post.fail")
    shift = office.shift()
    with office.engine.begin() as connection:
        shift.holder.renew(connection)
        claimed_requests = Claims(shift.holder.name, "worker").claim(connection, 1)
    office.app.cancel(number, by="ada")

    shift._execute(claimed_requests, lambda: False)
    shift.write()

    assert office.rows() == office.rows("dead_requests") == []
    assert [_said(run) for run in office.runs()] == [("cancelled", "cancelled by ada")]
