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
    rest: float = 0.0
    trouble: float = 0.0
    patience: float = 0.2
