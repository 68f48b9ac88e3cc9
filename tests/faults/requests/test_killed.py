"""kill -9 of executors and workers in the middle of requests: each is done, and only the guilty are charged."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sexton import Wish
from tests.support.worker import LONG

from .conftest import Post

MakePost = Callable[..., Post]


def test_an_executor_that_is_killed_charges_the_one_that_it_had_in_hand(make_post: MakePost) -> None:
    """The others of its claim are begun by its successor at once, long before a lease would have run out."""
    post = make_post(LONG)
    (guilty,) = post.ask("post.wait", 1, folder=str(post.folder))
    others = post.ask("post.write", 30)
    worker = post.yard.leader("--concurrency", "3")  # one for schedules, one that waits again, one for the others
    post.until(lambda: bool(post.begun()))
    post.until(lambda: next(row for row in post.office.rows() if row.id == guilty).begun)

    os.kill(post.begun()["0"], signal.SIGKILL)
    post.until(lambda: len(post.office.names()) == len(others))
    post.go()
    post.until_done()

    assert Counter(attempt for attempt, _ in post.office.written()) == {1: 30, 2: 1}
    assert [(run.state, run.attempt) for run in post.office.runs("post.wait")] == [("abandoned", 1), ("succeeded", 2)]
    assert worker.runs


def test_one_that_kills_its_process_three_times_is_dead_and_the_others_are_done(make_post: MakePost) -> None:
    """P12: it is given up after three, and takes no turn from others."""
    post = make_post(LONG)
    post.ask("post.write", 10)
    (guilty,) = post.ask("post.crash", 1)
    post.office.app.enqueue("post.crash", times=1, name="twice")
    post.ask("post.write", 10)
    post.yard.leader("--concurrency", "1")

    post.until_done()

    (dead,) = post.office.rows("dead_requests")
    assert (dead.id, dead.reason, dead.crashes) == (guilty, "crashed", 3)
    assert {attempt for attempt, name in post.office.written() if name != "twice"} == {1}  # none of them was charged
    done = Counter(post.office.names())
    assert done.pop("twice") == 1
    assert done.keys() == {*map(str, range(10))}
    assert min(done.values()) >= 2  # what had ended within the last moment, and was not written yet, is run again


def test_a_worker_that_is_killed_is_replaced_by_another(make_post: MakePost) -> None:
    post = make_post()
    post.ask("post.wait", 1, folder=str(post.folder))
    post.ask("post.write", 20)
    first = post.yard.leader("--concurrency", "1")
    post.until(lambda: bool(post.begun()))

    first.kill()
    post.go()
    post.yard.worker("--concurrency", "1")
    post.until_done()

    assert {*post.office.names()} == {*map(str, range(20))}
    assert post.office.rows("dead_requests") == []


@pytest.mark.parametrize("whom", ["executor", "worker"])
def test_in_the_middle_of_hundreds_each_is_done(make_post: MakePost, whom: str) -> None:
    """Those that finish with their data exactly once, the others at least once."""
    post = make_post()
    finishing = post.ask("post.finish", 600)
    writing = post.ask("post.write", 200)
    worker = post.yard.leader("--concurrency", "1")
    killed = 0
    for share in (100, 250, 400):
        post.until(lambda share=share: len(post.office.names()) > share)  # type: ignore[misc]
        if whom == "worker":
            worker.kill()
            worker = post.yard.worker("--concurrency", "1")
        else:
            executor = _executor_of(worker.pid)
            if executor:
                os.kill(executor, signal.SIGKILL)
        killed += 1
    post.until_done()

    done = Counter(row.request for row in _calls(post))
    assert killed == 3
    assert {done[number] for number in finishing} == {1}
    assert min(done[number] for number in writing) >= 1
    assert post.office.rows("dead_requests") == []


def _calls(post: Post) -> list[Any]:
    from sqlalchemy import select

    from tests.support.request_jobs import WRITTEN

    with post.office.engine.connect() as connection:
        return list(connection.execute(select(WRITTEN)).all())


def _executor_of(worker: int) -> int | None:
    """Its child that executes."""
    for line in Path(f"/proc/{worker}/task/{worker}/children").read_text().split():
        with suppress(OSError):
            if b"sexton.engines.executor.child" in Path(f"/proc/{line}/cmdline").read_bytes():
                return int(line)
    return None


def test_a_worker_that_is_told_to_end_gives_back_what_it_has_at_no_cost(make_post: MakePost) -> None:
    """P7: what was claimed and is not begun, and what hears that it is to end."""
    post = make_post(LONG)
    (waiting,) = post.ask("post.wait", 1, folder=str(post.folder))
    others = post.ask("post.write", 30)
    worker = post.yard.leader("--concurrency", "1")
    post.until(lambda: bool(post.begun()))

    worker.send(signal.SIGTERM)
    assert worker.wait() == 0

    left = {row.id: (str(row.state), row.attempt, row.crashes) for row in post.office.rows()}
    assert waiting in left
    assert set(left) <= {waiting, *others}
    assert set(left.values()) == {("ready", 1, 0)}
    assert post.office.rows("workers") == []
    post.go()
    post.yard.worker()
    post.until_done()
    assert Counter(post.office.names())["0"] == 2
    assert {attempt for attempt, _ in post.office.written()} == {1}


def test_of_two_workers_none_takes_what_the_other_has(make_post: MakePost) -> None:
    post = make_post(LONG)
    for _ in range(2):
        post.yard.worker("--concurrency", "2")
    post.ask("post.write", 500)
    post.until_done()

    assert sorted(post.office.names(), key=int) == [*map(str, range(500))]


def test_a_serial_key_keeps_its_order_though_processes_die(make_post: MakePost) -> None:
    post = make_post(LONG)
    for name in ("first", "second", "third"):
        post.office.app.enqueue("post.crash", wish=Wish(serial="s"), times=1, name=name)
    post.yard.leader("--concurrency", "3")
    post.until_done()

    assert post.office.names() == ["first", "second", "third"]
