"""Run rows of before revision 1013, read as they would be written now.

They are known by their empty `changed`. Their note stands in `error`, and why they ended so is the beginning or a part
of that text. Nothing here is written any more; once no version before 1013 is upgraded from, the file can go.
"""

from __future__ import annotations

from ..run_state import WENT_WELL, OutcomeCode, RunState
from .ending import Ending

STOPPED_BY_GUARD = "stopped before its first row: "
COULD_NOT_BEGIN = "could not begin: "
EARLIER_PROCESS_ENDED = "its process "
ONLY_COUNTED = "only counted"
REST_UNKNOWN = "whether rows are left"


def read_as_now(state: RunState, error: str | None) -> Ending:
    """How a run ended whose row says this."""
    if state in WENT_WELL:
        return Ending(state, None, error, _of_success(error or "") if state == RunState.SUCCEEDED else None)
    return Ending(state, error, None, _code(state, error or ""))


def _of_success(note: str) -> OutcomeCode | None:
    codes = {ONLY_COUNTED: OutcomeCode.ONLY_COUNTED, REST_UNKNOWN: OutcomeCode.REST_UNKNOWN}
    return next((code for beginning, code in codes.items() if note.startswith(beginning)), None)


def _code(state: RunState, error: str) -> OutcomeCode | None:
    if state == RunState.ABANDONED:
        return OutcomeCode.PROCESS_DIED
    if state == RunState.TIMED_OUT:
        return OutcomeCode.OVERDUE if EARLIER_PROCESS_ENDED in error else None
    if state != RunState.FAILED:
        return None
    if error.startswith(STOPPED_BY_GUARD):
        return OutcomeCode.STOPPED_BY_GUARD
    if error.startswith(COULD_NOT_BEGIN):
        return OutcomeCode.COULD_NOT_BEGIN
    return OutcomeCode.PROCESS_DIED if EARLIER_PROCESS_ENDED in error else None
