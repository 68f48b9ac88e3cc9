"""The run's time in a condition written as SQL: now(), with or without an interval; datetime('now', '-3 days')."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import PolicyError, ScheduleError
from ..jobs.span import Span, parse_span

if TYPE_CHECKING:
    from sqlglot import exp

_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w", "month": " months", "year": " years"}
_INTERVAL = re.compile(r"\s*([-+]?)\s*([0-9]{1,6})\s*([a-z]+?)s?\s*", re.IGNORECASE)


def moment_of(node: exp.Expression) -> Span | None:
    """How far from the run's time an expression is; None: it is none of the run's time. PolicyError: cannot be read."""
    kind = type(node).__name__
    if kind == "Paren":
        return moment_of(node.this)
    if kind in ("CurrentTimestamp", "CurrentDate"):
        return Span()
    if kind in ("Add", "Sub") and moment_of(node.this) == Span():
        span = _interval(node.args["expression"])
        return span if kind == "Add" else -span
    if kind == "Anonymous" and str(node.this).lower() in ("datetime", "now"):
        return _of_sqlite(node)
    return None


def is_day(node: exp.Expression) -> bool:
    """Whether it is CURRENT_DATE, alone or with an interval."""
    kind = type(node).__name__
    return kind == "CurrentDate" or (kind in ("Paren", "Add", "Sub") and is_day(node.this))


def _of_sqlite(node: exp.Expression) -> Span:
    words = [str(argument.this) for argument in node.args.get("expressions") or ()]
    if str(node.this).lower() == "now" and not words:
        return Span()
    if words[:1] != ["now"] or len(words) > 2:
        raise PolicyError(f"only: {node.sql()} cannot be read; write datetime('now') or datetime('now', '-3 days')")
    return _read(words[1]) if len(words) == 2 else Span()


def _interval(node: exp.Expression) -> Span:
    if type(node).__name__ != "Interval":
        raise PolicyError(f"only: {node.sql()} is no interval; write now() - interval '3 days'")
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
