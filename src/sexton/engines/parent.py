"""How a process of ours ends with the one that started it: told by the kernel, or by its standard input's end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import suppress

from ..exit_codes import DONE
from ..runs.stop_signals import Stop

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG

PARENT_ENDED = "the process that started it has ended"


def ask_for_sigterm_at_parents_end() -> None:
    """On Linux a SIGTERM comes when the thread that started this process is gone. Elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def end_with_parent(stop: Stop, seconds: float | None) -> None:
    """Ask `stop` when standard input ends, as it does with the process that holds its other end, however that ended.

    seconds: in which this process then has to end by itself, a hanging import of the product's included; None: any.
    On Linux the kernel tells, too: a child that the parent has forked may hold that other end as well.
    """
    ask_for_sigterm_at_parents_end()

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        stop.ask(PARENT_ENDED)
        if seconds is not None:
            time.sleep(seconds)
            os._exit(DONE)

    threading.Thread(target=watch, name="parent", daemon=True).start()
