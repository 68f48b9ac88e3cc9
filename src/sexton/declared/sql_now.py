"""The run's time in a condition written as SQL: now(), with or without an interval; datetime('now', '-3 days')."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..errors import PolicyError, ScheduleError
from ..jobs.span import Span, parse_span
from .sql_text import cast_to, excerpt

if TYPE_CHECKING:
    from sqlglot import exp

_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w", "month": " months", "year": " years"}
_KINDS = ("TIMESTAMPTZ", "TIMESTAMP", "TIMESTAMPLTZ", "DATE")

WORDS_OF_TIME = ("now", "today", "tomorrow", "yesterday")
"""Texts that a cast makes a time that moves."""

_INTERVAL = re.compile(r"\s*([-+]?)\s*([0-9]{1,6})\s*([a-z]+?)s?\s*", re.IGNORECASE)


def span_from_now(node: exp.Expression) -> Span | None:
    """How far from the run's time an expression is; None: it is none of the run's time. PolicyError: cannot be read."""
    kind = type(node).__name__
    if kind == "Paren":
        return span_from_now(node.this)
    if kind in ("CurrentTimestamp", "CurrentDate") or _cast_of_now(node):
        return Span()
    if kind in ("Add", "Sub") and span_from_now(node.this) == Span() and not _columns(node.args["expression"]):
        span = _interval(node.args["expression"])
        return span if kind == "Add" else -span
    if _called_now(node):
        return _of_sqlite(node)
    return None


def is_day(node: exp.Expression) -> bool:
    """Whether it is CURRENT_DATE, alone or with an interval."""
    kind = type(node).__name__
    day = kind == "CurrentDate" or (_cast_of_now(node) and cast_to(node) == "DATE")
    return day or (kind in ("Paren", "Add", "Sub") and is_day(node.this))


def column_against_now(left: exp.Expression, right: exp.Expression) -> tuple[exp.Expression, Span, bool] | None:
    """Of a comparison like `at + interval '3 days' < now()` or `now() - at > interval '3 days'`: the column, how far
    from the run's time it is compared, and whether the sign turns around. None: it is none, or the column stands alone.

    PolicyError for months: added to a time they are others than taken from the run's.
    """
    if any(type(_bare(side)).__name__ in ("Column", "AtTimeZone") for side in (left, right)):
        return None
    one, other = _sum_of(left), _sum_of(right)
    if one is None or other is None:
        return None
    now, columns = one.now - other.now, [*one.columns, *((-sign, column) for sign, column in other.columns)]
    if len(columns) != 1 or now != -columns[0][0]:
        return None
    if one.months or other.months:
        raise PolicyError("only: months go with now(), column < now() - interval '1 month'")
    sign, column = columns[0]
    apart = one.length - other.length
    return column, Span(length=-apart if sign > 0 else apart), sign < 0


@dataclass(frozen=True, slots=True)
class _Sum:
    """The run's time so many times, columns with their signs, and a length; months: some stand in it."""

    now: int = 0
    columns: tuple[tuple[int, exp.Expression], ...] = ()
    length: timedelta = timedelta()
    months: bool = False


def _sum_of(node: exp.Expression) -> _Sum | None:
    node, kind = _bare(node), type(_bare(node)).__name__
    if kind == "Column":
        return _Sum(columns=((1, node),))
    span = _interval(node) if kind == "Interval" else span_from_now(node)
    if span is not None:
        return _Sum(int(kind != "Interval"), (), span.length, bool(span.months))
    if kind not in ("Add", "Sub"):
        return None
    one, other = _sum_of(node.this), _sum_of(node.args["expression"])
    if one is None or other is None:
        return None
    sign = 1 if kind == "Add" else -1
    columns = (*one.columns, *((sign * its, column) for its, column in other.columns))
    return _Sum(one.now + sign * other.now, columns, one.length + sign * other.length, one.months or other.months)


def _bare(node: exp.Expression) -> exp.Expression:
    return _bare(node.this) if type(node).__name__ == "Paren" else node


def column_in_utc(node: exp.Expression) -> exp.Expression | None:
    """The column of `column AT TIME ZONE 'UTC'`; None: it is something else."""
    node = _bare(node)
    given = type(node).__name__ == "AtTimeZone" and type(node.this).__name__ == "Column"
    return node.this if given else None


def contains_now(node: exp.Expression) -> bool:
    """Whether the run's time stands somewhere in it."""
    kinds = ("CurrentTimestamp", "CurrentDate")
    return any(type(part).__name__ in kinds or _cast_of_now(part) or _called_now(part) for part in node.walk())


def _called_now(node: Any) -> bool:
    return type(node).__name__ == "Anonymous" and str(node.this).lower() in ("datetime", "now")


def _columns(node: exp.Expression) -> bool:
    return any(type(part).__name__ == "Column" for part in node.walk())


def _cast_of_now(node: Any) -> bool:
    """`'now'::timestamptz` and its kin."""
    if type(node).__name__ != "Cast" or type(node.this).__name__ != "Literal":
        return False
    word, kind = str(node.this.this).strip().lower(), cast_to(node)
    return (word == "now" and kind in _KINDS) or (word == "today" and kind == "DATE")


def _of_sqlite(node: exp.Expression) -> Span:
    words = [str(argument.this) for argument in node.args.get("expressions") or ()]
    if str(node.this).lower() == "now" and not words:
        return Span()
    if words[:1] != ["now"] or len(words) > 2:
        raise PolicyError(f"only: {excerpt(node)} cannot be read; write datetime('now') or datetime('now', '-3 days')")
    return _read(words[1]) if len(words) == 2 else Span()


def _interval(node: exp.Expression) -> Span:
    if type(node).__name__ != "Interval":
        raise PolicyError(f"only: {excerpt(node)} is no interval; write now() - interval '3 days'")
    unit = node.args.get("unit")
    return _read(f"{node.this.this if node.this is not None else ''} {unit.sql() if unit is not None else ''}")


def _read(text: str) -> Span:
    match = _INTERVAL.fullmatch(text)
    unit = _UNITS.get(match[3].lower()) if match else None
    if match is None or unit is None:
        raise PolicyError(f"only: {text.strip()!r} is no interval that is known; write for instance '3 days'")
    try:
        span = Span(length=timedelta()) if int(match[2]) == 0 else parse_span(f"{int(match[2])}{unit}", where="only")
    except ScheduleError as error:
        raise PolicyError(str(error)) from None
    return -span if match[1] == "-" else span
