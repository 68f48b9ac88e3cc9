"""The process around a function of the product: given back as it was found, as the next job runs in it as well.

Put back are what jobs share without knowing it: standard streams and their descriptors, working folder, umask, signal
handlers, the default timeout of sockets, soft limits of resources. Environment and imported modules are the product's.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO, cast

STANDARD_STREAMS = ("stdin", "stdout", "stderr")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGURG, signal.SIGCHLD, signal.SIGPIPE)

LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK")
"""Names of `resource.RLIMIT_…`; a hard limit that was lowered stays, as it may not be raised."""


@contextmanager
def given_back() -> Iterator[None]:
    """After the block the process is as it was before. A fork of it that comes out of the block ends there.

    In another thread than the main one nothing is put back: the process is shared with whatever runs beside us.
    """
    ours = os.getpid()
    with ExitStack() as after:
        if threading.current_thread() is threading.main_thread():
            for keep in (_keep_limits, _keep_handlers, _keep_sockets, _keep_files, _keep_streams):
                keep(after)
        after.callback(_end_fork, ours)
        yield


@contextmanager
def in_this_process() -> Iterator[None]:
    """A process that is forked inside the block, and comes out of it, ends there: the run and its session are ours."""
    ours = os.getpid()
    try:
        yield
    finally:
        _end_fork(ours)


def _end_fork(ours: int) -> None:
    """End a child that the function forked and forgot: two must not close one run, or serve one worker."""
    if os.getpid() == ours:
        return
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _keep_limits(after: ExitStack) -> None:
    def put_back(limit: int, soft: int) -> None:
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))

    for limit in (getattr(resource, f"RLIMIT_{name}", None) for name in LIMITS):
        if limit is not None:
            after.callback(put_back, limit, resource.getrlimit(limit)[0])


def _keep_handlers(after: ExitStack) -> None:
    for one in SIGNALS:
        handler = signal.getsignal(one)
        if handler is not None:  # else it is not Python's, and cannot be put back
            after.callback(signal.signal, one, handler)


def _keep_sockets(after: ExitStack) -> None:
    after.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())


def _keep_files(after: ExitStack) -> None:
    """Folder and umask. The folder by a descriptor, as it may be renamed, or be out of reach by its name."""

    def put_back(folder: int) -> None:
        with suppress(OSError):
            os.fchdir(folder)
            os.close(folder)

    with suppress(OSError):
        after.callback(put_back, os.open(".", os.O_RDONLY))
    umask = os.umask(0o077)
    os.umask(umask)
    after.callback(os.umask, umask)


def _keep_streams(after: ExitStack) -> None:
    """What is opened meanwhile under the number of a stream that was closed, a connection for instance, must not get
    our lines."""

    def put_back(number: int, copy: int) -> None:
        with suppress(OSError):
            os.dup2(copy, number)
            os.close(copy)

    for number, name in enumerate(STANDARD_STREAMS):
        after.callback(_reopen, name, number, getattr(sys, name))
        with suppress(OSError):
            after.callback(put_back, number, os.dup(number))


def _reopen(name: str, number: int, stream: TextIO | None) -> None:
    """The stream itself, or a new one in place of one that was closed."""
    if stream is not None and stream.closed:
        mode = "r" if name == "stdin" else "w"
        with suppress(OSError):
            again = open(number, mode, encoding=stream.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
            stream = cast(TextIO, again)
    setattr(sys, name, stream)
