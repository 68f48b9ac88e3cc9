"""Which server process has the worker: each tries for one lease in the database, and who holds it starts the worker.

    standing by ──lease free──> leading: worker process, started again when it ends
        ^                          │
        └── lease lost (frozen); worker that cannot work, so that another server process may try

All of it happens in a thread of its own: nothing here is waited for by a request. While the database is away, a worker
that runs is left alone, as nobody else can take the lease either; it waits for the database by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.connect import open_database, read_only
from ..db.faults import in_words
from ..db.migrate import require_schema
from ..errors import SchemaOutdated, SchemaUntrusted, SextonError
from ..slots.claim import holder_name
from ..slots.lease import HOST, LEADER, Lease, acquire, is_free, release, renew, short_transaction
from .worker_process import SERVER_STOP_SECONDS, WorkerProcess

_LOG = logging.getLogger("sexton.asgi")

HOST_LOOK_SECONDS = 1.0
"""Seconds between two looks: of who stands by at the lease, of who leads at its worker process."""

MAX_VAIN = 3
"""Starts of a worker in vain after which another server process may try."""

UNLED_SECONDS = 60.0
"""Seconds for which a worker may live while nobody leads, until another server process may try."""

ASIDE_SECONDS = 30.0
"""Seconds that a server process stays out of the election then."""

MAX_SILENCE_SECONDS = 60.0
"""Seconds without a look after which the thread counts as hanging: in a database that takes questions and is mute."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """What is known about the part of one server process. role: "starting", "leading", "standing by" or "ended".

    since: when it began.  problem: what is wrong, in words for strangers; empty: nothing.
    """

    role: str
    since: datetime
    problem: str = ""


class WorkerHost:
    """The part of one server process in the election, and the thread that plays it. worker: what it has, if it wins."""

    def __init__(self, app: App, worker: WorkerProcess) -> None:
        limits = app.limits()
        self.worker = worker
        self.holder = holder_name()
        self._url, self._trusted = app.settings.database, app.settings.trusted_roles
        self._seconds, self._renew = limits.lease, limits.renew
        self._stop = threading.Event()
        self._lease: Lease | None = None
        self._unled = 0.0
        self._next = self._turned = 0.0
        self._said = self._aside = ""
        self._report = HostReport("starting", datetime.now(UTC), "it has not looked at its database yet")
        self._thread = threading.Thread(target=self._run, name="sexton-host", daemon=True)

    @property
    def report(self) -> HostReport:
        """How it stands. Asks nobody, waits for nobody."""
        found = self._report
        if self._stop.is_set() or not self._turned:
            return found
        if not self._thread.is_alive():
            return replace(found, problem="the thread that looks after the worker has ended; the log says why")
        if time.monotonic() - self._turned > MAX_SILENCE_SECONDS:
            return replace(found, problem="the database does not answer")
        return found

    def start(self) -> None:
        """Begin to try for the lease. SettingsError for what is no database."""
        # An engine of our own: the product's requests may use up the other one's connections.
        self._engine = open_database(self._url, create=False, trusted=self._trusted)
        self._turned = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End the worker, give the lease back. Takes SERVER_STOP_SECONDS at most, whatever the database does."""
        until = time.monotonic() + SERVER_STOP_SECONDS
        self._stop.set()
        self.worker.end(until, for_good=True)
        self._thread.join(max(until - time.monotonic(), 0.0))
        self._become("ended")

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
                self._turned = time.monotonic()
                self._stop.wait(HOST_LOOK_SECONDS)
        finally:
            self.worker.end(time.monotonic() + SERVER_STOP_SECONDS, for_good=True)
            self._give_back()
            self._engine.dispose()

    def _turn(self) -> None:
        problem = self._aside
        if time.monotonic() >= self._next:
            try:
                self._elect(time.monotonic())
                problem = self._said = self._aside = ""
            except (SQLAlchemyError, SextonError, OSError) as error:
                problem = self._trouble(error)
        if self._stop.is_set():
            return
        if self._lease is None:
            self._become("standing by", problem)
            return
        if told := self.worker.keep():
            _LOG.warning("%s", told)
        self._become("leading", self.worker.problem or problem)
        if why := self._unfit():
            self._stand_aside(why)

    def _elect(self, now: float) -> None:
        """Renew the lease, or try to get it. Database errors pass."""
        if self._lease is None:
            self._next = now
            if not self._is_free():
                return
            with short_transaction(self._engine, self._seconds) as connection:
                self._lease = acquire(connection, HOST, self.holder, self._seconds)
            if self._lease is not None:
                _LOG.info("this server process has the worker, epoch %d", self._lease.epoch)
                self._next, self._unled = now + self._renew, 0.0
            return
        with short_transaction(self._engine, self._seconds) as connection:
            held = renew(connection, self._lease)
            led = not is_free(connection, LEADER, self._seconds)
        self._next, self._unled = now + self._renew, 0.0 if led else self._unled or now
        if not held:
            self._lease = None
            _LOG.warning("another server process has taken the worker over; the one of this process ends")
            self.worker.end(time.monotonic() + SERVER_STOP_SECONDS)

    def _is_free(self) -> bool:
        """Asked by reading only: many look often, and SQLite has one writer."""
        with read_only(self._engine) as connection:
            require_schema(connection)
            return is_free(connection, HOST, self._seconds)

    def _unfit(self) -> str:
        """Why another server process, on another host perhaps, should try with a worker of its own; "": no reason."""
        if self.worker.vain >= MAX_VAIN and not self.worker.alive:
            return self.worker.problem
        unled = time.monotonic() - self._unled if self._unled else 0.0
        return "its worker does not lead; the log says why" if min(unled, self.worker.lived) > UNLED_SECONDS else ""

    def _stand_aside(self, why: str) -> None:
        _LOG.warning("%s; for %.0f s another server process may try", why, ASIDE_SECONDS)
        self.worker.end(time.monotonic() + SERVER_STOP_SECONDS)
        self.worker.forgive()
        self._give_back()
        self._aside, self._next = why, time.monotonic() + ASIDE_SECONDS
        self._become("standing by", why)

    def _give_back(self) -> None:
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            with short_transaction(self._engine, self._seconds) as connection:
                release(connection, lease)
        except (SQLAlchemyError, SextonError, OSError) as error:
            _LOG.warning("the lease could not be given back; it ends by itself: %s", in_words(error))

    def _trouble(self, error: Exception) -> str:
        """The words for strangers: the error itself names host and database, and is for the log, once in a row."""
        if self._said != (words := in_words(error)):
            self._said = words
            _LOG.warning("the worker's lease: %s", words)
        if isinstance(error, SchemaUntrusted):
            return "the tables of this database belong to others; run: sexton check"
        if isinstance(error, SchemaOutdated):
            return "the tables of this database are not those of this version; run: sexton migrate"
        return "the database cannot be asked"

    def _become(self, role: str, problem: str = "") -> None:
        since = self._report.since if self._report.role == role else datetime.now(UTC)
        self._report = HostReport(role, since, problem)
