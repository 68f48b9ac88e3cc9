"""The engine: hands messages to Celery, and asks how it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from ...db.connect import read_only
from ...db.database_identity import identity
from ...errors import SettingsError, SextonError, causes
from ..carrier import TIMEOUT_MARGIN_SECONDS, EngineHealth, EngineMessage, EngineUnreachable, MessageKind
from .options import CELERY_TASK, NEITHER, CeleryOptions

if TYPE_CHECKING:
    from celery import Celery
    from celery.app.routes import Router
    from sqlalchemy import Connection

    from ...app import App
    from ...doctor.finding import Finding
    from ...runs.stop_signals import Stop
    from .broker import KeptConnection


class CeleryEngine:
    """Celery, with Redis or RabbitMQ. options: of `[engines.celery]`. SettingsError without that table."""

    Options: ClassVar[type[CeleryOptions]] = CeleryOptions
    transactional: ClassVar[bool] = False

    def __init__(self, app: App, options: CeleryOptions) -> None:
        if not options.app and not options.broker:  # nobody checks a table that is not there
            raise SettingsError(f"engines.celery: {NEITHER}")
        self.app = app
        self.options = options

    @cached_property
    def celery(self) -> Celery:
        """The application that carries our messages. SettingsError when there is none."""
        from .application import application_of

        return application_of(self.options, self.app.folder)

    @cached_property
    def _database(self) -> str:
        """The identity of the database of the app."""
        with read_only(self.app.database) as connection:
            return identity(connection)

    @cached_property
    def _router(self) -> Router:
        """To our two queues, whatever `task_routes` of the product says: its keys would lead nowhere from there."""
        from celery.app.routes import Router

        from .application import queue_in

        return Router(queues={name: queue_in(self.celery, name) for name in self.options.queues}, app=self.celery)

    @cached_property
    def _kept(self) -> KeptConnection:
        from .broker import KeptConnection

        return KeptConnection(self.celery)

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """Hand it on, confirmed by RabbitMQ. A connection that was kept may have broken: then once more by a new one.

        EngineUnreachable within some ten seconds, when it was not taken or nobody knows. Nothing is tried twice with a
        broker that is mute: whoever waits for it neither leads nor serves other engines meanwhile.
        """
        kept = self._kept.made
        try:
            self._publish(message)
        except EngineUnreachable as error:
            if not kept or any(isinstance(cause, TimeoutError) for cause in causes(error)):
                raise
            self._publish(message)

    def _publish(self, message: EngineMessage) -> None:
        from .application import BROKER_ANSWER_SECONDS
        from .broker import SUBMITTED, answering

        seconds = message.seconds + TIMEOUT_MARGIN_SECONDS
        with answering(self.celery), self._kept.producer() as producer:
            self.celery.send_task(
                CELERY_TASK,
                (message.to_json(),),
                task_id=self._task_id(message),
                producer=producer,
                router=self._router,
                queue=self.options.high_queue if message.high else self.options.queue,
                exchange=None,  # these three: not what a base class of the product's tasks may have
                routing_key=None,
                expires=None,
                serializer="json",
                ignore_result=True,
                retry=False,
                time_limit=seconds,
                soft_time_limit=seconds,  # else that of the product's settings comes first, in the middle of a run
                headers={SUBMITTED: datetime.now(UTC).isoformat()},
                confirm_timeout=BROKER_ANSWER_SECONDS,
                add_to_parent=False,
            )

    def _task_id(self, message: EngineMessage) -> str:
        """One that `cancel` can name, if it is about one number; Celery itself does not mind one that comes twice."""
        if len(message.ids) == 1:
            return _single(message.database, message.kind, message.ids[0])
        return f"sexton-{message.database}-{message.kind}s-{uuid4().hex}"

    def cancel(self, kind: MessageKind, ids: Sequence[int]) -> None:
        """Have the workers of now forget messages about one of these alone; others, and later ones, find the row."""
        from .broker import answering, fresh_connection

        names = [_single(self._database, kind, one) for one in ids]
        with answering(self.celery), fresh_connection(self.celery) as connection:
            self.celery.control.revoke(names, connection=connection)

    def worker(self, concurrency: int, stop: Stop) -> int:
        """Become a worker of Celery: this process is replaced by it, and hears its signals itself.

        0 when `stop` was asked before; it does not return otherwise.
        """
        from .worker_command import become_worker

        assert self.celery is not None  # the settings are wrong here, and not in a process that nobody looks at
        if not stop.asked:
            become_worker(self.app, self.options, concurrency)
        return 0

    def health(self) -> EngineHealth:
        """Reachable, workers and what waits, in both queues. Workers that became deaf count: see how old the oldest is.

        RabbitMQ does not tell how old a message is.
        """
        from .broker import answering, count, fresh_connection, workers_of

        try:
            with answering(self.celery), fresh_connection(self.celery) as connection:
                counts = count(connection, self.options.queues)
                consumers = [one.consumers for one in counts if one.consumers is not None]
                workers = max(consumers) if consumers else workers_of(self.celery, connection, self.options.queues)
        except SextonError as error:
            return EngineHealth(False, trouble=str(error))
        oldest = min((one.oldest for one in counts if one.oldest is not None), default=None)
        return EngineHealth(True, workers, sum(one.waiting for one in counts), oldest)

    def findings(self) -> Iterator[Finding]:
        """What `sexton doctor` should say about the broker and the application."""
        from .findings import findings

        yield from findings(self.app, self.options, self.celery)

    def close(self) -> None:
        """Give back the connection."""
        if "_kept" in self.__dict__:
            self._kept.close()


def _single(database: str, kind: MessageKind, number: int) -> str:
    return f"sexton-{database}-{kind}-{number}"
