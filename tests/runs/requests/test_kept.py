"""What a shift claimed is neither lost nor begun twice: its database fails its second thread, or it was away itself."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from sexton import Job, OnDemand, RequestRun, Wish
from sexton.requests.ending import EndedRequest
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.post_office import PostOffice

KEEPER = "requests"
"""Name of the second thread of a shift."""


def first(office: PostOffice, work: Callable[[RequestRun], None]) -> int:
    """Ask for this function, which goes before all others; the number."""
    office.app.registry.add(Job("once.first", work=work, on_demand=OnDemand()))
    return office.app.enqueue("once.first", wish=Wish(priority=9))


def test_what_could_not_be_given_back_at_once_is_given_back_later(office: PostOffice) -> None:
    """The database fails the thread that keeps a long request, and not the request itself."""
    failed: list[str] = []

    def fail_once(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "UPDATE" in statement and threading.current_thread().name == KEEPER and not failed:
            failed.append(statement)
            raise OperationalError(statement, {}, Exception("the line is dead"))

    def work(run: RequestRun) -> None:
        """Takes its time."""
        wait_until(lambda: bool(failed), PATIENCE)

    first(office, work)
    office.app.enqueue_many("post.write", [{"name": str(number)} for number in range(5)])
    event.listen(office.engine, "before_cursor_execute", fail_once)
    office.work()

    assert failed
    assert office.rows() == []
    assert sorted(office.names()) == ["0", "1", "2", "3", "4"]
    assert {run.attempt for run in office.runs()} == {1}


def test_what_others_took_while_it_was_away_is_not_begun_here(office: PostOffice) -> None:
    """A process that was stopped for longer than its row stands goes on, and looks at what is still its own."""
    shift = office.shift()
    asked: list[int] = []
    called: list[str] = []

    def call(run: RequestRun, name: str) -> None:
        """To the outside, where no fence holds it."""
        called.append(name)

    def work(run: RequestRun) -> None:
        """Others take one of those behind it, as they would after its row has run out."""
        office.change(asked[0], holder="another")
        shift.holder.renewed -= shift.holder.seconds + 1.0

    first(office, work)
    office.app.registry.add(Job("once.call", work=call, on_demand=OnDemand()))
    asked += office.app.enqueue_many("once.call", [{"name": "theirs"}, {"name": "ours"}])
    office.work(shift)

    assert called == ["ours"]
    assert office.states() == {asked[0]: "running"}


def test_a_late_renewal_is_no_proof_that_all_is_still_ours(office: PostOffice) -> None:
    shift = office.shift()
    with office.engine.begin() as connection:
        shift.holder.renew(connection)
    assert not shift.holder.lapsed

    shift.holder.renewed -= shift.holder.seconds + 1.0
    with office.engine.begin() as connection:
        shift.holder.renew(connection)

    assert shift.holder.lapsed


def test_it_is_kept_alive_while_a_module_is_loaded(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = office.shift()
    shift.place = replace(shift.place, limits=replace(shift.place.limits, renew=0.001))
    load = shift.place.functions.get

    def slowly(name: str) -> Any:
        began = time.monotonic()
        wait_until(lambda: shift.holder.renewed > began, PATIENCE)
        return load(name)

    monkeypatch.setattr(shift.place.functions, "get", slowly)
    office.app.enqueue("post.write", name="slow to load")
    office.work(shift)

    assert office.names() == ["slow to load"]


def test_a_request_that_came_back_leaves_no_alarm_behind(office: PostOffice) -> None:
    """What is slow after it, such as the database, does not end the process in its name."""
    left: list[float] = []
    shift = office.shift()

    def tell(_ended: Sequence[EndedRequest]) -> None:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])

    shift.place = replace(shift.place, own_process=True, tell=tell)
    office.app.enqueue("post.write")
    office.work(shift)

    assert left == [0.0]
