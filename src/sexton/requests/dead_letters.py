"""What people do about dead letters: ask once more, under a new number, all at once or slowly; or give them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete

from ..db.tables import own_tables
from ..jobs.job import Job
from ..request_state import RequestState
from .asking import write_request
from .inspection import DeadFilter, DeadLetter

LETTERS_AT_ONCE = 1_000
"""Dead letters of which one statement names the numbers."""


def replay(connection: Connection, letters: Sequence[tuple[DeadLetter, Job]], *, by: str, rest: float) -> list[int]:
    """Ask for these once more, the oldest first, each with all its attempts: the new numbers of those still there.

    A new number, as the old one stands for what has failed; with a unique key it may be that of one that waits.
    rest: seconds between each and the next; 0: all at once.
    """
    ours = _taken(connection, [letter.id for letter, _ in letters])
    left = sorted((one for one in letters if one[0].id in ours), key=lambda one: one[0].id)
    numbers: list[int] = []
    for place, (letter, job) in enumerate(left):
        state = RequestState.READY if letter.serial_key is None else RequestState.BLOCKED
        row = {name: getattr(letter, name) for name in ("job", "args", "args_version", "priority", "attempts")}
        row |= {"unique_key": letter.unique_key, "serial_key": letter.serial_key, "attempt": 1, "asked_by": by}
        row |= {"engine": job.engine, "rest": place * rest, "state": RequestState.DELAYED if place * rest else state}
        numbers.append(write_request(connection, row))
    return numbers


def _taken(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these that are gone by our hand: somebody else may replay or discard the same ones just now."""
    table = own_tables(connection.dialect.name).dead_requests
    found: set[int] = set()
    for start in range(0, len(ids), LETTERS_AT_ONCE):
        some = sorted(ids)[start : start + LETTERS_AT_ONCE]
        found.update(connection.execute(delete(table).where(table.c.id.in_(some)).returning(table.c.id)).scalars())
    return found


def discard(connection: Connection, wanted: DeadFilter) -> int:
    """These are gone; how many."""
    dialect = connection.dialect.name
    gone = 0
    for start in range(0, max(len(wanted.ids), 1), LETTERS_AT_ONCE):
        some = replace(wanted, ids=wanted.ids[start : start + LETTERS_AT_ONCE])
        conditions = some.conditions(dialect)
        gone += connection.execute(delete(own_tables(dialect).dead_requests).where(*conditions)).rowcount
    return gone
