"""When the loop of a worker does what next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Timers:
    """Monotonic times at which something is to be done next."""

    election: float = 0.0
    look: float = 0.0
    all: float = 0.0
    turned: float = 0.0
