"""How a channel delivers that takes one message at a time: in turn, within its time, with an outcome for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from ..call_outcomes import Again, CallOutcome, Done
from .contract import ChannelError, OutgoingMessage, as_outcome

Take = Callable[[OutgoingMessage, float], object]
"""Takes a message to its recipient within so many seconds. Raises ChannelError."""


def one_by_one(messages: Sequence[OutgoingMessage], seconds: float, take: Take) -> Iterator[CallOutcome]:
    """An outcome for each message, in order. seconds: for all of them; who is left over has lost no attempt."""
    ends = time.monotonic() + seconds
    for message in messages:
        left = ends - time.monotonic()
        if left <= 0:
            yield Again("no time was left", counts=False)
            continue
        try:
            take(message, left)
        except ChannelError as error:
            yield as_outcome(error)
        else:
            yield Done()
