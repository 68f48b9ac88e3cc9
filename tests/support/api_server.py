"""API servers for tests: a FastAPI application with Sexton inside, under uvicorn, in processes of their own.

    with api_server(folder, "--workers", "2") as server:
        server.wait_for(lambda parts: "leading" in parts)

The listening socket is ours and is handed over, so that no port can be taken by somebody else meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from sexton.testing.processes import wait_until

from .patience import PATIENCE

ROOT = Path(__file__).parents[2]

API = '''"""A product's API."""
import os

from fastapi import FastAPI, Request

from sexton.asgi import health, lifespan

app = FastAPI(lifespan=lifespan("sexton.toml"))
app.add_route("/health/sexton", health)


@app.get("/part")
def part(request: Request):
    """Which process answers, and its part."""
    return {"pid": os.getpid(), **request.app.state.sexton.health()}
'''

Parts = dict[int, dict[str, Any]]
"""Process id of each server process that has answered -> what it said last."""


class ApiServer:
    """A running one. parts: see `Parts`; with several processes, it takes some requests to hear of each."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.parts: Parts = {}
        self._log = log

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a page. OSError, HTTPException: nobody answered."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"connection": "close"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def look(self) -> Parts:
        """Ask once more."""
        with suppress(OSError, HTTPException):
            status, said = self.get("/part")
            if status == 200:
                self.parts[said["pid"]] = said
        return self.parts

    def wait_for(self, condition: Callable[[Parts], bool]) -> Parts:
        """Ask until it holds."""
        assert wait_until(lambda: condition(self.look()), PATIENCE, pause=0.02), f"{self.parts}\n{self.log}"
        return self.parts

    def wait_for_role(self, role: str, *, unlike: int = 0) -> int:
        """The process that plays this role, once one does. unlike: not this one."""

        def found() -> list[int]:
            return [pid for pid, part in self.parts.items() if part["role"] == role and pid != unlike]

        self.wait_for(lambda parts: bool(found()))
        return found()[0]

    @property
    def log(self) -> str:
        """What it and its worker have printed."""
        return self._log.read_text(errors="replace")

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of its workers about this, so far."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def wait_for_event(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait until its workers have said this so many times."""
        assert wait_until(lambda: len(self.events(event)) >= times, PATIENCE, pause=0.02), self.log
        return self.events(event)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started."""
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE)


@contextmanager
def api_server(folder: Path, *words: str, code: str = API, **environment: str) -> Iterator[ApiServer]:
    """`uvicorn api:app` in a folder with a settings file. words: of its command line.  code: of the application."""
    (folder / "api.py").write_text(code)
    number, name = tempfile.mkstemp(prefix="server-", suffix=".log", dir=folder)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **environment}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "api:app", "--fd", str(listening.fileno()), *words]
        with os.fdopen(number, "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        try:
            yield ApiServer(process, listening.getsockname()[1], Path(name))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def worker_of(server: ApiServer, times: int = 1) -> int:
    """The process of the worker that was started as the nth."""
    return int(server.wait_for_event("worker started", times)[times - 1]["worker"].split(":")[1])
