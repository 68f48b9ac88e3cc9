"""The `celery` command as users start it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sexton.testing.processes import spawn, wait_until
from tests.support.patience import PATIENCE
from tests.support.workers import ROOT


class Program:
    """One process. Its output is in a file."""

    def __init__(self, folder: Path, name: str, words: list[str], variables: Mapping[str, str]) -> None:
        self.log = folder / f"{name}.log"
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        environment = {**os.environ, "C_FORCE_ROOT": "1", "PYTHONPATH": paths, **variables}
        command = [sys.executable, "-m", "celery", *words]
        self._process: subprocess.Popen[bytes] = spawn(command, folder, self.log, environment, None)

    @property
    def pid(self) -> int:
        """Of the main process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has said."""
        return self.log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for(self, said: str | Callable[[str], bool]) -> None:
        """Wait until it has said this."""
        heard = said if callable(said) else lambda output: said in output
        assert wait_until(lambda: heard(self.output) or not self.runs, PATIENCE, pause=0.05), self.output[-4000:]
        assert heard(self.output), self.output[-4000:]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait; the exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


Programs = Callable[..., Program]


@contextmanager
def programs(folder: Path) -> Iterator[Programs]:
    """`start("worker", "-A", "shop", SHOP_BROKER=url)`: ended after the block."""
    started: list[Program] = []

    def start(*words: str, name: str = "", **variables: str) -> Program:
        started.append(Program(folder, name or f"celery-{len(started)}", [*words], variables))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            program.close()
