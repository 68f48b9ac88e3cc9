"""What a leader keeps in order, and what becomes of requests that are taken back."""

from __future__ import annotations

import pytest

from sexton import Wish
from sexton.errors import LeaseLost
from sexton.jobs.on_demand import OnDemand
from sexton.requests.ending import give_back
from sexton.requests.holders import working
from sexton.requests.upkeep import process_gone
from sexton.runs.hard_limit import OVERDUE
from tests.support.post_office import PostOffice

from .claims import begins, claimed, dies


def charges(office: PostOffice) -> dict[int, tuple[str, int, int]]:
    """(state, attempt, crashes) of each request."""
    return {row.id: (str(row.state), row.attempt, row.crashes) for row in office.rows()}


def test_of_a_process_that_died_the_one_under_way_is_to_blame(office: PostOffice) -> None:
    first, guilty, third = office.app.enqueue_many("post.write", [{}] * 3)
    claimed(office, "a")
    begins(office, "a", guilty)

    dies(office, "a")

    assert charges(office) == {first: ("ready", 1, 0), guilty: ("ready", 2, 1), third: ("ready", 1, 0)}
    (run,) = office.runs()
    assert (run.state, run.attempt, run.worker) == ("abandoned", 1, "a")
    assert run.error == "its process ended without a word"


def test_where_nobody_knows_all_that_it_had_might_be(office: PostOffice) -> None:
    numbers = office.app.enqueue_many("post.write", [{}] * 2)
    claimed(office, "a")

    dies(office, "a")

    assert charges(office) == dict.fromkeys(numbers, ("ready", 2, 1))


def test_what_a_living_process_holds_stays_its_own(office: PostOffice) -> None:
    (number,) = office.app.enqueue_many("post.write", [{}])
    claimed(office, "a")

    office.keep_up()

    assert charges(office) == {number: ("running", 1, 0)}
    with office.engine.begin() as connection:
        assert working(connection) == {"worker": 1}


def test_after_three_crashes_it_is_dead(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", name="x")
    for crash in range(3):
        assert charges(office) == {number: ("ready", crash + 1, crash)}
        claimed(office, f"h{crash}")
        begins(office, f"h{crash}", number)
        dies(office, f"h{crash}")

    assert office.rows() == []
    (dead,) = office.rows("dead_requests")
    assert (dead.id, dead.reason, dead.args) == (number, "crashed", '{"name":"x"}')
    assert [run.state for run in office.runs()] == ["abandoned"] * 3


def test_a_crash_at_the_last_attempt_is_the_end(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", wish=Wish(attempts=1))
    claimed(office, "a")
    dies(office, "a")

    assert [row.id for row in office.rows("dead_requests")] == [number]
    assert office.rows() == []


def test_of_a_serial_key_one_runs_at_a_time_the_oldest_first(office: PostOffice) -> None:
    serial = Wish(serial="customer 1")
    first, second, third = office.app.enqueue_many("post.write", [{}] * 3, wish=serial)
    other = office.app.enqueue("post.write", wish=Wish(serial="customer 2"))
    same_key_of_another_job = office.app.enqueue("post.finish", wish=serial)
    assert claimed(office, "a") == []

    office.keep_up()
    assert claimed(office, "a") == [first, other, same_key_of_another_job]
    office.keep_up()
    assert claimed(office, "a") == []

    begins(office, "a", first)
    dies(office, "a")  # after a crash it is still the first
    office.keep_up()
    assert first in claimed(office, "b")
    assert office.states()[second] == "blocked"

    assert office.app.cancel(second)
    with office.engine.begin() as connection:
        give_back(connection, "b", [first])
    office.keep_up()
    assert office.states()[third] == "blocked"
    assert office.app.cancel(first)
    office.keep_up()
    assert office.states()[third] == "ready"


def test_a_serial_one_that_is_tried_again_keeps_its_turn(office: PostOffice) -> None:
    first = office.app.enqueue("post.fail", wish=Wish(serial="s"), times=1, name="first")
    office.app.enqueue("post.write", wish=Wish(serial="s"), name="of another job")
    second = office.app.enqueue("post.fail", wish=Wish(serial="s"), times=0, name="second")
    office.keep_up()
    office.work()
    office.keep_up()
    assert office.states() == {first: "delayed", second: "blocked"}

    office.past(first, "run_at")
    for _ in range(2):
        office.keep_up()
        office.work()

    assert office.names() == ["of another job", "first", "second"]


def test_delayed_serial_ones_stand_in_the_line_when_their_time_has_come(office: PostOffice) -> None:
    later = office.app.enqueue("post.write", wish=Wish(serial="s", delay="1h"), name="later")
    office.app.enqueue("post.write", wish=Wish(serial="s"), name="now")
    office.keep_up()
    office.work()
    assert office.names() == ["now"]

    office.past(later, "run_at")
    office.keep_up()
    office.work()
    assert office.names() == ["now", "later"]


def test_an_unknown_job_waits_off_the_line_for_a_newer_worker(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", name="known")
    strange = office.app.enqueue("post.write", name="strange")
    office.change(strange, job="post.newer")
    office.work()
    assert office.names() == ["known"]
    assert office.states() == {strange: "delayed"}

    office.past(strange, "run_at")
    office.keep_up()
    assert office.states() == {strange: "ready"}
    office.change(strange, job="post.write")  # to a worker that knows it
    office.work()

    assert office.names() == ["known", "strange"]
    assert number not in office.states()


def test_an_unknown_job_is_dead_after_an_hour(office: PostOffice) -> None:
    number = office.app.enqueue("post.write")
    office.change(number, job="post.newer")
    office.work()
    office.past(number, "unknown_since", 3500)
    office.keep_up()
    assert office.states() == {number: "delayed"}

    office.past(number, "unknown_since", 3700)
    office.keep_up()

    (dead,) = office.rows("dead_requests")
    assert (dead.id, dead.job, dead.reason) == (number, "post.newer", "nobody knows its job")
    assert "no worker knows this job" in dead.error


def test_one_that_was_unknown_once_may_fail_like_any_other(office: PostOffice) -> None:
    number = office.app.enqueue("post.fail")
    office.change(number, job="post.newer")
    office.work()
    office.past(number, "unknown_since", 3700)
    office.past(number, "run_at")
    office.change(number, job="post.fail", state="ready")
    office.work()

    office.keep_up()

    assert office.rows("dead_requests") == []
    assert charges(office) == {number: ("delayed", 2, 0)}


def test_arguments_of_a_later_version_wait_for_a_newer_worker(office: PostOffice) -> None:
    number = office.app.enqueue("post.versioned", name="x")
    office.change(number, args_version=3)

    office.work()

    assert charges(office) == {number: ("delayed", 1, 0)}


def test_who_was_replaced_ends_nothing(office: PostOffice) -> None:
    """L3: the row of the request is the fence."""
    office.app.enqueue("post.taken_over")
    shift = office.shift()

    office.work(shift)

    assert office.names() == []
    (row,) = office.rows()
    assert (row.state, row.holder) == ("running", "another")
    assert shift.done == 0
    assert office.runs() == []
    assert issubclass(LeaseLost, Exception)


def test_the_rest_before_an_attempt_doubles_with_jitter_up_to_the_longest() -> None:
    """S8: what failed together is not tried again together."""
    about = OnDemand(first_retry="10s", longest_retry="1h")

    rests = [about.rest_after(attempt, chance=0.0).total_seconds() for attempt in (1, 2, 3, 9, 10, 99)]

    assert rests == [10, 20, 40, 2560, 3600, 3600]
    assert about.rest_after(1, chance=1.0).total_seconds() == 5


@pytest.mark.parametrize("attempts", [5, 1], ids=["tried again", "dead"])
def test_whose_code_did_not_come_back_has_timed_out_and_the_others_go_on(office: PostOffice, attempts: int) -> None:
    """P12: the one that its process had called last is charged, and no other."""
    first, guilty, third = office.app.enqueue_many("post.write", [{}] * 3, wish=Wish(attempts=attempts))
    claimed(office, "a.0")
    begins(office, "a.0", first)  # as it was written last; meanwhile that one was given back

    with office.engine.begin() as connection:
        process_gone(connection, "a", "worker", guilty, OVERDUE)

    left = charges(office)
    assert left.pop(guilty, None) == (("ready", 2, 0) if attempts > 1 else None)
    assert left == dict.fromkeys([first, third], ("ready", 1, 0))
    assert [(run.state, run.request) for run in office.runs()] == [("timed_out", guilty)]
    assert [row.reason for row in office.rows("dead_requests")] == ([] if attempts > 1 else ["timed out"])


def test_whose_process_died_is_charged_alone(office: PostOffice) -> None:
    first, guilty = office.app.enqueue_many("post.write", [{}] * 2)
    claimed(office, "a.1")

    with office.engine.begin() as connection:
        process_gone(connection, "a", "worker", guilty, None)

    assert charges(office) == {first: ("ready", 1, 0), guilty: ("ready", 2, 1)}
