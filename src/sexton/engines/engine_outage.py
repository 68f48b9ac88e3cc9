"""An engine that does not answer: said once, an incident while it lasts, and tried again after rests of 1 to 60 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.server_clock import ask_now
from ..errors import SextonError
from ..slots.lease import short_transaction
from ..telemetry.engine_incidents import engine_answers, engine_broke
from .carrier import EngineUnreachable, trouble

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 60.0


class EngineOutage:
    """Of the engine `name`. rest_until: monotonic time before which it is not asked.

    reason: why it is down; "": it is not.  say: writes a line of log.
    """

    def __init__(self, app: App, name: str, say: Callable[..., None]) -> None:
        self.rest_until = 0.0
        self.reason = ""
        self._app = app
        self.name = name
        self._say = say
        self._rest = FIRST_REST_SECONDS
        self._asked = False

    @contextmanager
    def its_own(self) -> Iterator[None]:
        """Around a call of the engine, which may be anybody's code: what it raises is EngineUnreachable, and no trouble
        of the other engines. Errors of the database and of Sexton pass."""
        try:
            yield
        except (SextonError, SQLAlchemyError):
            raise
        except Exception as error:
            raise EngineUnreachable(f"{self.name}: {type(error).__name__}: {trouble(str(error))}") from error

    def noticed(self, error: SextonError) -> None:
        """It did not take a message. Database errors pass."""
        self.rest_until = time.monotonic() + self._rest
        self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
        if not self.reason:
            self._say("engine does not answer", engine=self.name, error=str(error))
            with short_transaction(self._app.database, self._app.limits().lease) as connection:
                engine_broke(connection, self.name, str(error), self._app.settings.alerts.channels, ask_now(connection))
        self.reason = str(error)

    def answered(self) -> None:
        """It took all there was. An incident of a leader before us is over as well. Database errors pass."""
        self.rest_until, self._rest = 0.0, FIRST_REST_SECONDS
        if self.reason:
            self._say("engine answers again", engine=self.name)
        if self.reason or not self._asked:
            with short_transaction(self._app.database, self._app.limits().lease) as connection:
                engine_answers(connection, self.name, self._app.settings.alerts.channels, ask_now(connection))
        self.reason, self._asked = "", True
