"""Logical instants: parameters `now`, `now - 30d`, `now + 14d`, valued by the run, never by SQL's now().

A parameter carries its meaning in its name (`now`, `now_minus_30d`, `now_plus_2w`), so the runner can value it,
`explain` can print it, and a PL/pgSQL procedure can compute it, all from the same statement. Days are 24 hours.

A suffix says in which form a column keeps time:

    now_naive              without zone, UTC is meant
    now_epoch_ms           whole milliseconds since 1970 (also _s, _us), rounded up: `by < x` for instants before now
    now_epoch_ms_incl      the same for instants up to now: `by < x` again
    now_text, now_day      as text that sorts as time, "2026-11-22 10:00:00.000000"; the end of its day, "2026-11-22~"
    now_date_<hex>         the date on which it is that instant in a zone, whose name stands in hexadecimal digits
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Date, Text, bindparam
from sqlalchemy.types import TypeEngine

from ..jobs.duration import format_duration, parse_duration
from ..jobs.zones import load_zone
from .types import NaiveUtc, UtcDateTime, is_naive

_NAME = re.compile(
    r"now(?:_(minus|plus)_([0-9a-z]+))?(_naive|_text|_day|_epoch_(?:s|ms|us)(?:_incl)?|_date_(?:[0-9a-f]{2})+)?\Z"
)
EPOCHS = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""Units of an epoch, and how many are in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Form:
    """How a column keeps time. suffix: of the parameter's name.  kind: its type, `sql`: the same for PostgreSQL.

    value: of an instant.  procedure: the same in PL/pgSQL, of an expression that is a timestamptz.
    """

    suffix: str
    kind: TypeEngine[Any]
    sql: str
    value: Callable[[datetime], Any]
    procedure: Callable[[str], str]


AWARE = Form("", UtcDateTime(), "timestamp with time zone", lambda at: at, lambda moment: moment)
NAIVE = Form("_naive", NaiveUtc(), "timestamp", lambda at: at, lambda moment: f"({moment} AT TIME ZONE 'UTC')")


def _in_text(pattern: str) -> Callable[[str], str]:
    return lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', '{pattern}')"


TEXT = Form(
    "_text", Text(), "text", lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f"), _in_text("YYYY-MM-DD HH24:MI:SS.US")
)
DAY = Form("_day", Text(), "text", lambda at: at.strftime("%Y-%m-%d~"), _in_text("YYYY-MM-DD~"))


def epoch(unit: str, *, inclusive: bool = False) -> Form:
    """Whole seconds, milliseconds or microseconds since 1970: unit "s", "ms" or "us"."""
    in_second = EPOCHS[unit]
    microseconds = 1_000_000 // in_second

    def value(at: datetime) -> int:
        past = (at - _EPOCH) // _MICROSECOND
        return past // microseconds + 1 if inclusive else -(-past // microseconds)

    def procedure(moment: str) -> str:
        past = f"extract(epoch FROM {moment}) * {in_second}"
        return f"(floor({past})::bigint + 1)" if inclusive else f"ceil({past})::bigint"

    return Form(f"_epoch_{unit}{'_incl' if inclusive else ''}", BigInteger(), "bigint", value, procedure)


def local_date(zone: str) -> Form:
    """The date on which it is that instant in an IANA zone."""

    def procedure(moment: str) -> str:
        return f"({moment} AT TIME ZONE '{zone}')::date"

    suffix = f"_date_{zone.encode().hex()}"
    return Form(suffix, Date(), "date", lambda at: at.astimezone(load_zone(zone)).date(), procedure)


def instant(offset: timedelta, like: TypeEngine[Any] | None = None, *, form: Form | None = None) -> BindParameter[Any]:
    """The parameter `now + offset`, in the form of the column type `like` (default: with zone), or in `form`."""
    form = form or (NAIVE if like is not None and is_naive(like) else AWARE)
    name = "now"
    if offset:
        name += f"_{'plus' if offset > timedelta(0) else 'minus'}_{format_duration(abs(offset))}"
    return bindparam(name + form.suffix, type_=form.kind)


def now(like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The frozen time of the run."""
    return instant(timedelta(0), like)


def ago(duration: str, like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The instant `duration` ("30d", "36h") before the run's time."""
    return instant(-parse_duration(duration), like)


def ahead(duration: str, like: TypeEngine[Any] | None = None) -> BindParameter[datetime]:
    """The instant `duration` ("14d") after the run's time."""
    return instant(parse_duration(duration), like)


def meaning_of(name: str) -> tuple[timedelta, Form] | None:
    """The distance from now that a parameter's name states, and its form; None: the name is no logical instant."""
    match = _NAME.match(name)
    if match is None:
        return None
    direction, duration, suffix = match.groups()
    offset = parse_duration(duration) * (1 if direction == "plus" else -1) if direction else timedelta(0)
    return offset, _form(suffix or "")


def _form(suffix: str) -> Form:
    if suffix.startswith("_epoch_"):
        _, _, unit, *incl = suffix.split("_")
        return epoch(unit, inclusive=bool(incl))
    if suffix.startswith("_date_"):
        return local_date(bytes.fromhex(suffix.removeprefix("_date_")).decode())
    return next(form for form in (AWARE, NAIVE, TEXT, DAY) if form.suffix == suffix)


def values(names: Iterable[str], at: datetime) -> dict[str, Any]:
    """Values for the logical instants among `names`, for a run whose time is `at`."""
    known = {name: meaning_of(name) for name in names}
    return {name: meaning[1].value(at + meaning[0]) for name, meaning in known.items() if meaning is not None}
