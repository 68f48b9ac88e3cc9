"""Closing a run whose process lost the database: when that is back, what cut it off is known, and put on record."""

from __future__ import annotations

from sqlalchemy import Engine, update

from ..db.tables import own_tables
from ..errors import LeaseLost
from ..run_state import RunState
from .claim import close
from .ending import Ending
from .lease import Lease, short_transaction


def close_late(engine: Engine, run_id: int, lease: Lease, ending: Ending) -> None:
    """`close`, or, where others have closed it as abandoned, as they could not know better: say why it ended.

    Raises what `close` raises, but for LeaseLost.
    """
    try:
        close(engine, run_id, lease, ending, None)
    except LeaseLost:
        runs = own_tables(engine.dialect.name).runs
        abandoned = (runs.c.id == run_id, runs.c.epoch == lease.epoch, runs.c.state == RunState.ABANDONED)
        known = update(runs).where(*abandoned).values(error=ending.error, outcome_code=ending.code)
        with short_transaction(engine, lease.seconds) as connection:
            connection.execute(known)
