"""Functions that leave their process in another state than they found it in, and one that looks whether that shows."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sexton import Counts, Job, Run

CHILDREN = ".children"
"""What the name of a file of process numbers ends with, beside the database."""


def hang_up(run: Run) -> None:
    """Closes all files, as daemons do: also the line to the worker, and the database."""
    os.closerange(0, 256)


def leave_a_child(run: Run) -> NoReturn:
    """Dies while children of its live on, which have inherited what they could; `end_children` ends them."""
    with run.transaction() as connection:
        numbers = f"{connection.engine.url.database}{CHILDREN}"
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    os.system(f"sleep 600 & echo {child} $! >{numbers}")
    os._exit(7)


def end_children(database: str) -> None:
    """What `leave_a_child` left; database: path of the file."""
    for number in Path(f"{database}{CHILDREN}").read_text().split():
        os.kill(int(number), signal.SIGKILL)


def fork_twice(run: Run) -> Counts:
    """Two children go on where they should have ended: one returns, one exits as scripts do."""
    endings: tuple[Callable[[], object], ...] = (lambda: None, sys.exit)
    for ending in endings:
        child = os.fork()
        if child == 0:
            ending()
            return Counts(changed=99)
        os.waitpid(child, 0)
    return Counts(changed=1)


def change(run: Run) -> Counts:
    """Changes whatever a process has."""
    os.chdir("/")
    os.umask(0o777)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    socket.setdefaulttimeout(0.000_001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    sys.stdout.close()
    os.close(2)
    return Counts(changed=1)


def look(run: Run) -> None:
    """Whether what its process should have is there."""
    umask = os.umask(0o022)
    os.umask(umask)
    found = {
        "folder": os.getcwd() == "/",
        "umask": umask == 0o777,
        "signals": signal.getsignal(signal.SIGTERM) is signal.SIG_IGN,
        "sockets": socket.getdefaulttimeout() is not None,
        "files": resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 0,
        "output": sys.stdout.closed or not os.fstat(2),
    }
    assert not any(found.values()), found


jobs = [
    Job("care.hang_up", work=hang_up, timeout="1m", priority=5),
    Job("care.leave_a_child", work=leave_a_child, timeout="1m", priority=4),
    Job("care.fork_twice", work=fork_twice, timeout="1m", priority=3),
    Job("care.change", work=change, timeout="1m", priority=2),
    Job("care.look", work=look, timeout="1m", priority=1),
]
job_hang_up, job_leave_a_child, job_fork_twice, job_change, job_look = jobs
