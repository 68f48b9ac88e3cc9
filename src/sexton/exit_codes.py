"""Which exit code a command ends with: by the state of its run, by the worst of several; errors carry one of these.

0    done, nothing to do, or already done         69   the database cannot be reached
1    failed                                       75   held by another process
2    usage or settings                            130  a second Ctrl-C, by the shell's custom
3    partial: some rows were left
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .run_state import NoRun, OutcomeState, RunState

DONE = 0
FAILED = 1
USAGE = 2
PARTIAL = 3
UNREACHABLE = 69
HELD = 75
INTERRUPTED = 130
"""What shells say of a process that SIGINT killed."""

OF_STATE: Mapping[OutcomeState, int] = {
    RunState.SUCCEEDED: DONE,
    NoRun.ALREADY_DONE: DONE,
    RunState.PARTIAL: PARTIAL,
    RunState.FAILED: FAILED,
    RunState.TIMED_OUT: FAILED,
    RunState.CANCELLED: PARTIAL,
    NoRun.HELD: HELD,
    NoRun.UNREACHABLE: UNREACHABLE,
    NoRun.UNKNOWN_JOB: USAGE,
}
"""Of a run that ended so, where no error says it better: one that somebody wrote wrong ends with `USAGE`."""

WORST_FIRST = (UNREACHABLE, FAILED, USAGE, PARTIAL, DONE)


def worst(codes: Collection[int]) -> int:
    """The code of a command that ran several jobs. `HELD` only where all were: another process is at it."""
    return next((code for code in WORST_FIRST if code in codes), HELD if codes else DONE)
