"""The tests' own engine: a folder in which each message is a file. Four verbs, and nothing is remembered.

A worker renames a file to take it, and forks a child for each, as Celery's pool and RQ do.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Semaphore
from typing import Any, ClassVar, NoReturn
from uuid import uuid4

from sqlalchemy import Connection

from sexton import setting
from sexton.app import App
from sexton.engines import consumer
from sexton.engines.carrier import EngineHealth, EngineMessage, EngineUnreachable, MessageKind
from sexton.runs.stop_signals import Stop

NAME = "files"
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class FileOptions:
    """`[engines.files]`. beside: whether runs go to executors, as for engines whose process is shared."""

    folder: str = setting("queue", "where messages lie")
    beside: bool = setting(False, "runs are given to executors")


class FileEngine:
    """See above."""

    Options: ClassVar[type[Any]] = FileOptions
    transactional: ClassVar[bool] = False

    def __init__(self, app: App, options: FileOptions) -> None:
        self._app = app
        self._folder = Path(options.folder)
        self._beside = options.beside

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """A file with a name that sorts by time, high ones first; written as a whole or not at all."""
        name = f"{0 if message.high else 1}-{datetime.now(UTC):%Y%m%d%H%M%S%f}-{uuid4().hex}"
        try:
            unfinished = self._folder / f".{name}"
            unfinished.write_text(message.to_json())
            unfinished.rename(self._folder / f"{name}.json")
        except OSError as error:
            raise EngineUnreachable(f"engine {NAME}: {error.strerror}") from error

    def cancel(self, kind: MessageKind, ids: Sequence[int]) -> None:
        """Remove the files of these."""
        for file in self._messages():
            with suppress(OSError):
                message = EngineMessage.from_json(file.read_text())
                if message.kind is kind and set(message.ids) <= set(ids):
                    file.unlink()

    def worker(self, concurrency: int, stop: Stop) -> int:
        """Take file after file; a child for each, or an executor."""
        if self._beside:
            return self._threads(concurrency, stop)
        children: set[int] = set()
        while not stop.wait(POLL_SECONDS):
            children = {child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0}
            while len(children) < concurrency and (text := self._take()) is not None:
                children.add(self._child(text))
        for child in children:
            os.kill(child, signal.SIGTERM)
        for child in children:
            os.waitpid(child, 0)
        return 0

    def _threads(self, concurrency: int, stop: Stop) -> int:
        """Threads of one process, as Procrastinate has them."""
        with ThreadPoolExecutor(concurrency) as pool:
            free = Semaphore(concurrency)
            while not stop.wait(POLL_SECONDS):
                while free.acquire(blocking=False):
                    if (text := self._take()) is None:
                        free.release()
                        break
                    done = pool.submit(consumer.consume, self._app, text, own_process=False, engine=NAME)
                    done.add_done_callback(lambda _: free.release())
            consumer.stop().ask(stop.reason)
        consumer.leave()
        return 0

    def _take(self) -> str | None:
        for file in self._messages():
            taken = file.with_suffix(".taken")
            with suppress(OSError):
                file.rename(taken)
                text = taken.read_text()
                taken.unlink()
                return text
        return None

    def _child(self, text: str) -> int:
        child = os.fork()
        if child == 0:
            self._live(text)
        return child

    def _live(self, text: str) -> NoReturn:
        code = 1
        try:
            consumer.forget_connections()
            consumer.consume(consumer.app(), text, own_process=True, engine=NAME)
            consumer.leave()
            code = 0
        finally:
            os._exit(code)

    def health(self) -> EngineHealth:
        """Reachable while the folder is there."""
        if not self._folder.is_dir():
            return EngineHealth(reachable=False, trouble="its folder is not there")
        return EngineHealth(reachable=True, waiting=len(self._messages()))

    def _messages(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self._folder.glob("*.json"))
        return []

    def close(self) -> None:
        """It holds nothing."""
