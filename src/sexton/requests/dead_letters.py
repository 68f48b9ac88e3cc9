"""What people do about dead letters: ask once more, under a new number, all at once or slowly; or give them up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from ..db.tables import own_tables
from ..jobs.job import Job
from ..request_state import RequestState
from .asking import write_request
from .inspection import DeadFilter, DeadLetter


def replay(connection: Connection, letters: Sequence[tuple[DeadLetter, Job]], *, by: str, rest: float) -> list[int]:
    """Ask for these once more, the oldest first, each with all its attempts: their new numbers.

    A new number, as the old one stands for what has failed; with a unique key it may be that of one that waits.
    rest: seconds between each and the next; 0: all at once.
    """
    if not letters:
        return []
    numbers: list[int] = []
    for place, (letter, job) in enumerate(sorted(letters, key=lambda one: one[0].id)):
        state = RequestState.READY if letter.serial_key is None else RequestState.BLOCKED
        row = {name: getattr(letter, name) for name in ("job", "args", "args_version", "priority", "attempts")}
        row |= {"unique_key": letter.unique_key, "serial_key": letter.serial_key, "attempt": 1, "asked_by": by}
        row |= {"engine": job.engine, "rest": place * rest, "state": RequestState.DELAYED if place * rest else state}
        numbers.append(write_request(connection, row))
    discard(connection, DeadFilter([letter.id for letter, _ in letters]))
    return numbers


def discard(connection: Connection, wanted: DeadFilter) -> int:
    """These are gone; how many."""
    dialect = connection.dialect.name
    gone = 0
    for start in range(0, max(len(wanted.ids), 1), 1_000):
        some = DeadFilter(wanted.ids[start : start + 1_000], wanted.job, wanted.error, wanted.since, wanted.before)
        conditions = some.conditions(dialect)
        gone += connection.execute(delete(own_tables(dialect).dead_requests).where(*conditions)).rowcount
    return gone
