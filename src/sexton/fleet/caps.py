"""How many connections a fleet may hold: in all, and on each server; fewer where a server has none left.

room ──53300──> half of it, and a rest ──success──> one more, up to the cap
up ──three times nothing──> down: one probe a minute ──it answers──> up
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .results import Contact

STRIKES = 3
"""So many visits in a row that nothing answered, and the server is taken to be down."""

PROBE_SECONDS = 60.0
"""Seconds between two probes of a server that is down."""

SHORTEST_REST, LONGEST_REST = 0.5, 8.0
"""Seconds that a server rests which had no connection left; each time in a row twice as long."""


class Admission(Enum):
    """Whether one more visit to a server may begin."""

    GO = "go"
    WAIT = "wait"
    DOWN = "down"


@dataclass(slots=True)
class _Server:
    limit: int
    under_way: int = 0
    strikes: int = 0
    probe_at: float = 0.0
    crowded: int = 0
    rests_until: float = 0.0


class Caps:
    """Counts connections: a visit has one. Used by one thread.

    connections: in all.  per_server: on one server.  clock: monotonic seconds.
    """

    def __init__(self, connections: int, per_server: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._per_server = per_server
        self._clock = clock
        self._servers: dict[str, _Server] = {}
        self.under_way = 0

    def admit(self, server: str) -> Admission:
        """Ask for one connection there; whoever may go has it until `ended`."""
        one = self._of(server)
        if self.is_down(server):
            return Admission.DOWN
        full = self.under_way >= self._connections or one.under_way >= one.limit
        if full or self._clock() < one.rests_until:
            return Admission.WAIT
        if one.strikes >= STRIKES:
            one.probe_at = self._clock() + PROBE_SECONDS
        one.under_way += 1
        self.under_way += 1
        return Admission.GO

    def ended(self, server: str, contact: Contact) -> None:
        """A visit is over, and how far it came."""
        one = self._of(server)
        one.under_way -= 1
        self.under_way -= 1
        if contact is Contact.NONE:
            one.strikes += 1
            if one.strikes == STRIKES:
                one.probe_at = self._clock() + PROBE_SECONDS
            return
        one.strikes = 0
        if contact is Contact.CROWDED:
            one.limit = max(one.limit // 2, 1)
            one.rests_until = self._clock() + min(SHORTEST_REST * 2**one.crowded, LONGEST_REST)
            one.crowded += 1
        elif contact is Contact.MADE:
            one.limit, one.crowded = min(one.limit + 1, self._per_server), 0

    def is_down(self, server: str) -> bool:
        """Whether it did not answer several times in a row, and it is not time yet for a probe."""
        one = self._of(server)
        return one.strikes >= STRIKES and (one.under_way > 0 or self._clock() < one.probe_at)

    def limit(self, server: str) -> int:
        """How many connections it is given now."""
        return self._of(server).limit

    def _of(self, server: str) -> _Server:
        return self._servers.setdefault(server, _Server(self._per_server))
