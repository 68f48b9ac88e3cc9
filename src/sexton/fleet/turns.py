"""Whose turn it is: servers go round, so that one with many databases keeps none of the others waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from .caps import Admission, Caps
from .database import FleetDatabase


class Turns:
    """Databases that wait for a visit, by server."""

    def __init__(self, databases: Iterable[FleetDatabase], caps: Caps) -> None:
        self._caps = caps
        self._waiting: dict[str, deque[FleetDatabase]] = {}
        self._names: set[str] = set()
        for database in databases:
            self.put_back(database)

    def put_back(self, database: FleetDatabase) -> None:
        """It waits, behind the others of its server; once."""
        if database.name in self._names:
            return
        self._names.add(database.name)
        self._waiting.setdefault(database.server, deque()).append(database)

    def take(self) -> FleetDatabase | None:
        """The next one that may be visited now, which `Caps` has counted; None while none may."""
        for server, waiting in list(self._waiting.items()):
            del self._waiting[server]
            if waiting:
                self._waiting[server] = waiting  # behind all others
            if waiting and self._caps.admit(server) is Admission.GO:
                return self._pop(server)
        return None

    def _pop(self, server: str) -> FleetDatabase:
        waiting = self._waiting[server]
        database = waiting.popleft()
        self._names.discard(database.name)
        if not waiting:
            del self._waiting[server]
        return database

    def of_servers_down(self) -> Iterator[FleetDatabase]:
        """Take out those that need not be tried, as nothing answers on their server."""
        for server in list(self._waiting):
            if self._caps.is_down(server):
                down = self._waiting.pop(server)
                self._names -= {database.name for database in down}
                yield from down

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._names.clear()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))
