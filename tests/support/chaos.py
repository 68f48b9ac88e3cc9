"""A storm over workers: kill -9, SIGSTOP and SIGCONT, cut and stalled connections, at random; then the reckoning."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sexton.slots.claim import reap
from sexton.slots.history import RunRecord

from .children import command_line, write_settings
from .database_checks import let_leases_end
from .proxy import Proxy
from .worker import Yard, assert_no_slot_twice, freeze_between_transactions
from .workers import Worker

JOBS = "tests.support.chaos_jobs"
EAGER = "tick.every_slot"
SECOND = timedelta(seconds=1)


@dataclass
class Member:
    """One place for a worker: its settings, its way to the database, the process that works there now."""

    config: str
    proxy: Proxy | None
    worker: Worker
    holder: str = ""


@dataclass
class Storm:
    """What blows. takeovers: (what happened to the leader, seconds until another led)."""

    yard: Yard
    folder: Path
    chance: random.Random
    open_proxy: Callable[[str], Proxy] | None
    restart: Callable[[], None] | None = None
    members: list[Member] = field(default_factory=list)
    takeovers: list[tuple[str, float]] = field(default_factory=list)
    events: int = 0

    def gather(self, count: int, database: str) -> None:
        """Start the workers, each over a proxy of its own where there is a network."""
        for number in range(count):
            proxy = self.open_proxy(database) if self.open_proxy else None
            place = self.folder / f"place{number}"
            place.mkdir()
            limits = {"lease": "2s", "renew": "500ms", "statement_timeout": "1s"}
            config = write_settings(place, proxy.url_for(database) if proxy else database, jobs=JOBS, **limits)
            self.members.append(Member(config, proxy, self._start(config)))

    def _start(self, config: str) -> Worker:
        return self.yard.start(command_line, "worker", config, "--concurrency=2")

    def blow(self, seconds: float) -> None:
        """Until then something happens every now and then, more often than not to the leader."""
        end = time.monotonic() + seconds
        blows: list[Callable[[Member], None]] = [self._kill, self._freeze, self._leave]
        if self.open_proxy:
            blows += [self._cut, self._stall]
        if self.restart:
            blows.append(self._restart_server)
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(0.2, 2.0))  # the storm's own pace; nothing is waited for
            self.chance.choice(blows)(self._victim())
            self.events += 1
            self._listen()

    def _listen(self) -> bool:
        """Read what the workers say, or their pipes would fill up and hold them."""
        for member in self.members:
            said, errors = member.worker.output, member.worker.errors
            assert errors == "", said[-500:] + errors
        return True

    def _victim(self) -> Member:
        leader = self._leader()
        return leader if leader and self.chance.random() < 0.6 else self.chance.choice(self.members)

    def _leader(self) -> Member | None:
        holder = self.yard.holder()
        pid = int(holder.split(":")[1]) if holder else 0
        return next((member for member in self.members if member.worker.pid == pid), None)

    def _measured(self, what: str, member: Member, happen: Callable[[], None]) -> None:
        leads, before, began = member is self._leader(), self.yard.holder(), time.monotonic()
        happen()
        if leads:
            self.yard.wait_until(lambda: self._listen() and self.yard.holder() not in (None, before))
            self.takeovers.append((what, time.monotonic() - began))

    def _kill(self, member: Member) -> None:
        self._measured("kill -9", member, member.worker.kill)
        member.worker = self._start(member.config)

    def _leave(self, member: Member) -> None:
        member.worker.wait_for('"worker started"')  # before, it is no worker yet, and a signal just ends it
        self._measured("SIGTERM", member, lambda: member.worker.send(signal.SIGTERM))
        assert member.worker.wait() == 0
        member.worker = self._start(member.config)

    def _freeze(self, member: Member) -> None:
        self._measured("SIGSTOP", member, lambda: freeze_between_transactions(member.worker, self.yard))
        member.worker.resume()

    def _cut(self, member: Member) -> None:
        assert member.proxy is not None
        member.proxy.cut()

    def _stall(self, member: Member) -> None:
        assert member.proxy is not None
        self._measured("network stall", member, member.proxy.freeze)
        member.proxy.thaw()

    def _restart_server(self, _member: Member) -> None:
        assert self.restart is not None
        self.restart()

    def calm(self) -> list[RunRecord]:
        """When it is over: wait until the last slot of the storm is done, and give all runs."""
        last = max(run.slot for run in self.yard.runs(EAGER) if run.slot) + 3 * SECOND
        self.yard.wait_until(
            lambda: self._listen() and any(run.slot and run.slot >= last for run in self.yard.runs(EAGER))
        )
        for member in self.members:
            if member.worker.runs:
                member.worker.send(signal.SIGTERM)
        for member in self.members:
            member.worker.wait()
        # An executor that was slow to end was killed; whoever leads next would find what it has left.
        let_leases_end(self.yard.engine)
        with self.yard.engine.begin() as connection:
            reap(connection)
        return self.yard.runs()


def assert_nothing_lost_or_doubled(runs: list[RunRecord]) -> None:
    """Every slot ran once, or is on record, or is counted by the run that stood for it."""
    assert_no_slot_twice(runs)
    assert not [run for run in runs if run.state in ("running", "queued")]
    for job in {run.job for run in runs if run.job.startswith("tick.")}:
        mine = [run for run in runs if run.job == job and run.slot is not None]
        accounted = {run.slot for run in mine}
        for run in mine:
            accounted |= {run.slot - number * SECOND for number in range(1, run.missed + 1) if run.slot}
        slots = sorted(slot for slot in accounted if slot)
        # The first run of a job stands for no slot before it, though an earlier one that a leader had handed out
        # before it died may still come to run.
        first = min(mine, key=lambda run: run.id).slot
        gaps = [later for earlier, later in pairwise(slots) if later - earlier > SECOND and later != first]
        assert not gaps, (job, _near(mine, gaps))
    eager = [run for run in runs if run.job == EAGER and run.slot]
    lost = {run.slot for run in eager} - {run.slot for run in eager if run.state == "succeeded"}
    lost.discard(max(run.slot for run in eager if run.slot))  # the end of the storm itself may have stopped this one
    early = [slot for slot in lost if sum(run.slot == slot for run in eager) < 3]
    assert not early, ("given up before the third try", _near(eager, early))


def _near(runs: list[RunRecord], slots: Sequence[datetime | None]) -> list[tuple[object, ...]]:
    return [
        (run.id, f"{run.slot:%S}", run.state, run.attempt, run.missed, _times(run), run.worker[:9], run.error)
        for run in runs
        if run.slot and any(slot and abs(run.slot - slot) < 8 * SECOND for slot in slots)
    ]


def _times(run: RunRecord) -> str:
    return f"{run.started_at:%S.%f} to {run.finished_at:%S.%f}"
