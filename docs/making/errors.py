"""The page of exit codes, states and errors."""

from __future__ import annotations

from collections.abc import Iterator

from sexton import errors
from sexton.cli.main import EPILOG
from sexton.db.faults import Fault
from sexton.db.tables import STATES, TAKEN
from sexton.runs.outcome import EXIT_CODES
from sexton.runs.transaction_retries import MAX_TRANSACTION_RETRIES

from .markdown import code, docstring, fenced, page, table

MEANINGS = {
    "queued": "somebody asked for it, nobody has begun it yet",
    "running": "its process holds the job's lease, or has died and nobody has claimed the job since",
    "succeeded": "all steps went to their end and nothing was left over",
    "partial": "all steps went to their end; rows were refused and set aside, or stayed locked by others",
    "failed": "an error ended it; committed batches stay committed",
    "timed_out": "its timeout passed; committed batches stay committed",
    "abandoned": "its process ended without a word; written by the next claim of the job",
    "skipped": "the slot was given up: too late, or the run before was still under way",
    "cancelled": "a signal ended it after the batch in hand, or a table stayed locked by others; tried again",
}
"""What each state of a run row means. A state without an entry stops the generator."""

WITHOUT_ROW = {
    "already done": "the slot has a run; nothing was started, so there is no row",
    "held": "another process holds the job, or took it over; its own row tells the rest",
    "unknown": "the process that was to run it does not know the job; the slot stays due, for whoever knows it",
    "unreachable": "the database did not answer any more; the row stays `running` until the next claim closes it",
}
"""Outcomes of a command for which no state is written."""

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
    yield "## Errors"
    yield docstring(errors.__doc__ or "")
    yield "## Database errors"
    yield (
        "Decided by SQLSTATE on PostgreSQL and by the few fixed texts of its library on SQLite. "
        "History and logs keep the state, the constraint and the first line, never a row's values."
    )
    yield table(["kind", "examples", "what the run does"], ([code(fault.name), *ANSWERS[fault]] for fault in Fault))


def _states() -> Iterator[list[str]]:
    for state in STATES:
        exit_code = EXIT_CODES.get(state)
        shown = "" if exit_code is None else str(exit_code)
        yield [code(state), shown, "yes" if state in TAKEN else "no", MEANINGS[state]]
    for outcome in EXIT_CODES:
        if outcome not in STATES:
            yield [f"({outcome})", str(EXIT_CODES[outcome]), "", WITHOUT_ROW[outcome]]
