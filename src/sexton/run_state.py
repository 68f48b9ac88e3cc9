"""The states of a run and what they mean for others: each group of states stands here, and nowhere else.

  queued ──claimed──> running ──┬──> succeeded, partial      its steps went through
(asked for)         (a slot)    ├──> failed, timed_out       an error, its deadline
                                ├──> cancelled               a signal, a lock, a session that was lost
                                └──> abandoned               closed by others: its process is gone
  skipped: a slot that was given up; nothing ran
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """What a run row can be. `queued` and `running` are open; the rest is final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    ABANDONED = "abandoned"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class NoRun(StrEnum):
    """How a start ends that no run row tells about: nothing ran, or nothing more can be written."""

    ALREADY_DONE = "already done"
    HELD = "held"
    UNREACHABLE = "unreachable"
    UNKNOWN_JOB = "unknown job"
    """The process that was to run the job does not know it."""


class OutcomeCode(StrEnum):
    """Why a run ended as it did, where a rule or a program asks; beside the error or the note, which people read."""

    COULD_NOT_BEGIN = "could_not_begin"
    """Its work cannot run here: a table is missing, a module cannot be imported."""
    STOPPED_BY_GUARD = "stopped_by_guard"
    """Far more rows were due than usual; none was touched, and a person has to look."""
    ONLY_COUNTED = "only_counted"
    """The job is not armed as it stands: it took nothing, whatever it found."""
    REST_UNKNOWN = "rest_unknown"
    """It went through, but whether others moved rows that are still due could not be asked in time."""
    DRIFTED = "drifted"
    """It went through; an old window of a roll-up holds other sums than its rows come to."""
    PROCESS_DIED = "process_died"
    """Its process ended before it: by itself, by a signal, or nobody knows how."""
    OVERDUE = "overdue"
    """It went on past its timeout, and its process was ended."""
    LOCKED = "locked"
    """Others held a table or rows locked, or took part in a deadlock, to the last try."""
    STOPPED = "stopped"
    """Somebody asked its process to end: a deploy, a person, a host that shuts down."""
    DATABASE_LOST = "database_lost"
    """Its session was lost, or the database did not answer."""
    SUPERSEDED = "superseded"
    """Of a request that failed: a newer one with its unique key waits, and does its work."""
    NO_PROCESS = "no_process"
    """No process for it could be started, or that ended before it heard of the run."""


OutcomeState = RunState | NoRun

NOT_ENDED = (RunState.QUEUED, RunState.RUNNING)
"""Not ended: an index that a migration made holds these alone."""

TAKING_THE_SLOT = (
    RunState.QUEUED,
    RunState.RUNNING,
    RunState.SUCCEEDED,
    RunState.PARTIAL,
    RunState.SKIPPED,
)
"""The database allows one such run a (job, database, slot); the condition of an index that a migration made."""

WENT_WELL = (RunState.SUCCEEDED, RunState.PARTIAL)
"""All steps went to their end. What there is to say is a note, and no error."""

FAILURES = (RunState.FAILED, RunState.TIMED_OUT, RunState.ABANDONED)
"""What counts as a failure in alerts, metrics and health."""

ENDED_BY_ITSELF = (*WENT_WELL, RunState.FAILED, RunState.TIMED_OUT)
"""Its length and its counts mean something: nobody cut it off."""

NEVER_STARTED = (RunState.QUEUED, RunState.SKIPPED)
"""No work was begun."""

CUT_OFF = (RunState.CANCELLED, RunState.ABANDONED)
"""Its slot is tried again, whatever the job says; see `slots.attempts`."""

RETRIED_IF_ASKED = (RunState.FAILED, RunState.TIMED_OUT)
"""Its slot is tried again as the job's `retry` says, and otherwise done."""

SLOT_STILL_LATE = (RunState.QUEUED, RunState.SKIPPED, RunState.CANCELLED)
"""For lateness no run at all: one that an engine was given, and nobody begins, is late; and who gives up all his slots
would else never be late."""

KEPT_AS_FAILURE = (*FAILURES, RunState.PARTIAL)
"""Kept as long as `[retention] failed_runs` says."""

SETTLING: tuple[OutcomeState, ...] = (*ENDED_BY_ITSELF, NoRun.ALREADY_DONE)
"""After these a later slot of the job may run; after others it would pass one that is still to be tried."""

QUIET = (NoRun.ALREADY_DONE, NoRun.HELD)
"""Nothing happened that a log is for."""

TOOK_NOT_ALL = (OutcomeCode.ONLY_COUNTED, OutcomeCode.REST_UNKNOWN)
"""Of a run that succeeded: rows that were due may still be there, so no policy that waits for it may go on by it."""

INFRASTRUCTURE = (OutcomeCode.STOPPED, OutcomeCode.DATABASE_LOST, OutcomeCode.NO_PROCESS)
"""Of a run that was cut off: what happened around the job. It uses up none of the attempts of a crash."""

PROCESS_ENDED = (OutcomeCode.PROCESS_DIED, OutcomeCode.OVERDUE)
"""Its process ended in the middle of it; that is never right."""


def outcome_state(word: str) -> OutcomeState:
    """The state that is written so. ValueError: there is none."""
    return RunState(word) if word in set(RunState) else NoRun(word)
