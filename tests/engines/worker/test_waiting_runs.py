"""Which run starts next (PF-141): by priority, then first come, first served; those of one group never at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sexton import Job
from sexton.engines.worker.waiting_runs import Waiting
from sexton.slots.claim import DueRun

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def job(name: str, *, priority: int = 0, group: str = "") -> Job:
    """A job that does nothing."""
    return Job(name, work=print, priority=priority, group=group)


def started(waiting: Waiting, concurrency: int) -> list[str]:
    """What is started until nothing more may be."""
    busy: list[Job] = []
    while (due := waiting.next(busy, concurrency)) is not None:
        busy.append(due.job)
    return [run.name for run in busy]


def test_pf_141_one_after_the_other_by_priority_then_as_they_came() -> None:
    waiting = Waiting()
    for name, priority in (("shop.b", 0), ("shop.urgent", 9), ("shop.a", 0)):
        waiting.add(DueRun(job(name, priority=priority), NOON))

    order = [run.job.name for _ in range(3) if (run := waiting.next([], 1)) is not None]

    assert order == ["shop.urgent", "shop.b", "shop.a"]
    assert len(waiting) == 0


def test_jobs_with_short_intervals_never_keep_a_later_one_from_running() -> None:
    """More is due each second than can run: everybody gets a turn."""
    waiting = Waiting()
    ran: list[str] = []
    for second in range(20):
        names = [f"tick.number_{number}" for number in range(5)]
        for name in names:
            if name not in waiting.names():
                waiting.add(DueRun(job(name), NOON + timedelta(seconds=second)))
        ran += [run.job.name for _ in range(2) if (run := waiting.next([], 1)) is not None]

    assert sum(ran.count(name) for name in names) == 40
    assert min(ran.count(name) for name in names) >= 6


def test_pf_141_jobs_of_one_group_never_run_beside_each_other() -> None:
    waiting = Waiting()
    for name in ("shop.a", "shop.b", "post.a", "post.b"):
        waiting.add(DueRun(job(name), NOON))
    waiting.add(DueRun(job("post.c", group="own"), NOON))

    assert started(waiting, 10) == ["shop.a", "post.a", "post.c"]


def test_no_more_runs_than_the_worker_may_have() -> None:
    waiting = Waiting()
    for number in range(5):
        waiting.add(DueRun(job(f"g{number}.job"), NOON))

    assert len(started(waiting, 2)) == 2
    assert len(waiting) == 3


def test_what_people_asked_for_comes_before_slots_and_nothing_waits_twice() -> None:
    waiting = Waiting()
    one, other = job("shop.a"), job("shop.b")
    for due in (
        DueRun(one, NOON),
        DueRun(one, NOON + timedelta(hours=1)),
        DueRun(other, None, queued=7),
        DueRun(one, NOON),
    ):
        waiting.add(due)

    order = [run for _ in range(4) if (run := waiting.next([], 1)) is not None]

    assert [run.queued or run.slot for run in order] == [7, NOON, NOON + timedelta(hours=1)]
