"""How long to wait before a failed run is tried again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from ..errors import ScheduleError
from .duration import parse_duration


@dataclass(frozen=True, slots=True)
class Backoff:
    """One delay for each retry, in order; after the last one, no more retries. No delays: no retries."""

    delays: tuple[timedelta, ...]

    def delay(self, attempt: int) -> timedelta | None:
        """The wait after attempt `attempt` (the first is 1) has failed; None when retries are used up."""
        if attempt < 1:
            raise ValueError(f"attempt {attempt}: attempts count from 1")
        return self.delays[attempt - 1] if attempt <= len(self.delays) else None


def parse_backoff(texts: Iterable[str], *, where: str = "retry") -> Backoff:
    """Read ["1h", "6h", "24h"]. `where` names the setting in the message. Raises ScheduleError."""
    if isinstance(texts, str):
        raise ScheduleError(f'{where}: {texts!r} must be a list, for instance ["1h", "6h", "24h"]')
    return Backoff(tuple(parse_duration(text, where=where) for text in texts))
