"""One attempt at one request: its function is called, and however that ends is a value. Nothing it raises passes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from ...errors import LeaseLost, UsageError
from ...jobs.arguments import UnfitArguments
from ...jobs.on_demand import OnDemand
from ...request_state import DeadReason
from ...requests.claimed_request import ClaimedRequest
from ...requests.ending import EndedRequest
from ...run_counts import Counts
from ...run_state import OutcomeCode, RunState
from ...slots.ending import Ending
from ..failure import error_message, raised_at, traceback_text
from ..outcome import ended_by
from ..python_functions import checked, step_name
from ..stop_signals import Stop
from .functions import DemandedFunction
from .request_run import RequestRun

Clock = Callable[[ClaimedRequest], datetime]
"""The time now, by the database's clock as it was when the request was claimed."""

TOO_LATE = "after it had ended with its data"

NO_STEPS: Collection[str] = ()

WELL = Ending(RunState.SUCCEEDED)


def refused(request: ClaimedRequest, error: Exception, now: datetime, about: OnDemand) -> EndedRequest:
    """One that could not begin: its arguments fit nothing, which no attempt changes, or its work cannot be had."""
    unfit = isinstance(error, UnfitArguments)
    words = str(error) if isinstance(error, UsageError) else error_message(error)
    ending = Ending(RunState.FAILED, f"could not begin: {words}", code=OutcomeCode.COULD_NOT_BEGIN)
    again = None if unfit else next_attempt(request, about)
    return EndedRequest(
        request,
        ending,
        now,
        0.0,
        again=again,
        reason=DeadReason.UNFIT_ARGUMENTS if unfit else DeadReason.COULD_NOT_BEGIN,
    )


def next_attempt(request: ClaimedRequest, about: OnDemand) -> timedelta | None:
    """The rest before the next attempt; None: this was the last."""
    if request.attempt >= request.attempts:
        return None
    return about.rest_after(request.attempt, random.random())


def attempted(
    function: DemandedFunction,
    arguments: dict[str, Any],
    run: RequestRun,
    request: ClaimedRequest,
    stop: Stop,
    tracebacks: bool,
    late: Callable[[Sequence[EndedRequest]], None],
) -> EndedRequest | None:
    """Call the function; how it ended. None: it ended itself, together with its data.

    late: is given what failed after that, which nobody tries again.
    """
    began = time.monotonic()
    try:
        result = stop.interrupting(lambda: function.call(run, **arguments))
        steps = _steps(function, result, run)
        if run.told and not run.finished:
            run.check()  # it kept to itself that it was to end
    except BaseException as error:
        ended = _failed(function, run, request, stop, error, began, tracebacks)
        if not run.finished:
            return ended
        if ended.ending.state == RunState.FAILED:
            late([replace(ended, ending=Ending(RunState.PARTIAL, f"{TOO_LATE}: {ended.ending.error}"), again=None)])
        return None
    finally:
        run.over = True
    if run.finished:
        return None
    kept = function.about.history == "all"
    return EndedRequest(request, WELL, run.now, time.monotonic() - began, steps=steps, kept=kept)


def _steps(function: DemandedFunction, result: object, run: RequestRun) -> dict[str, Counts]:
    if result is None and not run.changed:
        return {}
    name = step_name(function.call, NO_STEPS)
    return {name: Counts(changed=run.changed) if result is None else checked(name, result)}


def _failed(
    function: DemandedFunction,
    run: RequestRun,
    request: ClaimedRequest,
    stop: Stop,
    error: BaseException,
    began: float,
    tracebacks: bool,
) -> EndedRequest:
    seconds = time.monotonic() - began
    ending = ended_by(error, overdue=seconds >= function.seconds, stopped=stop.reason if stop.asked else "")
    said = ending.error or error_message(error)
    state = ending.state if isinstance(ending.state, RunState) else RunState.FAILED
    given_back = run.cancelled is None and ending.code == OutcomeCode.STOPPED
    if run.cancelled is not None:
        state, said = RunState.CANCELLED, f"cancelled by {run.cancelled}"
    told = None
    if state == RunState.FAILED and tracebacks and not isinstance(error, LeaseLost):
        told = _traceback(error)
    steps = {step_name(function.call, NO_STEPS): Counts(changed=run.changed)} if run.changed else {}
    ended = EndedRequest(request, Ending(state, said, code=ending.code), run.now, seconds, steps, traceback=told)
    if given_back or run.cancelled is not None:
        return replace(ended, given_back=given_back, cancelled=run.cancelled is not None)
    reason = DeadReason.TIMED_OUT if state == RunState.TIMED_OUT else DeadReason.FAILED
    return replace(ended, again=next_attempt(request, function.about), reason=reason)


def _traceback(error: BaseException) -> tuple[str | None, str] | None:
    try:
        place = raised_at(error)
        return (place, traceback_text(error)) if place is not None or not isinstance(error, DBAPIError) else None
    except BaseException:  # memory is short, a frame is odd: it failed all the same
        return None
