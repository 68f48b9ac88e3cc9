"""Where a shift works, and what it has in hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from ...requests.claimed_request import ClaimedRequest
from ...requests.ending import EndedRequest
from ..context import Limits
from ..stop_signals import Stop
from .functions import DemandedFunction, DemandedFunctions
from .request_run import RequestRun


def nobody_listens(ended: Sequence[EndedRequest]) -> None:
    """The listener that does not listen."""


def nobody_watches(number: int) -> None:
    """The watcher that does not watch."""


@dataclass(slots=True)
class Current:
    """The request that is executed now. began: monotonic.  begun: whether the row says so."""

    request: ClaimedRequest
    run: RequestRun
    function: DemandedFunction
    began: float
    deadline: float
    begun: bool = False


@dataclass(frozen=True, slots=True)
class ShiftPlace:
    """Where a shift works. own_process: a request that does not end takes the process along.

    tell: is given the requests that have ended, once that is on record.
    begins: is given the number of each before its function is called.
    """

    database: Engine
    functions: DemandedFunctions
    limits: Limits
    stop: Stop
    definition: str = ""
    own_process: bool = False
    tell: Callable[[Sequence[EndedRequest]], None] = nobody_listens
    begins: Callable[[int], None] = nobody_watches
