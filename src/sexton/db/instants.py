"""Logical instants: parameters `now`, `now - 30d`, `now + 14d`, valued by the run, never by SQL's now().

A parameter carries its meaning in its name (`now`, `now_minus_30d`, `now_plus_2w`), so the runner can value it,
`explain` can print it, and a PL/pgSQL procedure can compute it, all from the same statement. Days are 24 hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.types import TypeEngine

from ..jobs.duration import format_duration, parse_duration
from .types import NaiveUtc, UtcDateTime, is_naive

_NAME = re.compile(r"now(?:_(minus|plus)_([0-9a-z]+))?(_naive)?\Z")


def instant(offset: timedelta, like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The parameter `now + offset`, in the form of the column type `like` (default: with zone)."""
    naive = like is not None and is_naive(like)
    name = "now"
    if offset:
        name += f"_{'plus' if offset > timedelta(0) else 'minus'}_{format_duration(abs(offset))}"
    return bindparam(name + ("_naive" if naive else ""), type_=NaiveUtc() if naive else UtcDateTime())


def now(like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The frozen time of the run."""
    return instant(timedelta(0), like)


def ago(duration: str, like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The instant `duration` ("30d", "36h") before the run's time."""
    return instant(-parse_duration(duration), like)


def ahead(duration: str, like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The instant `duration` ("14d") after the run's time."""
    return instant(parse_duration(duration), like)


def offset_of(name: str) -> timedelta | None:
    """The distance from now that a parameter's name states; None when the name is not a logical instant."""
    match = _NAME.match(name)
    if match is None:
        return None
    direction, duration, _ = match.groups()
    if direction is None:
        return timedelta(0)
    return parse_duration(duration) * (1 if direction == "plus" else -1)


def values(names: Iterable[str], at: datetime) -> dict[str, datetime]:
    """Values for the logical instants among `names`, for a run whose time is `at`."""
    offsets = {name: offset_of(name) for name in names}
    return {name: at + offset for name, offset in offsets.items() if offset is not None}
