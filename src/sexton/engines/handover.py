"""Giving messages to an engine, in the transaction that marked their rows or after it, and what if it takes none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from ..app import App
from ..slots.lease import short_transaction
from .carrier import Engine, EngineMessage, EngineUnreachable
from .engine_outage import EngineOutage


class Handover:
    """To one engine. outage: is told how that went."""

    def __init__(self, app: App, engine: Engine, outage: EngineOutage) -> None:
        self._app = app
        self._engine = engine
        self._outage = outage

    def within(self, connection: Connection, messages: Sequence[EngineMessage]) -> None:
        """The messages of an engine that keeps them in our database: they are there if the rows are marked."""
        if self._engine.transactional:
            for message in messages:
                with self._outage.its_own():
                    self._engine.submit(message, using=connection)

    def after(self, messages: Sequence[EngineMessage], back: Callable[[Connection, list[int]], object]) -> None:
        """Those of any other engine, once the rows are marked. What it took and did not say so comes twice.

        back: makes those that it did not take wait again.
        """
        for place, message in enumerate(() if self._engine.transactional else messages):
            try:
                with self._outage.its_own():
                    self._engine.submit(message)
            except EngineUnreachable as error:
                with short_transaction(self._app.database, self._app.limits().lease) as connection:
                    back(connection, [number for left in messages[place:] for number in left.ids])
                self._outage.noticed(error)
                return
        if messages:
            self._outage.answered()
