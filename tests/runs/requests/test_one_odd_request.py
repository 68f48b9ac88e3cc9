"""What is odd about one request ends that one: the shift goes on, and does not take it again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sexton import Counts, Job, OnDemand, RequestRun
from sexton.requests.ending import EndedRequest
from tests.support.post_office import PostOffice


def _odd(arguments: Mapping[str, Any], since: int) -> Mapping[Any, Any]:
    return {1: arguments, 2: since}


def test_arguments_that_cannot_be_read_at_all_are_dead_at_once(office: PostOffice) -> None:
    def work(run: RequestRun, name: str = "") -> None:
        """Never called."""

    office.app.registry.add(Job("once.odd", work=work, on_demand=OnDemand(args_version=2, upgrade=_odd)))
    number = office.app.enqueue("once.odd", name="secret")
    office.change(number, args_version=1)
    office.app.enqueue("post.write", name="beside it")
    office.work()

    assert office.names() == ["beside it"]
    (dead,) = office.rows("dead_requests")
    assert (dead.id, dead.reason) == (number, "unfit arguments")
    assert dead.error == "could not begin: once.odd: its arguments cannot be read: TypeError"


def test_a_function_that_cannot_be_had_for_an_unforeseen_reason_is_tried_again(
    office: PostOffice, monkeypatch: Any
) -> None:
    shift = office.shift()
    number = office.app.enqueue("post.write", name="odd")

    def fail(_name: str) -> None:
        raise LookupError("nobody thought of it")

    monkeypatch.setattr(shift.place.functions, "get", fail)
    office.work(shift)

    assert not shift.broken
    assert office.states() == {number: "delayed"}
    assert office.runs()[0].error == "could not begin: LookupError: nobody thought of it"


def test_the_rest_before_a_late_attempt_is_the_longest(office: PostOffice) -> None:
    """Doubled sixty times it is more than a timedelta holds."""

    def work(run: RequestRun) -> None:
        """Fails."""
        raise RuntimeError("as ever")

    office.app.registry.add(Job("once.late", work=work, on_demand=OnDemand(attempts=100, first_retry="5m")))
    number = office.app.enqueue("once.late")
    office.change(number, attempt=61)
    office.work()

    (row,) = office.rows()
    assert (row.id, str(row.state), row.attempt) == (number, "delayed", 62)


def test_counts_by_names_that_no_database_keeps_are_kept_as_text(office: PostOffice) -> None:
    """It had done its work: what it counted cannot make it fail again and again."""
    odd = {"a\0": 1, "\ud800": 2}
    office.app.registry.add(Job("once.odd", work=lambda run: Counts(also=odd), on_demand=OnDemand()))
    office.app.enqueue("once.odd")
    office.work()

    assert office.rows() == []
    (run,) = office.runs()
    assert run.total.also == {r"a\u0000": 1, r"\ud800": 2}


def test_what_fails_after_the_end_is_told(office: PostOffice) -> None:
    """Nobody tries it again, and nobody should have to guess."""
    told: list[EndedRequest] = []
    shift = office.shift()
    shift.place = replace(shift.place, tell=told.extend)
    office.app.enqueue("post.finish_and_fail", name="once")
    office.work(shift)

    (one,) = told
    assert (one.ending.state, one.is_dead, one.again) == ("partial", False, None)
    assert one.ending.error == "after it had ended with its data: RuntimeError: too late"
    assert office.ends() == [("post.finish_and_fail", 1, "succeeded")]
