"""The page of exit codes, states and errors."""

from __future__ import annotations

from collections.abc import Iterator

from sexton import errors
from sexton.cli.main import EPILOG
from sexton.db.faults import Fault
from sexton.exit_codes import OF_STATE
from sexton.run_state import INFRASTRUCTURE, TAKING_THE_SLOT, OutcomeCode, RunState
from sexton.runs.transaction_retries import MAX_TRANSACTION_RETRIES

from .markdown import code, docstring, fenced, page, table

MEANINGS = {
    "queued": "somebody asked for it, nobody has begun it yet",
    "running": "its process holds the job's lease, or has died and nobody has claimed the job since",
    "succeeded": "all steps went to their end and nothing was left over",
    "partial": "all steps went to their end; rows were refused and set aside, or stayed locked by others: its note",
    "failed": "an error ended it; committed batches stay committed",
    "timed_out": "its timeout passed; committed batches stay committed",
    "abandoned": "its process ended without a word; written by the next claim of the job; tried again",
    "skipped": "the slot was given up: too late, or the run before was still under way",
    "cancelled": "a signal ended it after the batch in hand, or a table stayed locked by others; tried again",
}
"""What each state of a run row means. A state without an entry stops the generator."""

WITHOUT_ROW = {
    "already done": "the slot has a run; nothing was started, so there is no row",
    "held": "another process holds the job, or took it over; its own row tells the rest",
    "unknown job": "the process that was to run it does not know the job; the slot stays due, for whoever knows it",
    "unreachable": "the database did not answer any more; its row stays `running` until somebody closes it",
}
"""Outcomes of a command for which no state is written."""

CODES = {
    "could_not_begin": "its work cannot run here: a table, a privilege, a module is missing; nothing was started",
    "stopped_by_guard": "far more rows were due than usual; none was touched, and a person has to look",
    "only_counted": "the job is not armed as it stands; nothing was done",
    "rest_unknown": "it went through; whether others moved rows that are still due could not be asked in time",
    "drifted": "it went through; an old window of a roll-up holds other sums than its rows come to, see the note",
    "superseded": "a request that failed; a newer one with its unique key waits, and does its work",
    "process_died": "its process ended before it: by itself, by a signal, or nobody knows how",
    "overdue": "it went on past its timeout, and its process was ended",
    "locked": "others held a table or rows locked, or a deadlock came back, to the last try",
    "stopped": "somebody asked its process to end: a deploy, a person, a host that shuts down",
    "database_lost": "its session was lost, or the database did not answer",
    "no_process": "no process for it could be started, or that ended before it heard of the run",
}
"""What each outcome code means. A code without an entry stops the generator."""

ANSWERS = {
    Fault.RETRY: (
        "deadlock, serialization failure, SQLite busy",
        f"tries the batch again, {MAX_TRANSACTION_RETRIES} times; then `failed`",
    ),
    Fault.LOCKED: (
        "`lock_timeout`",
        f"works around locked rows; a locked table: tries again, {MAX_TRANSACTION_RETRIES} times, then `cancelled`",
    ),
    Fault.POISON: ("a constraint, a value out of range, `only_if`", "halves the batch down to the row, sets it aside"),
    Fault.CANCELLED: (
        "`statement_timeout`",
        "halves the batch; if a batch of one row takes more than `run.statement_timeout`: `failed`",
    ),
    Fault.GONE: (
        "connection lost, server restarting, too many connections",
        f"asks what was committed, retries {MAX_TRANSACTION_RETRIES} times; then exit code 69; the row stays `running`",
    ),
    Fault.FULL: ("disk full", "`failed`"),
    Fault.READ_ONLY: ("a standby", "`failed`"),
    Fault.DENIED: ("a privilege is missing", "`failed`; usually found before the start, with exit code 2"),
    Fault.SCHEMA: ("no such table or column", "`failed`; usually found before the start, with exit code 2"),
    Fault.OTHER: ("anything else", "`failed`"),
}
"""Examples, and what the batch loop does. A kind without an entry stops the generator."""


COUNTING = (OutcomeCode.PROCESS_DIED, OutcomeCode.LOCKED)
"""Codes of runs that were cut off, and whose attempt counts."""


def codes() -> str:
    """Exit codes, states of runs, errors and what the batch loop does about database errors."""
    return page(
        "Exit codes, states, errors", "src/sexton/errors.py, src/sexton/runs and src/sexton/db/faults.py", _parts()
    )


def _parts() -> Iterator[str]:
    yield "What to do about a message: [troubleshooting](../how-to/troubleshooting.md)."
    yield "## Exit codes"
    yield fenced(EPILOG)
    yield (
        "`run --due` ends with the worst code of its runs, in the order 69, 1, 3, 75, 0; "
        "75 only when every due job was held elsewhere. After Ctrl-C outside a run: 130."
    )
    yield "## States of a run"
    yield "*takes the slot*: the database allows one such run a slot. In brackets: outcomes without a row of their own."
    yield table(["state", "exit code", "takes the slot", "meaning"], _states())
    yield "## Outcome codes"
    yield (
        "Why a run ended so, in one word beside its error or its note: the column `outcome_code`, also in the lines of "
        "log and in `--json`. A run without one ended as its state says. *attempt counts*: whether a run that was "
        "`cancelled` or `abandoned` so uses up one of the three attempts at its slot."
    )
    yield table(["code", "attempt counts", "meaning"], _codes())
    yield "## Errors"
    yield docstring(errors.__doc__ or "")
    yield "## Database errors"
    yield (
        "Decided by SQLSTATE on PostgreSQL and by the few fixed texts of its library on SQLite. "
        "History and logs keep the state, the constraint and the first line, never a row's values."
    )
    yield table(["kind", "examples", "what the run does"], ([code(fault.name), *ANSWERS[fault]] for fault in Fault))


def _codes() -> Iterator[list[str]]:
    for one in OutcomeCode:
        counts = "no" if one in INFRASTRUCTURE else "yes" if one in COUNTING else ""
        yield [code(one), counts, CODES[one]]


def _states() -> Iterator[list[str]]:
    for state in RunState:
        exit_code = OF_STATE.get(state)
        shown = "" if exit_code is None else str(exit_code)
        yield [code(state), shown, "yes" if state in TAKING_THE_SLOT else "no", MEANINGS[state]]
    for outcome in OF_STATE:
        if outcome not in set(RunState):
            yield [f"({outcome})", str(OF_STATE[outcome]), "", WITHOUT_ROW[outcome]]
