"""`python -m sexton.worker.child FD`: an executor, the process in which runs of a worker happen.

Where its settings and its database are, the worker says over the line, as other users can read arguments. It keeps its
connection warm between runs. It may crash, hang or be killed: its worker sees that and closes the run.
"""

from __future__ import annotations

import ctypes
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ..app import App
from ..db.connect import read_only
from ..errors import DatabaseUnreachable, SextonError
from ..runs.claim import Claim, Wanted
from ..runs.runner import Outcome, refused
from ..runs.runner import run as run_job
from ..runs.stop import Stop, on_signals
from ..telemetry import logs
from .messages import Line

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(arguments: list[str]) -> int:
    """Execute what the worker asks for, one run after the other, until it hangs up or a signal comes."""
    _end_with_parent()
    line = Line(socket.socket(fileno=int(arguments[0])))
    place = _first(line)
    if place is None:
        return 0
    app = App.load(Path(place["config"]) if place["config"] else None, database=place["database"])
    stop = Stop()
    with on_signals(stop, then_ends=True):
        _warm(app)
        line.send({"event": "ready"})
        while not stop.asked:
            ready, _, _ = select.select([line.fileno(), stop.fileno()], [], [])
            if line.fileno() not in ready:
                break
            for wish in line.receive():
                if wish is None:
                    return 0
                line.send(_executed(app, line, wish, stop))
    return 0


def _first(line: Line) -> dict[str, Any] | None:
    """The first message; None when the worker is gone."""
    while True:
        for message in line.receive():
            return message


def _end_with_parent() -> None:
    """On Linux a SIGTERM comes when the worker is gone: the batch in hand ends, the rest is somebody else's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        with suppress(OSError):
            # Of all our processes, memory pressure should end the one that grows: this one.
            Path("/proc/self/oom_score_adj").write_text("500")


def _warm(app: App) -> None:
    """Load what a run needs and open the connection, so that the first trigger does not wait for it."""
    from ..runs import batches, left_over, preflight  # noqa: F401

    with suppress(SextonError), read_only(app.engine):
        pass


def _executed(app: App, line: Line, wish: dict[str, Any], stop: Stop) -> dict[str, Any]:
    """Do one run and say how it ended."""

    def started(claim: Claim) -> None:
        line.send({"event": "claimed", "run": claim.run_id, "holder": claim.lease.holder, "epoch": claim.lease.epoch})
        logs.emit(logs.started(claim))

    began = time.monotonic()
    slot = datetime.fromisoformat(wish["slot"]) if wish["slot"] else None
    limits = app.limits()
    try:
        outcome = run_job(
            app.engine,
            app.registry.get(wish["job"]),
            slot=slot,
            limits=limits,
            stop=stop,
            definition=app.definition,
            missed=wish["missed"],
            queued=wish["queued"],
            wall=wish["wall"],
            hard=True,
            watched=True,
            started=started,
        )
    except DatabaseUnreachable as error:
        outcome = Outcome(wish["job"], "unreachable", error=str(error))
    except SextonError as error:
        wanted = Wanted(
            wish["job"], slot, None, app.definition, limits.lease, wish["missed"], wish["queued"], wish["wall"]
        )
        outcome = _on_record(app, wanted, error)
    if outcome.state not in ("held", "already done"):
        logs.emit(logs.ended(outcome, time.monotonic() - began))
    return {"event": "ended", "job": outcome.job, "state": outcome.state, "run": outcome.run_id}


def _on_record(app: App, wanted: Wanted, error: SextonError) -> Outcome:
    try:
        return refused(app.engine, wanted, error)
    except SextonError as gone:
        return Outcome(wanted.job, "unreachable", error=str(gone))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SextonError as error:  # the settings were broken after the worker had read them
        sys.stderr.write(f"sexton: {error}\n")
        sys.exit(error.exit_code)
