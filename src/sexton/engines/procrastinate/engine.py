"""The engine: writes messages into Procrastinate's tables, and reads from them how it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...db.connect import connection_errors_translated, read_only
from ...db.database_identity import identity
from ...db.faults import Fault, classify, describe
from ...db.statement_timeout import limited_time
from ...doctor.finding import Finding
from ...errors import SettingsError, SextonError
from ...slots.lease import short_transaction
from ..carrier import EngineHealth, EngineMessage, EngineUnreachable, MessageKind
from . import messages
from .options import ProcrastinateOptions
from .schema import bring_up_to_date, unapplied

if TYPE_CHECKING:
    from ...app import App
    from ...runs.stop_signals import Stop

HEALTH_SECONDS = 4.0
"""After which a question about health is given up."""

SWEEP_SECONDS = 60.0
"""Seconds between two sweeps of one process."""

TRUSTED_SECONDS = 60.0
"""Seconds after which is looked again at who may put code into the schema."""


class ProcrastinateEngine:
    """See `carrier.Engine`. Its messages live in `app.database`: what is rolled back was never handed on."""

    Options: ClassVar[type[Any]] = ProcrastinateOptions
    transactional: ClassVar[bool] = True

    def __init__(self, app: App, options: ProcrastinateOptions) -> None:
        """SettingsError on SQLite."""
        if app.dialect != "postgresql":
            raise SettingsError(
                'engine "procrastinate" keeps its messages in PostgreSQL, and the database is SQLite; take "worker"'
            )
        self._app, self.options = app, options
        self._swept = self._trusted = -float("inf")

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """Write it in the transaction of `using`, or in one of its own. What fails leaves that transaction usable."""
        if using is None:
            with self._transaction() as connection:
                self._write(connection, message)
        else:
            with _as_unreachable(self.options), using.begin_nested():
                self._write(using, message)

    def _write(self, connection: Connection, message: EngineMessage) -> None:
        self._require_trust(connection)
        queue = self.options.high_queue if message.high else self.options.queue
        messages.hand_on(connection, self.options.place, queue, message)

    def cancel(self, kind: MessageKind, ids: Sequence[int]) -> None:
        """Delete what waits; a worker that has it asks its run to end."""
        with self._transaction() as connection:
            self._require_trust(connection)
            messages.forget(connection, self.options.place, identity(connection), kind, ids)

    def keep_up(self) -> None:
        """Sweep messages that nobody will finish, at most once a minute; for whoever leads. EngineUnreachable."""
        if monotonic() < self._swept + SWEEP_SECONDS:
            return
        self._swept = monotonic()
        with self._transaction() as connection:
            self._require_trust(connection)
            messages.sweep(connection, self.options.place, self.options.queues)

    def worker(self, concurrency: int, stop: Stop) -> int:
        """Be a Procrastinate worker of our two queues, until `stop` is asked."""
        from .tasks import work

        return work(self._app, self.options, concurrency, stop)

    def health(self) -> EngineHealth:
        """From its tables. workers: of everybody in that schema, as a worker does not say what it listens to."""
        place = self.options.place
        try:
            with (
                _as_unreachable(self.options),
                read_only(self._app.database) as reading,
                limited_time(reading, HEALTH_SECONDS),
            ):
                if why := messages.strangers(reading, place):
                    return EngineHealth(reachable=False, trouble=why)
                found = messages.count(reading, place)
                new = unapplied(reading, place)
        except SextonError as error:
            return EngineHealth(reachable=False, trouble=str(error))
        trouble = f"{len(new)} of its SQL files are not applied; run: sexton engines migrate" if new else ""
        return EngineHealth(True, found.workers, found.messages, found.oldest, trouble)

    def migrate(self) -> list[str]:
        """Make or update its tables, for `sexton engines migrate`; the names of the files applied.

        SettingsError with a product's own app, whose tables are the product's; and see `bring_up_to_date`.
        """
        if self.options.app:
            raise SettingsError("engines.procrastinate.app: its tables are the product's, which migrates them itself")
        return bring_up_to_date(self._app.database, self.options.place)

    def findings(self) -> Iterator[Finding]:
        """What `sexton doctor` should say about its tables."""
        health = self.health()
        if health.trouble:
            yield Finding("warning" if health.reachable else "wrong", "procrastinate", health.trouble)

    def close(self) -> None:
        """Nothing to give back: the connections are those of the app."""

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        lease = self._app.limits().lease
        database = self._app.database
        with (
            connection_errors_translated(database),
            _as_unreachable(self.options),
            short_transaction(database, lease) as connection,
        ):
            yield connection

    def _require_trust(self, connection: Connection) -> None:
        """Its functions run with our rights: so nobody else may put one into the schema (SEC-1)."""
        if monotonic() < self._trusted + TRUSTED_SECONDS:
            return
        if why := messages.strangers(connection, self.options.place):
            raise EngineUnreachable(f"procrastinate: {why}")
        self._trusted = monotonic()


@contextmanager
def _as_unreachable(options: ProcrastinateOptions) -> Iterator[None]:
    """Turn what the database says into EngineUnreachable; a session that is lost passes, it is not the engine's."""
    try:
        yield
    except DBAPIError as error:
        fault = classify(error)
        if fault is Fault.GONE:
            raise
        if fault is Fault.SCHEMA:
            whose = f"migrate those of {options.app}" if options.app else "run: sexton engines migrate"
            raise EngineUnreachable(
                f"procrastinate: its tables are not there, or of another version ({describe(error)}); {whose}"
            ) from error
        raise EngineUnreachable(f"procrastinate: {describe(error)}") from error
