"""How a scheduler hears of requests for its engine: its row in `workers` says that it sleeps, so it is woken."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.notify import REQUESTS_CHANNEL
from ..errors import SextonError
from ..requests.holders import Holder
from ..requests.upkeep import keep_up
from ..slots.lease import short_transaction
from .worker.listener import Listener, heard_by

KEEP_UP_SECONDS = 1.0
"""Seconds between two looks at whose time has come, whose turn it is, and whose process died."""


class RequestDoorbell:
    """Of one desk that leads. Each NOTIFY makes commits wait, so it says that it sleeps only while nothing comes."""

    def __init__(self, app: App, engine: str, holder: str) -> None:
        self._app = app
        self._engine = engine
        self._limits = app.limits()
        self._holder = Holder(holder, engine, self._limits.lease)
        self._listener: Listener | None = None
        self._kept = 0.0
        self._says_idle = False

    def sources(self) -> list[Listener]:
        """What else to select on."""
        return [self._listener] if self._listener is not None else []

    def keep_up(self, now: float) -> None:
        """Keep the requests in order, once a second. Database errors pass. now: monotonic."""
        if now >= self._kept:
            self._kept = now + KEEP_UP_SECONDS
            with short_transaction(self._app.database, self._limits.lease) as connection:
                keep_up(connection, [self._engine])

    def rests(self, now: float, *, idle: bool) -> bool:
        """Write whether we sleep; whether to look once more, as somebody who did not ring may have come before that."""
        self._listener, _ = heard_by(self._app.database, self._listener, REQUESTS_CHANNEL)
        fresh = idle and not self._says_idle
        if idle != self._says_idle or now - self._holder.renewed > self._limits.renew:
            with short_transaction(self._app.database, self._limits.lease) as connection:
                self._holder.renew(connection, idle=idle)
            self._says_idle = idle
        return fresh

    def close(self) -> None:
        """Hang up, and say that nobody is here any more."""
        if self._listener is not None:
            self._listener.close()
        self._listener, self._says_idle = None, False
        if self._holder.renewed:
            self._holder.renewed = 0.0
            try:
                with short_transaction(self._app.database, self._limits.lease) as connection:
                    self._holder.leave(connection)
            except (SQLAlchemyError, SextonError):
                pass  # its row ends by itself
