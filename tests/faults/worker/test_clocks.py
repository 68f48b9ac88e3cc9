"""T1, T2, T7: the clock of the worker's host jumps, is a day off, gets new rules; slots go by the database's clock.

The clock is moved by `libfaketime` under a real worker and its executors, while it runs; the monotonic clock goes on,
as it does when an administrator sets the time.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.slots.schedule_overrides import reschedule
from tests.support.require import library, program
from tests.support.worker import LONG, Yard, assert_no_slot_twice, has_every_slot, make_yard
from tests.support.workers import Start, sexton

pytestmark = pytest.mark.slow

EAGER = "tick.every_slot"


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database. Only a moved clock ends a lease of theirs, not a busy machine."""
    return make_yard(engine, database, tmp_path, start, lease=LONG)


class Clock:
    """The clock of one host."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self._file = folder / "clock"
        self._processes = processes
        self._output = folder / "said"
        self.set("+0")

    def set(self, offset: str) -> None:
        """Move it: "+3600" is an hour ahead of the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        os.replace(new, self._file)

    def worker(self, config: str) -> subprocess.Popen[str]:
        """A worker on this host."""
        shim = {"LD_PRELOAD": library("libfaketimeMT.so.1"), "FAKETIME_TIMESTAMP_FILE": str(self._file)}
        shim |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        output = self._processes.enter_context(self._output.open("w"))
        worker = sexton("worker", config, more=shim, stdout=output, stderr=output)
        self._processes.enter_context(worker)
        self._processes.callback(worker.kill)
        return worker

    @property
    def said(self) -> str:
        """The worker's lines."""
        return self._output.read_text()


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    """Of the host of one worker."""
    with ExitStack() as processes:
        yield Clock(tmp_path, processes)


def whole(yard: Yard) -> bool:
    """Whether each slot so far has succeeded, also those whose turn came late."""
    return has_every_slot([run for run in yard.runs(EAGER) if run.state == "succeeded"])


def seen(yard: Yard) -> int:
    """Runs of the job that wants every slot."""
    return len([run for run in yard.runs(EAGER) if run.state == "succeeded"])


@pytest.mark.databases("postgres18")
@pytest.mark.parametrize("offset", ["+3600", "-3600"])
def test_t1_a_clock_that_jumps_an_hour_loses_and_doubles_nothing(offset: str, yard: Yard, clock: Clock) -> None:
    """While two clocks disagree nothing starts and the reason is said; every slot of that time is made up."""
    worker = clock.worker(yard.config)
    yard.wait_until(lambda: seen(yard) >= 3)

    clock.set(offset)
    yard.wait_until(lambda: "set them right" in clock.said)
    before = seen(yard)
    clock.set("+0")
    yard.wait_until(lambda: seen(yard) >= before + 3)

    yard.wait_until(lambda: whole(yard))
    assert worker.poll() is None
    assert_no_slot_twice(yard.runs())


@pytest.mark.databases("postgres18")
def test_rep_27_a_leader_whose_clock_goes_wrong_makes_room_for_one_that_can_work(yard: Yard, clock: Clock) -> None:
    """It resigns, says so once, and leads again when its clock is right and nobody else does."""
    sick = clock.worker(yard.config)
    yard.wait_until(lambda: seen(yard) >= 1)
    well = yard.worker()
    well.wait_for('"worker started"')

    clock.set("+90")
    well.wait_for('"leading"')
    before = seen(yard)
    yard.wait_until(lambda: seen(yard) >= before + 2)
    said = clock.said.count("+90 s from the database's")
    yard.wait_until(lambda: seen(yard) >= before + 4)
    assert clock.said.count("+90 s from the database's") == said, "it is not said again and again"
    clock.set("-90")  # still wrong: nothing new to say
    yard.wait_until(lambda: seen(yard) >= before + 6)
    clock.set("+0")
    yard.wait_until(lambda: "can start runs again" in clock.said)
    well.send(signal.SIGTERM)
    assert well.wait() == 0
    before = seen(yard)
    yard.wait_until(lambda: seen(yard) >= before + 2)

    assert sick.poll() is None
    assert clock.said.count('"cannot start runs"') == 1
    assert_no_slot_twice(yard.runs())


@pytest.mark.databases("postgres18")
def test_t2_a_host_a_day_ahead_runs_nothing_of_tomorrow(yard: Yard, clock: Clock) -> None:
    clock.set("+86400")
    clock.worker(yard.config)

    yard.wait_until(lambda: "this machine's clock is +86400 s from the database's" in clock.said)

    assert not [run for run in yard.runs() if run.state == "succeeded"]


@pytest.mark.databases("sqlite")
def test_t1_where_the_host_s_clock_is_the_database_s_a_jump_back_repeats_nothing(yard: Yard, clock: Clock) -> None:
    """An hour ahead the slots between are made up or counted; back again they are done, and the worker still works."""
    clock.worker(yard.config)
    yard.wait_until(lambda: seen(yard) >= 2)

    clock.set("+3600")
    for runs in range(10, 101, 10):  # the oldest slots first
        yard.wait_until(lambda runs=runs: seen(yard) >= runs)  # type: ignore[misc]
    yard.wait_until(lambda: any(run.missed >= 1000 for run in yard.runs("tick.number_0")))
    clock.set("+0")
    number = yard.ask_for("calm.idle")

    assert yard.ended(number).state == "succeeded"
    assert_no_slot_twice(yard.runs())


@pytest.mark.databases("sqlite")
def test_t7_a_worker_takes_new_rules_of_a_zone(
    yard: Yard, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = tmp_path / "zones"
    rules = tmp_path / "rules"
    rules.write_text("Zone Europe/Chisinau 2 - XXX\n")
    monkeypatch.setenv("PYTHONTZPATH", str(zones))
    subprocess.run([program("zic"), "-d", str(zones), str(rules)], check=True)
    idle = App.load(Path(yard.config.partition("=")[2])).registry.get("calm.idle")
    with yard.engine.begin() as connection:
        reschedule(connection, idle, "0 4 * * *", "Europe/Chisinau", reason="", by="anna")
    clock.worker(yard.config)
    yard.wait_until(lambda: bool(yard.runs()))
    assert "new rules" not in clock.said

    rules.write_text("Zone Europe/Chisinau 1 - XXX\n")
    subprocess.run([program("zic"), "-d", str(zones), str(rules)], check=True)
    with yard.engine.begin() as connection:
        reschedule(connection, idle, "10 4 * * *", "Europe/Chisinau", reason="", by="anna")

    yard.wait_until(lambda: "new rules of time zones" in clock.said)
