"""The shift of a process that takes requests, under whichever engine: made alike, told about alike, counted alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..app import App
from ..requests.ending import EndedRequest
from ..requests.holders import Holder
from ..runs.requests.functions import DemandedFunctions
from ..runs.requests.place import ShiftPlace
from ..runs.requests.shift import Shift
from ..runs.stop_signals import Stop
from ..slots.engine_counts import EngineCounts, count
from ..slots.lease import short_transaction
from ..telemetry import logs


def shift_of(app: App, holder: str, engine: str, stop: Stop, **more: Any) -> Shift:
    """One in a process that belongs to its requests. holder: its row in `workers`.  more: of `ShiftPlace`."""
    limits = app.limits()
    functions = DemandedFunctions(app.registry, app.database)
    place = ShiftPlace(app.database, functions, limits, stop, app.definition, own_process=True, tell=_tell, **more)
    return Shift(place, Holder(holder, engine, limits.lease))


def take(app: App, shift: Shift, ids: Sequence[int], engine: str) -> None:
    """Execute those of these that are free. The others are somebody's, or over: counted as duplicates of the engine."""
    count_duplicates(app, engine, len(ids) - shift.take(ids))


def count_duplicates(app: App, engine: str, number: int) -> None:
    """So many numbers were brought that had been begun already."""
    if number:
        with short_transaction(app.database, app.limits().lease) as connection:
            count(connection, engine, EngineCounts(duplicates=number))


def _tell(ended: Sequence[EndedRequest]) -> None:
    if lines := [logs.request_ended(one) for one in ended if one.kept or not one.went_well]:
        logs.emit(*lines)
