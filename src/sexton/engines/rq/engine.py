"""The engine: hands messages to RQ, and asks its Redis how it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from math import ceil
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ClassVar

from ...db.connect import read_only
from ...db.database_identity import identity
from ...errors import SextonError
from ..carrier import TIMEOUT_MARGIN_SECONDS, EngineHealth, EngineMessage, MessageKind
from .horse import FUNCTION
from .options import RqOptions

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue
    from sqlalchemy import Connection

    from ...app import App
    from ...doctor.finding import Finding
    from ...runs.stop_signals import Stop

ABOUT_RQ = "rq"

FAILED_FOR_SECONDS = 300
"""Seconds that RQ keeps a message whose work-horse ended in the middle, for `rq info`; what became of the run is in
its row."""

SAME_MESSAGE = 20
"""Messages about one run that may be there at once, by numbered names; those beyond have a name that nobody guesses."""


class RqEngine:
    """RQ, with Redis or Valkey. options: of `[engines.rq]`."""

    Options: ClassVar[type[RqOptions]] = RqOptions
    transactional: ClassVar[bool] = False

    def __init__(self, app: App, options: RqOptions) -> None:
        """SettingsError where there is no address, or RQ is not installed. Nothing is connected."""
        from . import redis_client

        self.app = app
        self.options = options
        self.address = options.address()
        self._answering = redis_client.answering

    @cached_property
    def _redis(self) -> Redis:
        from .redis_client import client

        return client(self.address)

    @cached_property
    def _database(self) -> str:
        """The identity of the database of the app."""
        with read_only(self.app.database) as connection:
            return identity(connection)

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """Hand it on, in one step of Redis. EngineUnreachable within some seconds."""
        from rq.exceptions import DuplicateJobError

        queue = self._queue(self.options.high_queue if message.high else self.options.queue)
        stem = _stem(message)
        with self._answering():
            for name in [*_names(stem), f"{stem}-{token_hex(8)}"]:
                try:
                    self._enqueue(queue, name, message)
                except DuplicateJobError:
                    continue
                return

    def _enqueue(self, queue: Queue, name: str, message: EngineMessage) -> None:
        queue.enqueue_call(
            FUNCTION,
            args=(message.to_json(),),
            job_id=name,
            unique=True,
            timeout=ceil(message.seconds + TIMEOUT_MARGIN_SECONDS),
            result_ttl=0,
            failure_ttl=FAILED_FOR_SECONDS,
            description=f"sexton: {message.kind} {', '.join(map(str, message.ids))}",
        )

    def cancel(self, kind: MessageKind, ids: Sequence[int]) -> None:
        """Take messages about one of these alone from their queue; the work-horse of one that is under way is killed.

        A message about several stays: the rows that are cancelled are passed over.
        """
        from rq.job import Job

        stems = [_one(self._database, kind, number) for number in ids]
        with self._answering():
            for job in Job.fetch_many([name for stem in stems for name in _names(stem)], connection=self._redis):
                if job is not None:
                    self._forget(job)

    def _forget(self, job: Any) -> None:
        from rq.command import send_stop_job_command
        from rq.exceptions import InvalidJobOperation, NoSuchJobError
        from rq.job import JobStatus

        try:
            if job.get_status() == JobStatus.STARTED:
                send_stop_job_command(self._redis, job.id)
            else:
                job.delete()  # from its queue too
        except (InvalidJobOperation, NoSuchJobError):
            return  # it has just ended

    def worker(self, concurrency: int, stop: Stop) -> int:
        """Be so many workers of RQ for our two queues, until `stop` is asked; 0."""
        from .crew import work

        return work(self.address, self.options, concurrency, stop)

    def health(self) -> EngineHealth:
        """Reachable, workers and what waits, in both queues, and what would hurt in Redis."""
        from ..redis_findings import redis_findings

        try:
            with self._answering():
                queues = [self._queue(name) for name in self.options.queues]
                waiting = sum(queue.count for queue in queues)
                oldest = min(filter(None, map(self._oldest, queues)), default=None)
                workers = self._workers()
                trouble = next((finding.text for finding in redis_findings(ABOUT_RQ, self._known())), "")
        except SextonError as error:
            return EngineHealth(False, trouble=str(error))
        return EngineHealth(True, workers, waiting, oldest, trouble)

    def _known(self) -> dict[str, Any]:
        """What its Redis says about itself."""
        known: dict[str, Any] = {}
        for section in ("persistence", "memory"):
            known |= self._redis.info(section)
        return known

    def _oldest(self, queue: Queue) -> datetime | None:
        """When the next message to be taken was handed on."""
        for job in queue.get_jobs(0, 1):
            since: datetime | None = job.enqueued_at
            if since is not None:
                return since if since.tzinfo else since.replace(tzinfo=UTC)
        return None

    def _workers(self) -> int:
        """Those that listen to one of our queues and gave a sign of life; RQ keeps the names of dead ones for long."""
        from rq.worker_registration import get_keys

        keys = sorted(set().union(*(get_keys(self._queue(name)) for name in self.options.queues)))
        return int(self._redis.exists(*keys)) if keys else 0

    def _queue(self, name: str) -> Queue:
        from rq import Queue

        return Queue(name, connection=self._redis)

    def findings(self) -> Iterator[Finding]:
        """What `sexton doctor` should say about Redis."""
        from ...doctor.finding import Finding
        from ..redis_findings import redis_findings

        try:
            with self._answering():
                yield from redis_findings(ABOUT_RQ, self._known())
        except SextonError as error:
            yield Finding("wrong", ABOUT_RQ, str(error))

    def close(self) -> None:
        """Give back the connection."""
        if "_redis" in self.__dict__:
            self._redis.close()


def _stem(message: EngineMessage) -> str:
    """Of the names of its messages; a message about several numbers has one that `cancel` never looks for."""
    if len(message.ids) == 1:
        return _one(message.database, message.kind, message.ids[0])
    return f"sexton-{message.database}-{message.kind}s-{message.ids[0]}-{len(message.ids)}"


def _one(database: str, kind: MessageKind, number: int) -> str:
    return f"sexton-{database}-{kind}-{number}"


def _names(stem: str) -> list[str]:
    """A run is submitted again while an earlier message about it may still be there, so each has a number."""
    return [f"{stem}-{number}" for number in range(1, SAME_MESSAGE + 1)]
