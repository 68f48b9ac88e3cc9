"""Unique keys: of those that wait one has it; the one that runs does not count, as it may have missed the change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from sexton import Wish
from sexton.requests.claiming import Claims
from sexton.requests.ending import give_back
from sexton.requests.upkeep import unknown
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.post_office import PostOffice
from tests.support.request_jobs import WRITTEN
from tests.support.waiters import somebody_waits

from .claims import claimed, dies

KEY = Wish(unique="invoice 7")
ROW = {"request": 0, "attempt": 0, "name": "the product's own", "process": 0}


def test_who_asks_again_gets_the_older_number_and_a_transaction_that_goes_on(office: PostOffice) -> None:
    """S5: a conflict is no error, which would spoil the caller's transaction."""
    first = office.app.enqueue("post.write", wish=KEY, name="first")

    with office.engine.begin() as connection:
        second = office.app.enqueue("post.write", using=connection, wish=KEY, name="second")
        third = office.app.enqueue("post.write", using=connection, wish=KEY, name="third")
        connection.execute(insert(WRITTEN), ROW)
    other_job = office.app.enqueue("post.finish", wish=KEY, name="another job")
    office.work()

    assert first == second == third != other_job
    assert sorted(office.names()) == ["another job", "first", "the product's own"]


@pytest.mark.parametrize("more", [{"delay": "1h"}, {"serial": "s"}])
def test_one_that_is_delayed_or_blocked_waits_too(office: PostOffice, more: dict[str, Any]) -> None:
    first = office.app.enqueue("post.write", wish=Wish(unique="k", **more))

    assert office.app.enqueue("post.write", wish=Wish(unique="k")) == first


def test_while_the_old_one_runs_a_new_one_waits(office: PostOffice) -> None:
    """S5: the change that came while it ran is not swallowed."""
    first = office.app.enqueue("post.write", wish=KEY)
    assert claimed(office, "busy") == [first]

    second = office.app.enqueue("post.write", wish=KEY)
    assert office.app.enqueue("post.write", wish=KEY) == second != first

    assert office.states() == {first: "running", second: "ready"}


def test_a_retry_that_meets_a_newer_twin_is_superseded(office: PostOffice) -> None:
    number = office.app.enqueue("post.fail", wish=KEY)
    shift = office.shift()
    with office.engine.begin() as connection:
        shift.holder.renew(connection)
        (request,) = Claims(shift.holder.name, "worker").claim(connection, 1)
    twin = office.app.enqueue("post.fail", wish=KEY)

    shift._execute([request], lambda: False)  # the claim was made here, so that the twin came after it
    shift.write()

    assert number == request.id
    assert office.states() == {twin: "ready"}
    (run,) = office.runs()
    assert (run.state, run.outcome_code) == ("skipped", "superseded")
    assert "a newer request with its unique key waits" in str(run.error)


def _given_back(office: PostOffice, ids: list[int]) -> None:
    with office.engine.begin() as connection:
        give_back(connection, "busy", ids)


def _unknown(office: PostOffice, ids: list[int]) -> None:
    with office.engine.begin() as connection:
        unknown(connection, "busy", ids)


WAYS_BACK: list[Callable[[PostOffice, list[int]], None]] = [
    _given_back,
    _unknown,
    lambda office, ids: dies(office, "busy"),
]


@pytest.mark.parametrize("way", WAYS_BACK, ids=["given back", "unknown", "its process died"])
def test_what_comes_back_and_meets_its_twin_is_superseded(
    office: PostOffice, way: Callable[[PostOffice, list[int]], None]
) -> None:
    """S5: two that wait with one key would break the index, and with it the work of the leader for all."""
    first = office.app.enqueue("post.write", wish=KEY)
    other = office.app.enqueue("post.write", wish=Wish(unique="another"))
    plain = office.app.enqueue("post.write")
    assert claimed(office, "busy") == [first, other, plain]
    twin = office.app.enqueue("post.write", wish=KEY)

    way(office, [first, other, plain])

    assert set(office.states()) == {other, plain, twin}
    assert set(office.states().values()) <= {"ready", "delayed"}
    assert [run.outcome_code for run in office.runs() if run.state == "skipped"] == ["superseded"]


def _in_the_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    return thread, answers


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("commits", [True, False], ids=["commits", "rolls back"])
def test_a_rival_that_has_not_committed_is_waited_for(office: PostOffice, commits: bool) -> None:
    """S5: on its rollback ours stands; a look before the write would have left none of both."""
    with office.engine.connect() as rival:
        first = office.app.enqueue("post.write", using=rival, wish=KEY, name="rival")
        thread, answers = _in_the_background(lambda: office.app.enqueue("post.write", wish=KEY, name="ours"))
        assert wait_until(lambda: somebody_waits(office.engine), PATIENCE)
        rival.commit() if commits else rival.rollback()
    thread.join()
    office.work()

    assert office.names() == (["rival"] if commits else ["ours"])
    assert (answers == [first]) is commits


@pytest.mark.databases("postgres")
def test_a_retry_waits_for_a_rival_that_has_not_committed(office: PostOffice) -> None:
    """S5: what failed comes back only if the newer one was rolled back."""
    for commits in (True, False):
        number = office.app.enqueue("post.write", wish=KEY)
        claimed(office, "busy")
        with office.engine.connect() as rival:
            twin = office.app.enqueue("post.write", using=rival, wish=KEY)
            thread, _ = _in_the_background(lambda number=number: _given_back(office, [number]))  # type: ignore[misc]
            assert wait_until(lambda: somebody_waits(office.engine), PATIENCE)
            rival.commit() if commits else rival.rollback()
        thread.join()

        left = twin if commits else number
        assert office.states() == {left: "ready"}
        assert office.app.cancel(left)
