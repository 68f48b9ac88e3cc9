"""The election of the server process that has the worker, without a server: rests, standing aside, what is reported."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton import App
from sexton.asgi import host as hosting
from sexton.asgi import worker_process
from sexton.asgi.host import HostReport, WorkerHost
from sexton.asgi.lifespan import launch_of
from sexton.asgi.worker_process import Launch, WorkerProcess
from sexton.slots.lease import HOST, LEADER
from sexton.testing.processes import wait_until
from tests.support.children import write_settings
from tests.support.database_checks import lease_row
from tests.support.leaks import runs
from tests.support.pace import Clockwork
from tests.support.patience import PATIENCE
from tests.support.worker import JOBS, LONG

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def app(database: str, tmp_path: Path) -> Iterator[App]:
    """A product with long leases."""
    write_settings(tmp_path, database, jobs=JOBS, lease=LONG, renew="500ms")
    app = App.load(tmp_path / "sexton.toml")
    yield app
    app.database.dispose()


class Words(Launch):
    """Starts something else in the place of a worker."""

    def __init__(self, *words: str) -> None:
        super().__init__({}, ())
        object.__setattr__(self, "words", words)

    def command(self) -> list[str]:
        """These words."""
        return list(self.words)  # type: ignore[attr-defined]


@contextmanager
def hosted(app: App, launch: Launch) -> Iterator[WorkerHost]:
    host = WorkerHost(app, WorkerProcess(launch))
    host.start()
    try:
        yield host
    finally:
        host.stop()


def reached(host: WorkerHost, condition: Callable[[HostReport], bool]) -> HostReport:
    assert wait_until(lambda: condition(host.report), PATIENCE), host.report
    return host.report


def holder(engine: Engine, lease: str = HOST) -> str | None:
    row = lease_row(engine, lease)
    return row[0] if row else None


def test_who_has_a_worker_that_does_not_start_makes_room_for_another(
    app: App, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Perhaps on another host, where it does."""
    monkeypatch.setattr(worker_process, "FIRST_REST_SECONDS", 0.01)
    monkeypatch.setattr(hosting, "HOST_LOOK_SECONDS", 0.02)
    with caplog.at_level(logging.WARNING), hosted(app, Words("/bin/sh", "-c", "exit 7")) as first:
        reached(first, lambda report: report.role == "standing by")
        assert first.report.problem == "the worker ended with exit code 7; its log says why"
        with hosted(app, launch_of(app)) as second:
            reached(second, lambda report: report.role == "leading")
            assert second.worker.alive
            assert holder(engine) == second.holder
            assert first.report.problem  # while it stays out of the election
    assert caplog.text.count("the worker ended with exit code 7") >= hosting.MAX_VAIN


def test_who_stood_aside_tries_again(app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker_process, "FIRST_REST_SECONDS", 0.01)
    monkeypatch.setattr(hosting, "HOST_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(hosting, "ASIDE_SECONDS", 0.05)
    mended = tmp_path / "mended"
    with hosted(app, Words("/bin/sh", "-c", f"test -e {mended} && exec sleep 600; exit 7")) as host:
        reached(host, lambda report: report.role == "standing by" and report.problem != "")
        mended.touch()

        reached(host, lambda report: report.role == "leading" and not report.problem)
        assert host.worker.alive


def test_a_worker_that_lives_and_does_not_lead_makes_room_too(
    app: App, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "HOST_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(hosting, "UNLED_SECONDS", 0.1)
    with hosted(app, Words("/bin/sleep", "600")) as host:
        reached(host, lambda report: report.role == "standing by" and "does not lead" in report.problem)
        assert holder(engine) is None
        assert not host.worker.alive


def test_a_worker_that_leads_is_kept(app: App, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(app, launch_of(app)) as host:
        assert wait_until(lambda: holder(engine, LEADER) is not None, PATIENCE)
        monkeypatch.setattr(hosting, "UNLED_SECONDS", 0.0)
        turned = host._turned
        assert wait_until(lambda: host._turned > turned + 1, PATIENCE)
        assert (host.report.role, host.report.problem) == ("leading", "")
        assert host.worker.starts == 1


def test_the_rests_grow_until_a_worker_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork()
    monkeypatch.setattr(worker_process, "time", clock)
    worker = WorkerProcess(Words("/bin/sh", "-c", "exit 3"))
    rests = []
    for _ in range(9):
        assert worker.keep() == ""
        process = worker._process
        assert process is not None
        process.wait()
        assert worker.keep() == "the worker ended with exit code 3; its log says why"
        rests.append(worker._again - clock.monotonic())
        clock.forward(rests[-1])
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]

    worker.keep()
    assert worker._process is not None
    worker._process.wait()
    clock.forward(worker_process.LASTING_SECONDS)
    worker.keep()
    assert (worker.vain, worker._again - clock.monotonic()) == (1, 1.0)


def test_what_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = WorkerProcess(Words("/no/such/program"))
    worker.keep()
    assert worker.problem == "no worker could be started: No such file or directory"
    assert not worker.alive
    worker.end(time.monotonic())


def test_a_worker_that_does_not_end_is_killed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = WorkerProcess(Words("/bin/sh", "-c", "trap '' TERM; exec sleep 600"))
    worker.keep()
    assert worker._process is not None
    number = worker._process.pid
    worker.end(time.monotonic() + 1.0, for_good=True)
    assert not runs(number)
    worker.keep()
    assert not worker.alive  # it was for good


def test_a_stop_does_not_wait_for_a_database_that_is_mute(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1.3: the thread is left to itself; the worker ends all the same."""
    monkeypatch.setattr(hosting, "SERVER_STOP_SECONDS", 1.0)
    host = WorkerHost(app, WorkerProcess(Words("/bin/sleep", "600")))
    host.start()
    reached(host, lambda report: report.role == "leading")
    assert host.worker._process is not None
    number = host.worker._process.pid
    reader, writer = os.pipe()
    monkeypatch.setattr(host, "_elect", lambda now: os.read(reader, 1))
    host._next = 0.0
    host.stop()
    assert not runs(number)
    os.write(writer, b".")
    host._thread.join()
    os.close(reader)
    os.close(writer)
    assert host.report.role == "ended"


def test_a_worker_killed_by_somebody_is_named_by_its_signal() -> None:
    worker = WorkerProcess(Words("/bin/sleep", "600"))
    worker.keep()
    assert worker._process is not None
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    assert worker.keep() == "the worker was killed by SIGKILL"
    worker.end(time.monotonic())
