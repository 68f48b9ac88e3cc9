"""Child processes of tests and demos: a free port, an unprivileged account, and a janitor that outlives us.

A server that we start must not survive us, whatever ends us. `atexit` covers an ordinary end only, and Linux'
parent-death signal belongs to the thread that started the child: it fires when that thread ends, too.
The janitor is a small shell that holds the reading end of a pipe. When the last holder of the writing end is
gone (we ended, or were killed with -9) it ends the server and removes its folders, on Linux and macOS alike.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000

# The arguments are the folders to remove. Each line of input names the process group to end (empty: none).
_JANITOR = """
trap '' HUP INT TERM
group=
while read -r line; do group=$line; done
if [ -n "$group" ] && kill -QUIT "-$group"; then
  tries=0
  while kill -0 "-$group" && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
  kill -KILL "-$group"
fi
rm -rf -- "$@"
"""


@dataclass(frozen=True)
class Account:
    """A user that child processes run as. PostgreSQL refuses to run as root."""

    user: int
    group: int


def unprivileged_account() -> Account | None:
    """The account of `nobody` when we are root, else None: children run as ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now.

    Taken from below the range that systems hand to outgoing connections, so that a passing client cannot sit
    on it; another server still can, so whoever binds it must be ready to ask for another one.
    """
    while True:
        port = LOWEST_PORT + randbelow(HIGHEST_PORT - LOWEST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.01) -> bool:
    """Ask `condition` every `pause` seconds until it holds (True) or `seconds` have passed (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def spawn(
    command: Sequence[str],
    folder: Path,
    log: Path,
    environment: dict[str, str],
    account: Account | None,
) -> subprocess.Popen[bytes]:
    """Start `command` in `folder` as a session and process group of its own; output is added to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )


class Janitor:
    """Ends a process group and removes folders when this Python process is gone, or when dismissed.

    A fork that keeps our descriptors open (`os.fork` without exec) delays it until that fork ends too.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _JANITOR, "janitor", *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            start_new_session=True,
        )

    def watch(self, group: int | None) -> None:
        """From now on end this process group (None: nothing) when we are gone."""
        assert self._shell.stdin is not None
        try:
            self._shell.stdin.write(b"\n" if group is None else b"%d\n" % group)
        except BrokenPipeError:
            return  # somebody ended the janitor; `atexit` and `dismiss` still do its work

    def dismiss(self) -> None:
        """Do the work now: end what is watched, remove the folders, end the janitor. Only once."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
