"""What a proxy can do to a statement: pass, cut, cut after the answer, freeze, mute."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

Condition = Callable[["Statement"], bool]
Run = Callable[["Statement"], object]


class Fate(Enum):
    """What becomes of a statement."""

    PASS = "pass"
    CUT = "cut"
    CUT_AFTER = "cut after"
    FREEZE = "freeze"
    MUTE = "mute"


@dataclass(frozen=True)
class Statement:
    """One execution seen by the proxy. `number` counts from 1 over all connections, `connection` too."""

    number: int
    connection: int
    text: str


@dataclass(frozen=True)
class Action:
    """A fate, and something to run: before forwarding, but for CUT_AFTER once the server has answered."""

    fate: Fate
    run: Run | None = None

    def call(self, statement: Statement) -> None:
        """Run what is to be run."""
        if self.run:
            self.run(statement)


PASS = Action(Fate.PASS)
"""Forward it."""
CUT = Action(Fate.CUT)
"""Close both sides; the server never sees the statement."""
CUT_AFTER = Action(Fate.CUT_AFTER)
"""Let the server execute it, swallow the answer, close both sides."""
FREEZE = Action(Fate.FREEZE)
"""Forward nothing in either direction, on any connection, from this statement on until `thaw()`."""
MUTE = Action(Fate.MUTE)
"""Forward to the server, hold back its answers on this connection until `unmute()`."""


def call(run: Run) -> Action:
    """Call `run(statement)`, then forward the statement."""
    return Action(Fate.PASS, run)


def cut(run: Run) -> Action:
    """Call `run(statement)`, then CUT."""
    return Action(Fate.CUT, run)


def cut_after(run: Run) -> Action:
    """As CUT_AFTER, calling `run(statement)` between the answer and the cut."""
    return Action(Fate.CUT_AFTER, run)


def kill(process: int, number: signal.Signals = signal.SIGKILL) -> Run:
    """Something to run that sends a signal to a process."""
    return lambda statement: os.kill(process, number)
