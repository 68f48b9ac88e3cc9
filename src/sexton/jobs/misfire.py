"""What to do about slots that passed while nobody ran them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from ..clock import in_utc
from ..errors import ScheduleError, suggestion
from .duration import TICK
from .schedule import Schedule

MISFIRE_RULES = ("coalesce", "skip", "all")
SKIP_TOLERANCE = timedelta(minutes=1)
"""How late a slot may be under the rule "skip", unless said otherwise: one round of a minutely cron."""


@dataclass(frozen=True, slots=True)
class Misfire:
    """Which of the missed slots still run.

    rule: "coalesce", the default: only the latest slot, in place of all that were missed.
          "skip": only the latest slot, and only on time. With a tick rarer than a minute it may never run.
          "all": every missed slot, oldest first, but only the newest `limit`.
    limit: for "all"; 24 by default.
    max_lateness: a slot is given up when it is later than this. None: a minute for "skip"; for the others no
          bound, which for the latest slot means one period: then the next slot is due and takes its place.
    Raises ScheduleError.
    """

    rule: str = "coalesce"
    limit: int = 24
    max_lateness: timedelta | None = None

    def __post_init__(self) -> None:
        if self.rule not in MISFIRE_RULES:
            raise ScheduleError(f"misfire rule {self.rule!r} is not known{suggestion(str(self.rule), MISFIRE_RULES)}")
        if self.limit < 1:
            raise ScheduleError(f"misfire limit {self.limit}: must be at least 1")
        if self.max_lateness is not None and self.max_lateness <= timedelta():
            raise ScheduleError("misfire lateness: must be longer than 0s")

    @property
    def lateness(self) -> timedelta:
        """How late a slot may run; exactly so late is not too late."""
        if self.max_lateness is not None:
            return self.max_lateness
        return SKIP_TOLERANCE if self.rule == "skip" else timedelta.max


COALESCE = Misfire()


def due_slots(schedule: Schedule, last: datetime | None, now: datetime, misfire: Misfire) -> list[datetime]:
    """The slots to run now, oldest first; often empty.

    `last`: no slot up to here is due any more. Pass the slot of the newest run or, where that is later, the
    moment at which the job or its present expression was first seen: neither has a past to make up.
    None, for a job that never ran and whose past counts all the same: at most the latest slot, whatever the rule.
    """
    now = in_utc(now)
    count = misfire.limit if misfire.rule == "all" and last is not None else 1

    def is_due(slot: datetime) -> bool:
        return (last is None or slot > last) and now - slot <= misfire.lateness

    return list(islice(takewhile(is_due, _backwards(schedule, now)), count))[::-1]


def lapsed_slot(schedule: Schedule, last: datetime | None, now: datetime, misfire: Misfire) -> datetime | None:
    """The latest slot, when it is not done and too late to run by the rule: it is on record as skipped."""
    slot = schedule.previous(in_utc(now))
    return slot if last is not None and slot > last and now - slot > misfire.lateness else None


def missed_before(schedule: Schedule, last: datetime | None, slot: datetime) -> int:
    """Slots after `last` and before `slot` that no run of their own will do; 1,000 stands for "or more"."""
    if last is None:
        return 0
    return sum(1 for _ in islice(takewhile(lambda at: at > last, _backwards(schedule, slot - TICK)), 1000))


def _backwards(schedule: Schedule, at: datetime) -> Iterator[datetime]:
    """Slots from the latest at `at` into the past, without end."""
    while True:
        at = schedule.previous(at)
        yield at
        at -= TICK
