"""One request as a value: what its row says when a process takes it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class ClaimedRequest(NamedTuple):
    """args: JSON, as it was kept.  attempt: this one, from 1; of `attempts`.  crashes: attempts whose process died.

    ready_at: since when it could have been begun.  claimed_at: when this process took it, by the database's clock.
    """

    id: int
    job: str
    args: str
    args_version: int
    attempt: int
    attempts: int
    crashes: int
    unique_key: str | None
    serial_key: str | None
    asked_by: str | None
    ready_at: datetime
    claimed_at: datetime
