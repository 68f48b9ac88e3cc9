"""A hard end for calls to others: limits on single reads never fire when a server sends a byte now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class TooLate(Exception):
    """The call did not end in time."""


def within(seconds: float, call: Callable[[], T], give_up: Callable[[], None]) -> T:
    """What `call()` returns or raises; TooLate when it takes longer.

    It runs in a thread of its own. When time is up, `give_up()` has to close what it waits for; the thread then
    ends by itself, and its result is dropped."""
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:  # handed to the caller, whatever it is
            results.put((None, error))

    threading.Thread(target=work, name="sexton-channel", daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except Empty:
        give_up()
        raise TooLate from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
