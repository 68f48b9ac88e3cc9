"""A warm process that forks children for tests: all modules are loaded already, so a child costs 10 ms, not a second.

`python -m tests.support.nursery FD` serves requests of `workers.Nursery` on a socket until that is closed, then
kills what still runs. A child is a process like any other: it has its own connections, it can be killed and frozen.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import socket
import struct
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

HEADER = struct.Struct("!Q")
PRELOADED = (
    *("pytest", "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"),
    *("sexton.cli.run", "sexton.slots.due", "sexton.runs.batches", "sexton.runs.left_over", "sexton.runs.preflight"),
    *("sexton.statements.postgresql_purge", "sexton.statements.sqlite_batch", "tests.support.children"),
)
"""What children need, loaded before they are born."""

STARTED, ENDED, STOPPED, RUNNING = "started", "ended", "stopped", "running"


def receive(channel: socket.socket) -> tuple[Any, list[int]] | None:
    """One message and the descriptors that came with it; None when the other side is gone."""
    header, descriptors, _, _ = socket.recv_fds(channel, HEADER.size, 3)
    while len(header) < HEADER.size:
        chunk = channel.recv(HEADER.size - len(header))
        if not chunk:
            return None
        header += chunk
    body = b""
    while len(body) < HEADER.unpack(header)[0]:
        body += channel.recv(HEADER.unpack(header)[0] - len(body))
    return pickle.loads(body), descriptors


def send(channel: socket.socket, message: Any, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message."""
    body = pickle.dumps(message)
    socket.send_fds(channel, [HEADER.pack(len(body))], descriptors)
    channel.sendall(body)


def serve(channel: socket.socket) -> None:
    """Fork and look as asked, until the channel is closed."""
    children: set[int] = set()
    while received := receive(channel):
        (wish, argument), descriptors = received
        if wish == "start":
            child = os.fork()
            if child == 0:
                channel.close()
                _live(descriptors, argument)
            for descriptor in descriptors:
                os.close(descriptor)
            children.add(child)
            send(channel, (STARTED, child))
        else:
            child, stops = argument
            answer = _look(child, stops)
            if answer[0] == ENDED:
                children.discard(child)
            send(channel, answer)
    for child in children:
        os.kill(child, signal.SIGKILL)


def _look(child: int, stops: bool) -> tuple[str, int]:
    """How a child has ended, or that it was stopped by a signal, or that it runs."""
    found, status = os.waitpid(child, os.WNOHANG | (os.WUNTRACED if stops else 0))
    if found and os.WIFSTOPPED(status):
        return STOPPED, os.WSTOPSIG(status)
    if found:
        return ENDED, os.waitstatus_to_exitcode(status)
    return RUNNING, 0


def _live(descriptors: list[int], payload: bytes) -> NoReturn:
    """The whole life of a child: wait for the gate, call the function, end with what it returns."""
    code = 1
    try:
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        random.seed()
        function, arguments, options = pickle.loads(payload)
        os.read(0, 1)  # the gate: nothing comes through, it closes
        code = function(*arguments, **options) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for name in PRELOADED:
        import_module(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
