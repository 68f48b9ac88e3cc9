"""The states of a request, a job on demand with its arguments; each group of states stands here, and nowhere else.

delayed ──its time comes──> ready ──claimed──> running ──┬──> gone: it came to its end, a run row may tell
   ^                          │ ^                  │     └──> dead_requests: no attempt is left
   └──── failed, has attempts │ └─ its process ended ─┘
                              └──handed to an engine──> submitted ──claimed──> running
blocked: another one with its serial key goes first
"""

from __future__ import annotations

from enum import StrEnum


class RequestState(StrEnum):
    """What a row of `requests` can be. Those that are over are no rows of it."""

    READY = "ready"
    DELAYED = "delayed"
    BLOCKED = "blocked"
    SUBMITTED = "submitted"
    RUNNING = "running"


WAITING_REQUESTS = (RequestState.READY, RequestState.DELAYED, RequestState.BLOCKED, RequestState.SUBMITTED)
"""Not begun: one with the same unique key stands for all who ask; the condition of an index that a migration made."""

STARTABLE_REQUESTS = (RequestState.READY, RequestState.SUBMITTED)
"""A worker that has its number may begin it."""


class DeadReason(StrEnum):
    """Why nobody tries a request any more."""

    FAILED = "failed"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """Its process died with it, each time."""
    COULD_NOT_BEGIN = "could not begin"
    """The job's work cannot be loaded."""
    UNFIT_ARGUMENTS = "unfit arguments"
    """The function does not take them any more."""
    UNKNOWN_JOB = "nobody knows its job"
    """No worker knew its job, for an hour."""
