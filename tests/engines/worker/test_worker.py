"""A real worker (PF-136): slots and triggers run, whatever a job does to its process."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.db.server_clock import ask_now
from sexton.jobs.duration import format_duration
from sexton.slots.schedule_overrides import pause, reschedule, resume
from tests.support.past_runs import database_time, first_seen
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, Yard, assert_no_slot_twice, make_yard, said
from tests.support.workers import Start, sexton

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database."""
    return make_yard(engine, database, tmp_path, start, lease=LONG)


def test_pf_136_every_slot_runs_once_and_in_its_second(yard: Yard) -> None:
    """PF-136.2, PF-136.5: also a job that wants each of its slots."""
    worker = yard.leader()
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) >= 4)

    worker.send(signal.SIGTERM)
    assert worker.wait() == 0

    slots = [run.slot for run in yard.runs("tick.every_slot") if run.slot]
    assert [(later - earlier).total_seconds() for earlier, later in pairwise(slots)] == [1.0] * (len(slots) - 1)
    assert_no_slot_twice(yard.runs())
    started = [line for line in said(worker) if line["event"] == "run started"]
    ended = [line for line in said(worker) if line["event"] == "run ended"]
    assert {line["run"] for line in started} == {line["run"] for line in ended}


@pytest.mark.parametrize(
    ("job", "state", "words"),
    [
        ("bad.crash", "failed", "its process was ended by SIGABRT"),
        ("bad.leave", "failed", "its process ended by itself with exit code 7"),
        ("bad.devour", "failed", "MemoryError"),
        ("bad.spin", "timed_out", "its timeout passed"),
        ("bad.doze", "timed_out", "its timeout passed"),
        ("bad.load_and_crash", "failed", "while its work was loaded: its process was ended by SIGABRT"),
        ("bad.load_and_hang", "timed_out", "while its work was loaded: its timeout passed"),
    ],
)
@pytest.mark.databases("sqlite", "postgres18")
def test_pf_136_7_p12_no_job_takes_the_worker_down(job: str, state: str, words: str, yard: Yard) -> None:
    """ORA-BP.1: soon after its timeout a job is over, its lease free, its run on record; the next one runs."""
    worker = yard.leader()
    bad = yard.ended(yard.ask_for(job))
    calm = yard.ended(yard.ask_for("calm.idle"))

    assert bad.state == state
    assert words in (bad.error or "")
    assert calm.state == "succeeded"
    assert worker.runs


@pytest.mark.parametrize("job", ["bad.brood", "bad.ponder"])
@pytest.mark.databases("postgres")
def test_a_statement_that_sleeps_is_ended_too(job: str, yard: Yard) -> None:
    """ORA-BP.4: on a connection of its own, and inside a transaction of the run; it would take longer than we wait."""
    yard.leader()
    sleeping = yard.ended(yard.ask_for(job))

    assert (sleeping.state, yard.ended(yard.ask_for("calm.idle")).state) == ("timed_out", "succeeded")


@pytest.mark.databases("sqlite")
def test_what_an_executor_has_loaded_is_left_out_of_garbage_collection(yard: Yard) -> None:
    """A full collection stops a process for a tenth of a second, and a mail waits for it."""
    yard.leader()

    yard.wait_until(lambda: yard.ended(yard.ask_for("calm.frozen")).total.changed > 10_000)


@pytest.mark.databases("postgres18")
def test_a_failed_slot_is_tried_again_after_its_delay_and_not_a_minute_later(yard: Yard) -> None:
    """ORA-FUT.6: three tries, each after its delay; on one database, as two minutes are waited for."""
    with yard.engine.begin() as connection:
        job = App.load(Path(yard.config.partition("=")[2])).registry.get("bad.retried")
        soon = int((ask_now(connection) + timedelta(seconds=2)).timestamp()) % 3600  # one slot, and none for an hour
        schedule = f"every 1h offset {format_duration(timedelta(seconds=soon))}"
        reschedule(connection, job, schedule, None, reason="", by="anna")
    yard.leader()

    def tries() -> list[int]:
        slots = sorted({run.slot for run in yard.runs("bad.retried") if run.slot})
        return [run.attempt for run in yard.runs("bad.retried") if slots and run.slot == slots[0] and run.finished_at]

    yard.wait_until(lambda: len(tries()) == 3)

    assert tries() == [1, 2, 3]


def test_s3_a_job_longer_than_its_interval_gives_up_the_slots_between_when_it_says_so(yard: Yard) -> None:
    yard.leader()

    def states() -> list[str]:
        return [run.state for run in yard.runs("slow.linger")]

    yard.wait_until(lambda: states().count("succeeded") >= 2 and "skipped" in states())

    runs = yard.runs("slow.linger")
    skipped = [run for run in runs if run.state == "skipped"]
    assert {run.error for run in skipped} == {"given up: the run before was still under way"}
    working = [run for run in runs if run.state != "skipped" and run.finished_at]
    assert all(one.finished_at <= other.started_at for one, other in pairwise(working) if one.finished_at)


def test_s5_a_storm_of_triggers_is_one_run(yard: Yard) -> None:
    """Asked for ten times before it begins, it runs once."""
    numbers = {yard.ask_for("calm.idle") for _ in range(10)}
    yard.leader()

    assert len(numbers) == 1
    assert yard.ended(numbers.pop()).state == "succeeded"
    assert len(yard.runs("calm.idle")) == 1


def test_a_pause_and_another_schedule_hold_without_a_restart(yard: Yard) -> None:
    """ORA-FUT.4"""
    job = App.load(Path(yard.config.partition("=")[2])).registry.get("tick.number_0")
    idle = App.load(Path(yard.config.partition("=")[2])).registry.get("calm.idle")
    yard.leader()
    yard.wait_until(lambda: bool(yard.runs(job.name)))

    with yard.engine.begin() as connection:
        pause(connection, job, until=None, reason="a test", by="anna")
        reschedule(connection, idle, "every 1s", None, reason="", by="anna")
    yard.wait_until(lambda: bool(yard.runs("calm.idle")))
    paused = len(yard.runs(job.name))
    seen = len(yard.runs("calm.idle"))
    yard.wait_until(lambda: len(yard.runs("calm.idle")) >= seen + 2)
    assert len(yard.runs(job.name)) <= paused + 1

    with yard.engine.begin() as connection:
        resume(connection, job, by="anna")
    resumed = len(yard.runs(job.name))
    yard.wait_until(lambda: len(yard.runs(job.name)) > resumed)


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_26_x1_no_argument_or_variable_of_an_executor_holds_the_url(
    yard: Yard, database: str, engine: Engine
) -> None:
    """Every user of the host can read arguments; the worker's own are the user's choice."""
    url = database if engine.dialect.name == "sqlite" else f"{database}?password=qXcanaryX7"
    with sexton("worker", f"--database={url}", yard.config) as process:
        try:
            yard.wait_until(lambda: any(run.state == "succeeded" for run in yard.runs()))
            executors = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            shown = [Path(f"/proc/{pid}/{file}").read_text() for pid in executors for file in ("cmdline", "environ")]
        finally:
            process.terminate()
            process.communicate()

    assert shown
    assert all("sexton.engines.executor.child" in text for text in shown[::2])
    assert not [text for text in shown if "canary" in text or database in text or "sexton.toml" in text]


@pytest.fixture
def scratch_worker(yard: Yard) -> Iterator[subprocess.Popen[str]]:
    """A worker from scratch, as an init system starts it."""
    with sexton("worker", yard.config) as process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.databases("sqlite")
def test_p7_sigterm_ends_it_with_exit_code_0_and_leaves_no_process(
    yard: Yard, scratch_worker: subprocess.Popen[str]
) -> None:
    yard.wait_until(lambda: bool(yard.runs()))

    scratch_worker.send_signal(signal.SIGTERM)
    output, errors = scratch_worker.communicate(timeout=PATIENCE)  # ends only when all writers of the pipe are gone

    assert scratch_worker.returncode == 0
    assert errors == ""
    assert '"worker ended"' in output
    assert yard.holder() is None
    assert not [run for run in yard.runs() if run.state == "running"]


@pytest.mark.databases("sqlite", "postgres18")
def test_pf_136_4_a_daily_job_runs_once_in_its_window_however_often_workers_start(yard: Yard) -> None:
    """PF-136.1, PF-136.3: started after the hour it runs at once; a second worker finds that day done.

    REP-17: unless it is new; this one was first seen two days ago.
    """
    file = Path(yard.config.partition("=")[2])
    # Beside jobs that are due every second a busy machine never gets to one with a low priority.
    file.write_text(file.read_text() + '[job."sexton.housekeeping"]\npriority = 10\n')
    ago = database_time(yard.engine) - timedelta(days=2)
    first_seen(yard.engine, ago, App.load(file).registry.get("sexton.housekeeping"))
    first = yard.leader()
    yard.wait_until(lambda: any(run.state == "succeeded" for run in yard.runs("sexton.housekeeping")))
    first.send(signal.SIGTERM)
    first.wait()

    yard.leader()
    seen = len(yard.runs("tick.every_slot"))
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) > seen)

    assert [run.state for run in yard.runs("sexton.housekeeping")] == ["succeeded"]
