"""A server program of a test's own: a folder and free ports of 127.0.0.1, a process group, and its sure end.

The words are those of `sexton.testing.postgres.Server`: boot, shut_down, restart, stop.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from sexton.testing.processes import Janitor, free_port, spawn, wait_until

from .leaks import MARK
from .patience import PATIENCE

PORT_ATTEMPTS = 5
LAST_LINES = 10
LISTEN = "0A"
"""The state of a socket, in the words of /proc."""


class PrivateServer(ABC):
    """A server that keeps its data in `folder` until `stop()`; it ends when this process ends, however that ends.

    `ports` are by purpose, and the same ever after the first boot.
    """

    kind: ClassVar[str]
    purposes: ClassVar[tuple[str, ...]] = ("clients",)

    def __init__(self, under: Path | None = None) -> None:
        """under: where its folder is made, by default the temporary folder of the system. It is down at first."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"sexton-{self.kind}-", dir=under))
        self.ports: dict[str, int] = {}
        self._janitor = Janitor(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._stopped = False
        atexit.register(self.stop)

    @property
    def port(self) -> int:
        """That clients connect to."""
        return self.ports["clients"]

    @property
    def log(self) -> Path:
        """The file with what the server printed."""
        return self.folder / "server.log"

    @property
    def data(self) -> Path:
        """The folder of its data, which `restart(wiped=True)` empties."""
        return self.folder / "data"

    @property
    def pid(self) -> int | None:
        """Process id, also that of its process group; None while it is down."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def boot(self) -> None:
        """Start it and wait until it answers clients; nothing when it is up. RuntimeError when it does not start."""
        if self.pid is not None:
            return
        attempts = 1 if self.ports else PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            self.ports = self.ports or {purpose: free_port() for purpose in self.purposes}
            if self._try_to_boot():
                return
            taken = any(map(listens, self.ports.values()))  # by another process, since we looked
            if attempt == attempts or not taken:
                raise RuntimeError(f"{self.kind} did not start: {self._last_words()}")
            self.ports = {}

    def shut_down(self, *, crash: bool = False) -> None:
        """End it, keep its data. crash: by SIGKILL, else as an administrator would."""
        process = self._process
        if process is None:
            return
        if not crash:
            self._signal(signal.SIGCONT)  # a test may have frozen it
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        self._signal(signal.SIGKILL)  # also what it has started itself
        process.wait()
        assert wait_until(lambda: not any(map(listens, self.ports.values())), PATIENCE)
        self._process = None
        self._janitor.watch(None)

    def restart(self, *, crash: bool = False, wiped: bool = False) -> None:
        """Shut down and boot on the same ports; open connections break. wiped: nothing of its data is left."""
        self.shut_down(crash=crash)
        if wiped:
            self.wipe()
        self.boot()

    def wipe(self) -> None:
        """Remove its data while it is down."""
        assert self.pid is None, "shut it down first"
        shutil.rmtree(self.data)

    def stop(self) -> None:
        """End it and remove its folder. Does nothing when called again, or in a fork of the owner."""
        if os.getpid() != self._owner or self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self.shut_down(crash=True)
        self._janitor.dismiss()

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> list[str]:
        """What starts it in the foreground, on `ports`, with its data in `data`."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it takes clients."""

    def _environment(self) -> dict[str, str]:
        """All of its environment."""
        kept = {name: os.environ[name] for name in ("PATH", MARK) if name in os.environ}
        return {**kept, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _try_to_boot(self) -> bool:
        self.data.mkdir(exist_ok=True)
        self._process = process = spawn(self._command(), self.folder, self.log, self._environment(), None)
        self._janitor.watch(process.pid)
        wait_until(lambda: process.poll() is not None or self._answers(), PATIENCE)
        if process.poll() is None and self._answers():
            return True
        self._signal(signal.SIGKILL)
        process.wait()
        self._process = None
        self._janitor.watch(None)
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):  # macOS denies signals to a group of zombies
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]) or "it said nothing"


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listening(ports: Collection[int]) -> set[tuple[str, int]]:
    """(address, port) on which somebody of this machine listens on one of these ports; of Linux, else empty."""
    found = set()
    for file, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        lines = Path("/proc/net", file).read_text().splitlines()[1:] if sys.platform == "linux" else []
        for _, local, _, state, *_ in map(str.split, lines):
            address, port = local.split(":")
            words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
            if state == LISTEN and int(port, 16) in ports:
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


def ask(port: int, question: bytes) -> bytes:
    """The first bytes that a server of 127.0.0.1 answers; b"" when it does not."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(question)
            return connection.recv(4096)
    except OSError:
        return b""
