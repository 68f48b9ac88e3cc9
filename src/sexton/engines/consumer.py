"""What a worker of any engine does with a message: each number is claimed here, or it was somebody else's.

    message ──read──> this database's? ──> each number: waits? ──no──> a duplicate, counted, in silence
                                                          └─yes──> claimed and executed; held: handed back

A message is always done with when this returns: what could not be begun is submitted again by the sweep. It never
raises for what the message says, nor for what a job does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.connect import connection_errors_translated, read_only
from ..db.database_identity import identity
from ..db.faults import in_words
from ..db.server_clock import ask_now
from ..errors import SextonError, UsageError
from ..jobs.job import Job
from ..run_state import QUIET, NoRun, OutcomeCode, RunState
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions
from ..runs.stop_signals import Stop, on_signals
from ..slots.claim import holder_name
from ..slots.due_run import DueRun
from ..slots.lease import short_transaction
from ..slots.schedule_overrides import overrides
from ..slots.submission import OpenRun, carried_by, give_up, hand_back, is_lapsed, open_runs
from ..telemetry import logs
from .carrier import EngineMessage, MessageKind
from .contract import execute, in_the_way
from .registry import engines_in_use
from .request_shift import count_duplicates, shift_of, take

if TYPE_CHECKING:
    from ..runs.requests.shift import Shift
    from .warm_executors import WarmExecutors

_lock = threading.Lock()
_stops: dict[int, Stop] = {}
_warm: list[WarmExecutors] = []
_shifts: dict[int, Shift] = {}


def stop() -> Stop:
    """Of this process: a worker of an engine that is to end asks it, and the batch in hand is the last one.

    A forked child has one of its own, or one of its siblings' would wake it.
    """
    with _lock:
        if os.getpid() not in _stops:
            _stops.clear()
            _stops[os.getpid()] = Stop()
        return _stops[os.getpid()]


def begin_anew() -> None:
    """Forget that this process was asked to stop: the run that was meant has ended, and it goes on with others."""
    with _lock:
        _stops.clear()


@cache
def app() -> App:
    """The app of a process that an engine started: from `SEXTON_CONFIG` and the like, loaded once.

    Jobs that cannot be loaded here stay for whoever can. SettingsError.
    """
    return App.load(partly=True)


def forget_connections() -> None:
    """After a fork, in the child: what the parent connected is the parent's, and is not closed for it."""
    if app.cache_info().currsize and "database" in vars(app()):
        app().database.dispose(close=False)
    _warm.clear()


def consume(app: App, text: object, *, own_process: bool, engine: str = "") -> None:
    """Do what a message says, whatever comes of it.

    own_process: this process is the message's alone and may be ended with it, as a child of Celery's prefork pool and
    a work-horse of RQ may. Otherwise each run is given to an executor, a process of ours that is kept warm.
    engine: that brings it; else the one of the settings, which may name several.
    """
    try:
        message = EngineMessage.from_json(text)
        with connection_errors_translated(app.database), read_only(app.database) as connection:
            ours = identity(connection)
        if message.database != ours:
            _say("message left alone", reason=f"it is for database {message.database[:16]!r}, and this one is {ours}")
            return
        if message.kind is MessageKind.REQUEST:
            _take_requests(app, message.ids, engine or _serving(app), own_process=own_process)
            return
    except (SextonError, SQLAlchemyError) as error:
        _say("message left alone", reason=in_words(error))
        return
    for number in message.ids:
        if stop().asked:
            _hand_back(app, number)
        else:
            _carry_out(app, number, own_process=own_process)


def _take_requests(app: App, ids: tuple[int, ...], engine: str, *, own_process: bool) -> None:
    """Those of these requests that are free; the others are somebody's, or over."""
    if not own_process:
        if not _executors(app).take(ids, engine):
            _say("requests were left", reason="no process for them could be started", requests=len(ids))
        return
    with on_signals(stop(), silent=True):
        take(app, _shift(app, engine), ids, engine)


def _serving(app: App) -> str:
    """The engine whose worker we are: the one that carries jobs here, or of several that of the general setting."""
    names = engines_in_use(app)
    return next(iter(names)) if len(names) == 1 else app.settings.engine


def _shift(app: App, engine: str) -> Shift:
    """Of this process, made with its first request: who holds a request is the process.

    What one had that lost its database waits again, at no cost; until that can be written there is no other.
    """
    known = _shifts.get(os.getpid())
    if known is not None and known.broken:
        known.recover()
        known = None
    if known is None:
        known = shift_of(app, holder_name(), engine, stop())
        _shifts.clear()
        _shifts[os.getpid()] = known
    return known


def leave() -> None:
    """This process ends: end its executors, and say that it takes no requests any more. Else its row ends by itself."""
    close_executors()
    shift = _shifts.pop(os.getpid(), None)
    if shift is not None:
        with suppress(SextonError, SQLAlchemyError):
            shift.recover()  # it has something only if its database failed it


def _carry_out(app: App, number: int, *, own_process: bool) -> None:
    """One run, if it still waits."""
    try:
        run = _waiting(app, number)
        if run is None:
            return
        outcome = _executed_here(app, run.due) if own_process else _executed_beside(app, run.due)
        if outcome.state is NoRun.ALREADY_DONE:
            _duplicate(app, run.engine or "")
        elif outcome.state is NoRun.HELD or outcome.code is OutcomeCode.STOPPED:
            _hand_back(app, number)
    except (SextonError, SQLAlchemyError) as error:
        _say("a run could not be taken", run=number, error=in_words(error))


def _waiting(app: App, number: int) -> OpenRun | None:
    """The run of this number, when it is to be begun now; None when there is nothing to do about it."""
    with connection_errors_translated(app.database), read_only(app.database) as connection:
        found = next(iter(open_runs(connection, number)), None)
        now = ask_now(connection)
    if found is None or found.state != RunState.QUEUED:
        _duplicate(app, (found.engine if found else None) or _engine_of(app, number))
        return None
    try:
        job = app.registry.get(found.job)
    except UsageError as error:  # it stays for whoever knows it
        _say("a run of a job that is not known here", run=number, job=found.job, error=str(error))
        return None
    if is_lapsed(job, found.slot, now):
        with short_transaction(app.database, app.limits().lease) as connection:
            give_up(connection, job, found, now)
        return None
    return None if _is_paused(app, job, found) else found


def _is_paused(app: App, job: Job, run: OpenRun) -> bool:
    """Whether its slot has to wait for the end of a pause; what people asked for does not."""
    if run.slot is None:
        return False
    with short_transaction(app.database, app.limits().lease) as connection:
        change = overrides(connection, [job]).get(job.name)
        if change is None or not change.paused(ask_now(connection)):
            return False
        hand_back(connection, [run.id])
        return True


def _executed_here(app: App, due: DueRun) -> Outcome:
    """In this process, which ends when the run does not."""
    began = time.monotonic()

    def tell(outcome: Outcome) -> None:
        logs.emit(logs.ended(outcome, time.monotonic() - began))

    options = RunOptions(stop=stop(), last_word=tell, started=lambda claim: logs.emit(logs.started(claim)))
    with on_signals(stop(), silent=True):
        try:
            outcome = execute(app, due, options)
        except (SQLAlchemyError, SextonError) as error:
            outcome = in_the_way(due, error)
    if outcome.state not in QUIET:
        tell(outcome)
    if outcome.failure is not None:
        outcome.failure.forget()
    return outcome


def _executed_beside(app: App, due: DueRun) -> Outcome:
    """In an executor: this process has other work that must not go along when the run hangs or dies."""
    began = time.monotonic()
    outcome, told = _executors(app).run(due)
    if not told and outcome.state not in QUIET:
        logs.emit(logs.ended(outcome, time.monotonic() - began))
    return outcome


def _hand_back(app: App, number: int) -> None:
    """It is not begun here, and may be elsewhere: submitted again at the next look."""
    with short_transaction(app.database, app.limits().lease) as connection:
        hand_back(connection, [number])


def _duplicate(app: App, engine: str) -> None:
    """A number that somebody else has begun: nothing is done, and it is counted."""
    if engine:
        count_duplicates(app, engine, 1)


def _engine_of(app: App, number: int) -> str:
    """By which engine a run was carried that is over; "" for one that is not on record."""
    with read_only(app.database) as connection:
        return carried_by(connection, number)


def _say(event: str, **fields: Any) -> None:
    logs.emit(logs.said(event, **fields))


def _executors(app: App) -> WarmExecutors:
    from .warm_executors import WarmExecutors

    here = stop()
    with _lock:
        if not _warm:
            _warm.append(WarmExecutors(app, here))
        return _warm[0]


def ask_to_end(numbers: Collection[int]) -> None:
    """Runs of these numbers that executors of this process have: their batch in hand is the last one."""
    with _lock:
        for executors in _warm:
            executors.ask_to_end(numbers)


def close_executors() -> None:
    """End the executors of this process; those under way end their batch. For a worker that ends."""
    with _lock:
        for executors in _warm:
            executors.close()
        _warm.clear()
