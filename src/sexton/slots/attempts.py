"""How often a run that was cut off is tried again: three crashes are enough; the infrastructure may take its time.

A crash may be the job's own doing, so a slot is left after three. A database that went away, a deploy, a host without
memory for one more process say nothing about the job: such attempts are not counted, and their slot is tried again
until it has run or a later one takes its place. From the fourth on there are rests between, and an incident is open.
"""

from __future__ import annotations

from datetime import timedelta

from ..run_state import CUT_OFF, INFRASTRUCTURE

MAX_CRASHES = 3
"""A slot, or a run that was asked for, whose attempts were cut off this often is left."""

MAX_ASKED_ATTEMPTS = 10
"""A run that was asked for is left after so many, whatever cut them off: it has no slot that a later one would end."""

PROMPT_RETRIES = 3
"""Infrastructure failures of a slot after which the next attempt is made at once; then come rests, and an alert."""

FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)


def is_infrastructure_failure(state: str, code: str | None) -> bool:
    """Whether a run that ended so was cut off by what happened around it."""
    return state in CUT_OFF and code in INFRASTRUCTURE


def infrastructure_failures(state: str, code: str | None, before: int | None) -> int:
    """Of the attempts up to one that ended so. before: of those before it, as its row says."""
    return (before or 0) + is_infrastructure_failure(state, code)


def rest_after(failures: int) -> timedelta:
    """Between the end of an attempt and the next: none at first, then a minute, doubled each time, at most an hour."""
    if failures <= PROMPT_RETRIES:
        return timedelta()
    return min(FIRST_REST * 2.0 ** min(failures - PROMPT_RETRIES - 1, 10), LONGEST_REST)
