"""Jobs on demand: what a job says about its requests, and what somebody who asks wishes about one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..errors import PolicyError, UsageError, suggestion
from .duration import parse_duration

HISTORIES = ("all", "failures")

MAX_ATTEMPTS = 100
"""Attempts that a request may have at most."""

MAX_WISH_KEY_CHARACTERS = 500
"""Characters of a unique or a serial key; both are in an index."""

MAX_PRIORITY = 1000
"""Of a wish, up and down."""

LONGEST_DELAY = timedelta(days=3660)
"""Ten years: more is a mistake of unit."""

Upgrade = Callable[[Mapping[str, Any], int], Mapping[str, Any]]
"""`upgrade(arguments, since)`: arguments of version `since` as those of today, all of them as JSON holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """That a job is asked for with arguments, `work(run, invoice_id)`, and any number of times at once.

    attempts: how often a request is tried before it is a dead letter, 1 to 100.
    first_retry, longest_retry: the rest after the first failure; doubled with each, with jitter, up to the longest.
    history: "all": each request that came to its end leaves a run row; "failures": only those that did not go well.
    Either way they are counted, a row a minute.
    show_args: whether arguments are shown to people, in lists and dead letters; they may be nobody's business.
    args_version, upgrade: of the function's arguments; older ones, which still wait, are upgraded when they start.
    Raises PolicyError for what cannot be.
    """

    attempts: int = 5
    first_retry: str = "10s"
    longest_retry: str = "1h"
    history: str = "all"
    show_args: bool = False
    args_version: int = 1
    upgrade: Upgrade | None = None

    def __post_init__(self) -> None:
        if not _whole(self.attempts, 1, MAX_ATTEMPTS):
            raise PolicyError(f"on_demand: attempts must be 1 to {MAX_ATTEMPTS}, not {self.attempts!r}")
        if not _whole(self.args_version, 1, 2**31 - 1):
            raise PolicyError(f"on_demand: args_version must be a whole number from 1, not {self.args_version!r}")
        if self.history not in HISTORIES:
            near = suggestion(str(self.history), HISTORIES)
            raise PolicyError(f"on_demand: history {self.history!r} is not known{near}")
        if self.upgrade is not None and not callable(self.upgrade):
            raise PolicyError("on_demand: upgrade must be a function of the arguments and their version")
        parse_duration(self.first_retry, where="on_demand: first_retry")
        parse_duration(self.longest_retry, where="on_demand: longest_retry")

    def rest_after(self, attempt: int, chance: float) -> timedelta:
        """Before the next attempt, after this one (from 1) has failed. chance: 0 to 1, decides how much of a half."""
        first, longest = (parse_duration(text).total_seconds() for text in (self.first_retry, self.longest_retry))
        # As floats: doubled so often, it is more than a timedelta holds.
        return timedelta(seconds=min(first * 2.0 ** min(attempt - 1, MAX_ATTEMPTS), longest) * (1 - chance / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody who enqueues a job wishes about this one request; apart from the arguments of the job.

    delay: "10m" or a timedelta; not begun before.  priority: the higher goes first, -1000 to 1000; default: the job's.
    unique: of the requests of this job that wait, one has this key: who asks again gets the number of the first.
    serial: of the requests of this job with this key one runs at a time, the oldest first.
    attempts: in place of the job's.
    Raises UsageError for what cannot be.
    """

    delay: str | timedelta = timedelta()
    priority: int | None = None
    unique: str | None = None
    serial: str | None = None
    attempts: int | None = None

    def __post_init__(self) -> None:
        if not timedelta() <= self.rest <= LONGEST_DELAY:
            raise UsageError(f"wish: delay must be 0 to {LONGEST_DELAY.days} days, not {self.delay}")
        if self.priority is not None and not _whole(self.priority, -MAX_PRIORITY, MAX_PRIORITY):
            raise UsageError(f"wish: priority must be -{MAX_PRIORITY} to {MAX_PRIORITY}, not {self.priority!r}")
        if self.attempts is not None and not _whole(self.attempts, 1, MAX_ATTEMPTS):
            raise UsageError(f"wish: attempts must be 1 to {MAX_ATTEMPTS}, not {self.attempts!r}")
        for name in ("unique", "serial"):
            _check_key(name, getattr(self, name))

    @property
    def rest(self) -> timedelta:
        """`delay` as a length of time."""
        if isinstance(self.delay, timedelta):
            return self.delay
        return parse_duration(self.delay, where="wish: delay")


def _check_key(name: str, key: object) -> None:
    if key is None:
        return
    if not isinstance(key, str) or not key or len(key) > MAX_WISH_KEY_CHARACTERS:
        raise UsageError(f"wish: {name} must be a text of 1 to {MAX_WISH_KEY_CHARACTERS} characters")
    if "\0" in key or any("\ud800" <= character <= "\udfff" for character in key):
        raise UsageError(f"wish: {name} holds a character that no database keeps")


def _whole(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


NO_WISH = Wish()
