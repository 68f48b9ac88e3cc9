"""Logical instants: parameters `now`, `now - 30d`, `now + 14d`, valued by the run, never by SQL's now().

A parameter carries its meaning in its name (`now`, `now_minus_30d`, `now_minus_3months`), so the runner can value it,
`explain` can print it, and a PL/pgSQL procedure can compute it, all from the same statement. Days are 24 hours, months
are those of the calendar: of UTC, or of the zone that a date is meant in.

A suffix says in which form a column keeps time:

    now_naive              without zone, UTC is meant
    now_epoch_ms           whole milliseconds since 1970 (also _s, _us), rounded up: `by < x` for instants before now
    now_epoch_ms_incl      the same for instants up to now: `by < x` again
    now_text, now_day      as text that sorts as time, "2026-11-22 10:00:00.000000"; the end of its day, "2026-11-22~"
    now_date_<hex>         the date on which it is that instant in a zone, whose name stands in hexadecimal digits
    now_dates              as JSON: the date on which it is that instant, by the names of all zones
    now_wall_<hex>         the first local time of a zone that means that instant or a later one: `by < x` for those
                           before now (also _wall_incl_, for instants up to now; _walltext_, _wallday_ as text)
    now_local_<hex>        what clocks show there, to be written (_localtext_ as text)
    now_walls, now_locals  as JSON, by the names of all zones
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Date, DateTime, Text, bindparam
from sqlalchemy.types import TypeEngine

from ..jobs.duration import parse_duration
from ..jobs.span import Span, add_months, parse_span
from ..jobs.zoneless_columns import away_from, first_at, just_after, local_of
from ..jobs.zones import load_zone, zone_names
from .column_types import NaiveUtc, UtcDateTime, is_naive

_NAME = re.compile(
    r"now(?:_(minus|plus)_([0-9a-z]+))?(_naive|_text|_day|_epoch_(?:s|ms|us)(?:_incl)?|_dates|_date_(?:[0-9a-f]{2})+"
    r"|_(?:walltext|wallday|wall|localtext|local)(?:_incl)?_(?:[0-9a-f]{2})+|_(?:walls|locals)(?:_incl)?)?\Z"
)
EPOCHS = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""Units of an epoch, and how many are in a second."""

_TEXT = "%Y-%m-%d %H:%M:%S.%f"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a column keeps time. suffix: of the parameter's name.  kind: its type, `sql`: the same for PostgreSQL.

    value: what is bound, of the run's time and the distance from it.
    procedure: the same in PL/pgSQL, of two expressions: a timestamptz, and an interval of months or "".
    """

    suffix: str
    kind: TypeEngine[Any]
    sql: str
    value: Callable[[datetime, Span], Any]
    procedure: Callable[[str, str], str]


def _of_instant(value: Callable[[datetime], Any]) -> Callable[[datetime, Span], Any]:
    return lambda at, span: value(span.from_(at))


def _from_instant(expression: Callable[[str], str]) -> Callable[[str, str], str]:
    """Months are taken from the UTC calendar, whatever zone the session has."""

    def procedure(moment: str, months: str) -> str:
        return expression(f"(({moment} AT TIME ZONE 'UTC' {months}) AT TIME ZONE 'UTC')" if months else moment)

    return procedure


AWARE = TimeForm(
    "",
    UtcDateTime(),
    "timestamp with time zone",
    _of_instant(lambda at: at),
    _from_instant(lambda moment: moment),
)
NAIVE = TimeForm(
    "_naive",
    NaiveUtc(),
    "timestamp",
    _of_instant(lambda at: at),
    _from_instant(lambda moment: f"({moment} AT TIME ZONE 'UTC')"),
)


def _in_text(pattern: str) -> Callable[[str, str], str]:
    return _from_instant(lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', '{pattern}')")


TEXT = TimeForm(
    "_text",
    Text(),
    "text",
    _of_instant(lambda at: at.strftime(_TEXT)),
    _in_text("YYYY-MM-DD HH24:MI:SS.US"),
)
DAY_TEXT = TimeForm("_day", Text(), "text", _of_instant(lambda at: at.strftime("%Y-%m-%d~")), _in_text("YYYY-MM-DD~"))


def epoch(unit: str, *, inclusive: bool = False) -> TimeForm:
    """Whole seconds, milliseconds or microseconds since 1970: unit "s", "ms" or "us"."""
    in_second = EPOCHS[unit]
    microseconds = 1_000_000 // in_second

    def value(at: datetime) -> int:
        past = (at - _EPOCH) // _MICROSECOND
        return past // microseconds + 1 if inclusive else -(-past // microseconds)

    def procedure(moment: str) -> str:
        past = f"extract(epoch FROM {moment}) * {in_second}"
        return f"(floor({past})::bigint + 1)" if inclusive else f"ceil({past})::bigint"

    suffix = f"_epoch_{unit}{'_incl' if inclusive else ''}"
    return TimeForm(suffix, BigInteger(), "bigint", _of_instant(value), _from_instant(procedure))


def local_date(zone: str) -> TimeForm:
    """The date on which it is that instant in an IANA zone; months before it are counted by its calendar."""

    def procedure(moment: str, months: str) -> str:
        return f"(({moment} AT TIME ZONE '{zone}')::date {months})::date"

    suffix = f"_date_{zone.encode().hex()}"
    return TimeForm(suffix, Date(), "date", lambda at, span: _date_in(zone, at, span), procedure)


def _date_in(zone: str, at: datetime, span: Span) -> date:
    return add_months((at + span.length).astimezone(load_zone(zone)).date(), span.months)


def _dates(at: datetime, span: Span) -> str:
    return json.dumps({zone: str(_date_in(zone, at, span)) for zone in sorted(zone_names())})


DATES = TimeForm(
    "_dates",
    Text(),
    "text",
    _dates,
    lambda moment, months: (
        f"(SELECT json_object_agg(name, (({moment} AT TIME ZONE name)::date {months})::date)::text"
        " FROM pg_timezone_names)"
    ),
)
"""For rows that each name their own zone."""


def local_time(zone: str, *, kind: str = "wall", inclusive: bool = False) -> TimeForm:
    """Local times of an IANA zone in a column without one; kind: "wall", "walltext", "wallday", "local", "localtext".

    inclusive: before what comes after the instant, so that `by < x` holds for the instant itself.
    """
    suffix = f"_{kind}{'_incl' if inclusive else ''}_{zone.encode().hex()}"

    def value(at: datetime, span: Span) -> Any:
        return _WRITTEN[kind](*_walls(zone, at, span, kind.startswith("local"), inclusive))

    def procedure(moment: str, months: str) -> str:
        return _in_sql(f"'{zone}'", moment, months, kind.startswith("local"), inclusive)

    plain = kind in ("wall", "local")
    return TimeForm(suffix, DateTime() if plain else Text(), "timestamp" if plain else "text", value, procedure)


_WRITTEN: dict[str, Callable[[datetime, datetime], Any]] = {
    "wall": lambda local, _: local,
    "local": lambda local, _: local,
    "walltext": lambda local, _: local.strftime(_TEXT),
    "localtext": lambda local, _: local.strftime(_TEXT),
    "wallday": lambda local, utc: max(local, utc).strftime("%Y-%m-%d~"),
}


def _walls(zone: str, at: datetime, span: Span, plain: bool, inclusive: bool) -> tuple[datetime, datetime]:
    """The local time, and the same instant in UTC, both without zone."""
    rules = load_zone(zone)
    then = just_after(away_from(at, span, rules), inclusive=inclusive)
    return (local_of if plain else first_at)(then, rules), then.astimezone(UTC).replace(tzinfo=None)


def all_local_times(*, plain: bool = False, inclusive: bool = False) -> TimeForm:
    """For rows that each name their own zone. plain: what clocks show, to be written."""

    @lru_cache(maxsize=16)
    def value(at: datetime, span: Span) -> str:
        return json.dumps(
            {zone: _walls(zone, at, span, plain, inclusive)[0].strftime(_TEXT) for zone in sorted(zone_names())}
        )

    def procedure(moment: str, months: str) -> str:
        each = _in_sql("name", moment, months, plain, inclusive)
        return f"(SELECT json_object_agg(name, {each})::text FROM pg_timezone_names)"

    return TimeForm(
        f"_{'locals' if plain else 'walls'}{'_incl' if inclusive else ''}", Text(), "text", value, procedure
    )


def _in_sql(zone: str, moment: str, months: str, plain: bool, inclusive: bool) -> str:
    """`first_at` in PostgreSQL: the least local time from then on, or just before; clocks change at whole minutes."""
    then = f"((({moment} AT TIME ZONE {zone}) {months}) AT TIME ZONE {zone})" if months else moment
    then = f"({then} + interval '1 microsecond')" if inclusive else then
    if plain:
        return f"({then} AT TIME ZONE {zone})"
    minutes = f"date_trunc('minute', {then}) + n * interval '1 minute'"
    later = f"(SELECT min(({minutes}) AT TIME ZONE {zone}) FROM generate_series(1, 1560) AS n)"
    tick = "interval '1 microsecond'"
    return f"least({then} AT TIME ZONE {zone}, {later}, (({then} - {tick}) AT TIME ZONE {zone}) + {tick})"


ALL_LOCAL_TIMES = {
    (plain, inclusive): all_local_times(plain=plain, inclusive=inclusive)
    for plain in (False, True)
    for inclusive in (False, True)
}


def instant(
    offset: timedelta | Span, like: TypeEngine[Any] | None = None, *, form: TimeForm | None = None
) -> BindParameter[Any]:
    """The parameter `now + offset`, in the form of the column type `like` (default: with zone), or in `form`."""
    form = form or (NAIVE if like is not None and is_naive(like) else AWARE)
    span = offset if isinstance(offset, Span) else Span(length=offset)
    name = f"now_{'minus' if span.past else 'plus'}_{span.as_text()}" if span else "now"
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


def today(zone: str) -> BindParameter[date]:
    """The date on which the run's time falls in an IANA zone, to be compared with a date."""
    return instant(timedelta(0), form=local_date(zone))


def parse_instant_name(name: str) -> tuple[Span, TimeForm] | None:
    """The distance from now that a parameter's name states, and its form; None: the name is no logical instant."""
    match = _NAME.match(name)
    if match is None:
        return None
    direction, distance, suffix = match.groups()
    span = parse_span(distance) if direction else Span()
    return -span if direction == "minus" else span, _form(suffix or "")


def _form(suffix: str) -> TimeForm:
    if suffix.startswith("_epoch_"):
        _, _, unit, *incl = suffix.split("_")
        return epoch(unit, inclusive=bool(incl))
    if suffix.startswith("_date_"):
        return local_date(bytes.fromhex(suffix.removeprefix("_date_")).decode())
    kind, _, rest = suffix[1:].partition("_")
    if kind in _WRITTEN:
        return local_time(
            bytes.fromhex(rest.removeprefix("incl_")).decode(), kind=kind, inclusive=rest.startswith("incl_")
        )
    if kind in ("walls", "locals"):
        return ALL_LOCAL_TIMES[kind == "locals", bool(rest)]
    return next(form for form in (AWARE, NAIVE, TEXT, DAY_TEXT, DATES) if form.suffix == suffix)


def instant_expression(now: str, span: Span, form: TimeForm) -> str:
    """The same as an expression of PostgreSQL. now: one that is a timestamptz."""
    sign, moment, months = "-" if span.past else "+", now, ""
    if span.length:
        seconds = f"{abs(span.length) / timedelta(seconds=1):.6f}".rstrip("0").rstrip(".")
        moment = f"({now} {sign} interval '{seconds} seconds')"
    if span.months:
        months = f"{sign} interval '{abs(span.months)} months'"
    return form.procedure(moment, months)


def instant_values(names: Iterable[str], at: datetime) -> dict[str, Any]:
    """Values for the logical instants among `names`, for a run whose time is `at`."""
    known = {name: parse_instant_name(name) for name in names}
    return {name: meaning[1].value(at, meaning[0]) for name, meaning in known.items() if meaning is not None}
