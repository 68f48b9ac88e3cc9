"""Our worker of RQ: asked to end, it asks the run in its work-horse to end its batch, where RQ's own waits for the run.

It loads settings and jobs before it forks, so that no work-horse pays for that, and connects to no database.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import DeserializationError
from rq.executions import Execution
from rq.job import Job

from ...errors import SextonError
from ...jobs.duration import parse_duration
from ...runs.stop_signals import Stop
from .. import consumer
from ..carrier import EngineMessage, MessageKind
from ..dead_runs import STOPPED, close_beside, ending_of
from ..registry import engine_of
from .horse import FUNCTION


class HorseWorker(Worker):
    """RQ's worker of one process a message. Messages of the product's own, in the same queues, are as under RQ's."""

    stop: Stop | None = None
    """Asked when a signal asks the worker to end; one that somebody asked before it could is heeded, too."""

    _ours = False
    _limit: threading.Timer | None = None
    _ended: tuple[int | None, int | None] = (None, None)

    def bootstrap(self, *words: Any, **options: Any) -> None:
        """Begin, with everything loaded. SettingsError."""
        app = consumer.app()
        engine: Any = engine_of(app, "rq")
        self._stop_seconds = parse_duration(engine.options.stop_limit).total_seconds()
        assert app.definition  # the fingerprint of the settings, which each run keeps
        super().bootstrap(*words, **options)

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        if self.stop is not None and self.stop.asked:
            self._stop_requested = True

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A signal to end, the first one; a second kills the work-horse, as under RQ's worker."""
        if self.stop is not None:
            self.stop.ask(f"stopped by {signal.Signals(signum).name}")
        super().request_stop(signum, frame)

    def handle_warm_shutdown_request(self) -> None:
        """Pass it on to the run. In a signal handler."""
        super().handle_warm_shutdown_request()
        self._pass_on()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """One message, from its fork to its end."""
        try:
            self._ours = job.func_name == FUNCTION
        except DeserializationError:  # the work-horse will say so
            self._ours = False
        try:
            super().execute_job(job, queue)
        finally:
            self._ours = False
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """The signal may have come while we forked, before we knew the process."""
        super().fork_work_horse(job, queue)
        if self._stop_requested:
            self._pass_on()

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """Wait for its end, and keep how that was."""
        found: tuple[int | None, int | None, Any] = super().wait_for_horse()
        self._ended = found[:2]
        return found

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """A work-horse that has not finished its message has left a run behind, even with exit code 0."""
        self._ended = (None, None)
        super().monitor_work_horse(job, queue, execution)
        process, status = self._ended
        if self._ours and process and status is not None and (status or self._is_left(job)):
            ending = STOPPED if self._limit is not None else ending_of(os.waitstatus_to_exitcode(status))
            with suppress(SextonError):
                message = EngineMessage.from_json(job.args[0])
                if message.kind is MessageKind.RUN:
                    close_beside(consumer.app(), message.ids, process, ending)

    def _is_left(self, job: Job) -> bool:
        """Whether it is still there: RQ deletes what came to its end."""
        with suppress(RedisError):
            return bool(self.connection.exists(job.key))
        return False

    def _pass_on(self) -> None:
        if not self._ours or not self.horse_pid:
            return
        with suppress(ProcessLookupError):
            os.kill(self.horse_pid, signal.SIGTERM)
        if self._limit is None:
            self._limit = threading.Timer(self._stop_seconds, self.kill_horse)
            self._limit.daemon = True
            self._limit.start()

    def setup_work_horse_signals(self) -> None:
        """In the work-horse: a SIGTERM is for the run, also before there is one, and after it."""
        super().setup_work_horse_signals()
        if self._ours:
            asked = consumer.stop()
            signal.signal(signal.SIGTERM, lambda number, frame: asked.ask("stopped by SIGTERM"))


class OwnMessage(Job):
    """A message in a queue of ours: whoever else may write to Redis must not choose what runs here."""

    def perform(self) -> Any:
        """Take it. SextonError for a call of anything else."""
        if self.func_name != FUNCTION:
            raise SextonError(f"{self.id} is no message of Sexton's")
        return super().perform()


class OwnSerializer:
    """RQ's form, read without making anything but texts, numbers and lists of them."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        """As RQ's own does, so that its own workers read it."""
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def loads(written: bytes) -> Any:
        """UnpicklingError for what names a class or a function."""
        return _PlainUnpickler(io.BytesIO(written)).load()


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a message of Sexton's names no {module}.{name}")
