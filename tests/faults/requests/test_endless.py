"""Requests that do not end: timeouts in Python, C and SQL, and cancellation of those that do not hear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.worker import LONG

from .conftest import Post

MakePost = Callable[..., Post]


def test_c_code_that_keeps_the_interpreter_is_ended_by_the_kernel(make_post: MakePost) -> None:
    """Its worker knows which one it had in hand, by memory that both share: that one has timed out, and no other."""
    post = make_post(LONG)
    endless = post.office.app.enqueue("post.doze", name="endless")
    post.ask("post.write", 30)
    worker = post.yard.leader("--concurrency", "1")
    post.until_done()

    assert {*post.office.names()} == {"endless", *map(str, range(30))}
    assert (2, "endless") in post.office.written()
    assert {attempt for attempt, name in post.office.written() if name != "endless"} == {1}
    first, second = post.office.runs("post.doze")
    assert (first.state, first.attempt, first.request) == ("timed_out", 1, endless)
    assert (second.state, second.attempt) == ("succeeded", 2)
    assert post.office.rows("dead_requests") == []
    assert worker.runs


@pytest.mark.parametrize("job", ["post.short", "post.ponder"], ids=["Python", "SQL"])
def test_past_its_timeout_it_ends_and_the_others_are_not_charged(make_post: MakePost, job: str) -> None:
    post = make_post(LONG)
    more: dict[str, Any] = {"folder": str(post.folder)} if job == "post.short" else {}
    endless = post.office.app.enqueue(job, name="endless", **more)
    post.ask("post.write", 30)
    worker = post.yard.leader("--concurrency", "1")
    post.until_done()

    assert Counter(attempt for attempt, _ in post.office.written()) == {1: 30, 2: 1}
    assert (2, "endless") in post.office.written()
    first, second = post.office.runs(job)
    assert (first.state, first.attempt, first.request) == ("timed_out", 1, endless)
    assert (second.state, second.attempt) == ("succeeded", 2)
    assert post.office.rows("dead_requests") == []
    assert worker.runs


def test_one_that_runs_and_asks_ends_when_it_is_cancelled(make_post: MakePost) -> None:
    post = make_post(LONG)
    (number,) = post.ask("post.wait", 1, folder=str(post.folder))
    worker = post.yard.leader()
    post.until(lambda: bool(post.begun()))

    assert post.office.app.cancel(number, by="ada")
    post.until_done()

    assert [(run.state, run.error) for run in post.office.runs("post.wait")] == [("cancelled", "cancelled by ada")]
    assert post.office.names() == []
    assert post.office.rows("dead_requests") == []
    assert worker.runs


def test_one_that_does_not_hear_is_ended_with_its_process_and_the_worker_lives(make_post: MakePost) -> None:
    post = make_post(LONG)
    (number,) = post.ask("post.deaf", 1, folder=str(post.folder))
    worker = post.yard.leader("--concurrency", "1")
    post.until(lambda: bool(post.begun()))

    assert post.office.app.cancel(number, by="ada")
    post.until_done()
    post.ask("post.write", 1)
    post.until_done()

    (run,) = post.office.runs("post.deaf")
    assert run.state == "cancelled"
    assert "cancelled by ada" in str(run.error)
    assert post.office.names() == ["0"]
    assert worker.runs


def test_schedules_have_their_turn_beside_a_flood(make_post: MakePost) -> None:
    """S7: an executor comes back from the flood as soon as something is due by a schedule."""
    post = make_post(LONG, "tests.support.ticking_requests")
    post.ask("post.wait", 1, folder=str(post.folder))
    post.ask("post.write", 3_000)
    post.yard.leader("--concurrency", "2")
    ticks = [f"tick.number_{number}" for number in range(3)]

    post.until(lambda: all(len(post.office.runs(name)) >= 2 for name in ticks))

    assert post.office.rows() != []  # the flood, or at least the one that waits for us, is not over
    post.go()
