"""A process that ends with the one that started it, however that ends."""

from __future__ import annotations

import ctypes
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """From now on this process gets the signal when the thread that started it is gone. On Linux; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, number)
