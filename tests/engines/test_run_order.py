"""Which run starts next (PF-141): by priority, then first come, first served; those of one group never at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sexton import Job
from sexton.engines.run_order import DueQueue
from sexton.jobs.registry import Registry
from sexton.run_state import NoRun
from sexton.runs.outcome import Outcome
from sexton.slots.due_run import DueRun
from tests.support.pace import Clockwork

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def job(name: str, *, priority: int = 0, group: str = "") -> Job:
    """A job that does nothing."""
    return Job(name, work=print, priority=priority, group=group)


def queue(*jobs: Job | str) -> DueQueue:
    """A queue for these jobs, or for jobs of these names."""
    registry = Registry()
    for one in jobs:
        registry.add(one if isinstance(one, Job) else job(one))
    return DueQueue(registry)


def started(waiting: DueQueue, concurrency: int) -> list[str]:
    """What is started until nothing more may be."""
    busy: list[str] = []
    while (due := waiting.next(busy, concurrency)) is not None:
        busy.append(due.job)
    return busy


def test_pf_141_one_after_the_other_by_priority_then_as_they_came() -> None:
    waiting = queue("shop.b", job("shop.urgent", priority=9), "shop.a")
    for name in ("shop.b", "shop.urgent", "shop.a"):
        waiting.add(DueRun(name, NOON))

    order = [run.job for _ in range(3) if (run := waiting.next([], 1)) is not None]

    assert order == ["shop.urgent", "shop.b", "shop.a"]
    assert len(waiting) == 0


def test_jobs_with_short_intervals_never_keep_a_later_one_from_running() -> None:
    """More is due each second than can run: everybody gets a turn."""
    names = [f"tick.number_{number}" for number in range(5)]
    waiting = queue(*names)
    ran: list[str] = []
    for second in range(20):
        for name in names:
            if name not in waiting.names():
                waiting.add(DueRun(name, NOON + timedelta(seconds=second)))
        ran += [run.job for _ in range(2) if (run := waiting.next([], 1)) is not None]

    assert sum(ran.count(name) for name in names) == 40
    assert min(ran.count(name) for name in names) >= 6


def test_pf_141_jobs_of_one_group_never_run_beside_each_other() -> None:
    names = ("shop.a", "shop.b", "post.a", "post.b")
    waiting = queue(*names, job("post.c", group="own"))
    for name in (*names, "post.c"):
        waiting.add(DueRun(name, NOON))

    assert started(waiting, 10) == ["shop.a", "post.a", "post.c"]


def test_no_more_runs_than_may_be_under_way() -> None:
    names = [f"g{number}.job" for number in range(5)]
    waiting = queue(*names)
    for name in names:
        waiting.add(DueRun(name, NOON))

    assert len(started(waiting, 2)) == 2
    assert len(waiting) == 3


def test_what_people_asked_for_comes_before_slots_and_nothing_waits_twice() -> None:
    waiting = queue("shop.a", "shop.b")
    for due in (
        DueRun("shop.a", NOON),
        DueRun("shop.a", NOON + HOUR),
        DueRun("shop.b", None, queued=7),
        DueRun("shop.a", NOON),
    ):
        waiting.add(due)

    order = [run for _ in range(4) if (run := waiting.next([], 1)) is not None]

    assert [run.queued or run.slot for run in order] == [7, NOON, NOON + HOUR]


def test_rep_39_no_slot_passes_one_that_is_held_back_until_the_job_is_looked_at_anew() -> None:
    """What a look had found already brings none back in between; another job is none of its business."""
    clock = Clockwork()
    registry = Registry()
    for name in ("shop.a", "shop.b"):
        registry.add(job(name))
    waiting = DueQueue(registry, clock.monotonic)
    found = [DueRun("shop.a", NOON), DueRun("shop.a", NOON + HOUR), DueRun("shop.b", NOON)]
    for due in found:
        waiting.add(due)
    first = waiting.next([], 1)

    then = waiting.ended("shop.a", Outcome("shop.a", NoRun.UNKNOWN_JOB))
    assert (then.settled, then.look_again) == (False, 30.0)
    for due in (*found, DueRun("shop.a", queued=7)):
        waiting.add(due)

    assert first == found[0]
    assert waiting.names() == {"shop.b"}
    assert (waiting.released(), waiting.releases_at()) == (set(), 1030.0)
    clock.forward(30.0)
    assert waiting.released() == {"shop.a"}
    assert (waiting.released(), waiting.releases_at()) == (set(), None)
    for due in found:
        waiting.add(due)
    assert [run.slot for _ in range(3) if (run := waiting.next([], 1)) is not None and run.job == "shop.a"] == [
        NOON,
        NOON + HOUR,
    ]
