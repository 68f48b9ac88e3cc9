"""`sexton.engines.executor.child FD NUMBER`, started by a worker or a `run --due`: the process of an executor.

Where its settings and its database are, it is told over the line, as other users can read arguments. It keeps its
connection warm between runs. It may crash, hang or be killed: its worker sees that and closes the run.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...console import complain, plain_logging, plain_output, write_traceback
from ...db.connect import read_only
from ...errors import SextonError
from ...exit_codes import FAILED
from ...run_state import QUIET
from ...runs.outcome import Outcome
from ...runs.runner import RunOptions
from ...runs.stop_signals import Stop, on_signals
from ...slots.claim import Claim
from ...slots.due_run import DueRun
from ...telemetry import logs
from ..contract import execute, in_the_way
from ..garbage_collection import freeze_loaded
from ..parent import ask_for_sigterm_at_parents_end
from .in_hand import InHand
from .messages import JsonPipe, message_of
from .shifts import RequestShifts

UNASKED_SECONDS = 0.05
"""Seconds without a new run after which a process is taken to be idle."""


def main(arguments: list[str]) -> int:
    """Execute what the worker asks for, one run after the other, until it hangs up or a signal comes."""
    _end_with_parent()
    plain_logging()
    line = JsonPipe(_own(int(arguments[0])))
    in_hand = InHand(int(arguments[1]))
    os.close(int(arguments[1]))
    place = _first(line)
    if place is None:
        return 0
    app = App.load(Path(place["config"]) if place["config"] else None, database=place["database"], partly=True)
    stop = Stop()
    with on_signals(stop, then_ends=True, silent=True):
        _warm(app)
        line.send({"event": "ready", "unloaded": {name: str(why) for name, why in app.registry.unloaded.items()}})
        return _serve(app, line, stop, in_hand)


def _serve(app: App, line: JsonPipe, stop: Stop, in_hand: InHand) -> int:
    """Run after run. What the first run of a job has loaded is frozen once nobody waits for the process."""
    known: set[str] = set()
    loaded = False
    requests = RequestShifts(app, line, stop, in_hand)
    while not stop.asked:
        ready, _, _ = select.select([line.fileno(), stop.fileno()], [], [], UNASKED_SECONDS if loaded else None)
        if not ready:
            freeze_loaded()
            loaded = False
            continue
        if line.fileno() not in ready:
            break
        for wish in line.receive():
            if wish is None:
                return 0
            if "shift" in wish:
                loaded = requests.work(wish["shift"]) or loaded
                continue
            if "enough" in wish:  # the shift was over before
                continue
            line.send(_executed(app, line, wish, stop))
            loaded = loaded or wish["due"]["job"] not in known
            known.add(wish["due"]["job"])
    return 0


def _first(line: JsonPipe) -> dict[str, Any] | None:
    """The first message; None when the worker is gone."""
    while True:
        for message in line.receive():
            return message


def _own(number: int) -> socket.socket:
    """The socket to the worker, for this process alone: whoever held it as well would hide from it that we ended."""
    os.set_inheritable(number, False)
    channel = socket.socket(fileno=number)
    os.register_at_fork(after_in_child=channel.close)
    return channel


def _end_with_parent() -> None:
    """On Linux a SIGTERM comes when the worker is gone: the batch in hand ends, the rest is somebody else's."""
    ask_for_sigterm_at_parents_end()
    if sys.platform == "linux":
        with suppress(OSError):
            # Of all our processes, memory pressure should end the one that grows: this one.
            Path("/proc/self/oom_score_adj").write_text("500")


def _warm(app: App) -> None:
    """Load what a run needs and open the connection, so that the first trigger does not wait for it."""
    from ...db.tables import own_tables
    from ...runs import admission, batches, kept_rows, left_over, preflight, python_functions  # noqa: F401

    own_tables(app.dialect)
    assert app.definition  # the fingerprint of the settings, which each run keeps
    with suppress(SextonError), read_only(app.database):
        pass


def _executed(app: App, line: JsonPipe, wish: dict[str, Any], stop: Stop) -> dict[str, Any]:
    """Do one run and say how it ended."""
    due, quiet, began = DueRun.from_json(wish["due"]), wish["quiet"], time.monotonic()
    line.send({"event": "begun"})

    def started(claim: Claim) -> None:
        line.send({"event": "claimed", "run": claim.run_id, "holder": claim.lease.holder, "epoch": claim.lease.epoch})
        if not quiet:
            logs.emit(logs.started(claim))

    def last_word(outcome: Outcome) -> None:
        line.send({"event": "overdue", **message_of(outcome)})
        if not quiet:
            logs.emit(logs.ended(outcome, time.monotonic() - began))

    options = RunOptions(stop=stop, last_word=last_word, watched=True, started=started)
    try:
        outcome = execute(app, due, options)
    except (SQLAlchemyError, SextonError) as error:  # a right that is missing too
        outcome = in_the_way(due, error)
    if not quiet and outcome.state not in QUIET:
        logs.emit(logs.ended(outcome, time.monotonic() - began))
    if outcome.failure is not None:
        outcome.failure.forget()
    return {"event": "ended", **message_of(outcome)}


if __name__ == "__main__":
    try:
        with plain_output():
            sys.exit(main(sys.argv[1:]))
    except SextonError as error:  # the settings were broken after the worker had read them
        complain(*error.lines)
        sys.exit(error.exit_code)
    except Exception as error:
        write_traceback(error)
        sys.exit(FAILED)
