"""Executors of a process that an engine's worker shares with others: kept warm, one for each run at once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from ..app import App
from ..runs.outcome import Outcome
from ..runs.stop_signals import Stop
from ..slots.due_run import DueRun
from .executor.process import Executor
from .executor.separate_process import SeparateProcess


class WarmExecutors:
    """As many as there were runs at once; whoever calls limits those. Any thread may call."""

    def __init__(self, app: App, stop: Stop) -> None:
        self._app = app
        self._stop = stop
        self._idle: list[SeparateProcess] = []
        self._all: list[SeparateProcess] = []
        self._lock = threading.Lock()

    def run(self, due: DueRun) -> tuple[Outcome, bool]:
        """Execute it in one of them. Also: whether the executor has told the end in the log."""
        beside = self._take()
        try:
            return beside.run(due, quiet=False)
        finally:
            with self._lock:
                self._idle.append(beside)

    def ask_to_end(self, numbers: Collection[int]) -> None:
        """Those of them that run here end their batch."""
        with self._lock:
            for beside in self._all:
                if beside.number in numbers:
                    beside.ask_to_end()

    def take(self, ids: Sequence[int], engine: str) -> bool:
        """Let one of them take those of these requests that are free; False when no process could be had."""
        beside = self._take()
        try:
            return beside.take(ids, engine)
        finally:
            with self._lock:
                self._idle.append(beside)

    def _take(self) -> SeparateProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            # Its settings are those of the environment, as ours are: an engine starts its workers by that.
            made = SeparateProcess(self._app, Executor(None, None, self._app.settings.jobs), self._stop)
            self._all.append(made)
            return made

    def close(self) -> None:
        """End them all."""
        with self._lock:
            for beside in self._all:
                beside.close()
            self._all.clear()
            self._idle.clear()
