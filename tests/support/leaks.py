"""Finds processes that a test run has left behind. Elsewhere than on Linux nothing is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sexton.testing.processes import wait_until

from .patience import PATIENCE

MARK = "SEXTON_TEST_PROCESS"
ALLOWED = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def mark_our_children() -> None:
    """Give what we start a mark in its environment, by which it is known when its parent is gone."""
    os.environ[MARK] = str(os.getpid())


def processes_left() -> list[str]:
    """Command lines of our descendants that still run, after a little patience for those about to end."""
    wait_until(lambda: not _descendants(), PATIENCE, pause=0.05)
    return [f"{process}: {command}" for process, command in _descendants().items()]


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended but that nobody has waited for does not."""
    if sys.platform == "linux":
        return process in _parents()
    command = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def _descendants() -> dict[int, str]:
    """Running processes below us, or below nobody and with our mark."""
    parents = _parents()
    ours = {os.getpid()}
    ours |= {process for process in parents if process not in ours and _has_mark(process)}
    grown = True
    while grown:
        young = {process for process, parent in parents.items() if parent in ours} - ours
        ours |= young
        grown = bool(young)
    commands = {process: _read(process, "cmdline").replace("\0", " ").strip() for process in ours - {os.getpid()}}
    return {process: text for process, text in commands.items() if text and not _allowed(text)}


def _parents() -> dict[int, int]:
    """Process id -> id of its parent, for all that run (a zombie has ended)."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        status = _read(int(folder.name), "stat").rpartition(")")[2].split()
        if status and status[0] != "Z":
            parents[int(folder.name)] = int(status[1])
    return parents


def _has_mark(process: int) -> bool:
    return f"{MARK}={os.getpid()}" in _read(process, "environ").split("\0")


def _allowed(command: str) -> bool:
    return any(part in command for part in ALLOWED)


def _read(process: int, name: str) -> str:
    try:
        return Path(f"/proc/{process}/{name}").read_text(errors="replace")
    except OSError:
        return ""
