"""Wake a worker that waits, and understand what wakes one. What is heard is a hint: a reason to look (SEC-2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from ..db.notify import notify

_HINT = re.compile(rb"([a-z][a-z0-9_.]{0,199}) ([0-9]{1,18})")
"""Job and number of a queued run. Bytes: no other digits than those of ASCII; eighteen fit into a bigint."""


class Hints(NamedTuple):
    """What payloads say. runs: number of a queued run by job.  look: whether to look at everything."""

    runs: dict[str, int]
    look: bool


def wake(connection: Connection, what: str = "") -> None:
    """Tell workers at the end of this transaction.

    what: "JOB NUMBER" of a queued run, or empty for a changed schedule.
    """
    notify(connection, what if _HINT.fullmatch(what.encode()) is not None else "")


def understood(payloads: Iterable[bytes]) -> Hints:
    """Payloads as they came, in whatever encoding. What is no hint means "look", and so do two runs of one job."""
    runs: dict[str, int] = {}
    look = False
    for payload in payloads:
        hint = _HINT.fullmatch(payload)
        if hint is None or runs.setdefault(hint[1].decode("ascii"), int(hint[2])) != int(hint[2]):
            look = True
    return Hints(runs, look)
