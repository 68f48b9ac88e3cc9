"""Rows that others had locked each time a batch came by: one pass that waits a little for each, then a count.

One SKIP LOCKED pass over a row that short transactions keep locked wins about once in 400; waiting for it wins.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify
from .batches import Batches
from .execution import parameters
from .poison import next_subject
from .statements import due

MOST = 1_000
"""Rows left over are counted up to here."""

WAITS = 16
"""Locked rows that are waited for; each costs `run.lock_wait` at most."""


def take_left_over(batches: Batches) -> None:
    """After the loop: if locked rows were skipped, try them again, waiting; count in `skipped` what stays."""
    if not batches.skips or batches.at_limit() or not _left(batches):
        return
    if batches.executor.unit != "rows":
        batches.pick_rows()
    batches.request = replace(batches.request, cursor=None, waiting=True)
    size, waits = batches.sizer.size, 0
    while waits < WAITS:
        batches.context.check()
        request = replace(batches.request, size=size)
        try:
            result = batches.transact(request, batches.executor.rescue)
        except DBAPIError as error:
            if classify(error) is not Fault.LOCKED:
                batches.answer(error, request)
                size = batches.sizer.size
                continue
            waits += 1
            if size == 1:
                _step_over(batches)
            size = max(size // 8, 1)
            continue
        batches.request = replace(batches.request, cursor=result.cursor)
        if not result.more:
            break
    batches.counts.skipped = _left(batches)


def _step_over(batches: Batches) -> None:
    row = batches.attempts.beside(lambda connection: next_subject(connection, batches.plan, batches.request))
    if row is not None:
        batches.request = replace(batches.request, cursor=row[1])


def _left(batches: Batches) -> int:
    few = select(*batches.plan.key).where(due(batches.plan, excluding=batches.request.excluding)).limit(MOST)
    asked = select(func.count()).select_from(few.subquery())

    def count(connection: Connection) -> int:
        return connection.execute(asked, parameters(asked, batches.request)).scalar_one()

    return batches.attempts.beside(count)
