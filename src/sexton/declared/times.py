"""When a row is due, by the kind of its time column: timestamps, dates in a zone, epochs, ISO text on SQLite.

Each condition compares the bare column with a parameter, so that an index on the column serves it. Text gets a second
look, as people write instants in several ways; what is none of them is never due.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, and_, case, func, literal
from sqlalchemy.types import Date, DateTime, Integer, String

from ..config.policy import PolicySettings
from ..db.instants import DAY, TEXT, epoch, instant, local_date
from ..errors import PolicyError
from ..jobs.duration import parse_duration

_SECONDS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"


def due(by: Column[Any], settings: PolicySettings, dialect: str) -> ColumnElement[bool]:
    """The condition. PolicyError for a column that is no time, and for one whose unit or zone is not given."""
    keep = -parse_duration(settings.keep or "0s")
    inclusive = settings.boundary == "<="
    where = f"{by.table.name}.{by.name}"
    if isinstance(by.type, Integer):
        _refuse(settings, where, "whole numbers", "zone")
        if settings.unit is None:
            raise PolicyError(f'{where} holds whole numbers; say of what since 1970: unit = "s", "ms" or "us"')
        return by < instant(keep, form=epoch(settings.unit, inclusive=inclusive))
    if isinstance(by.type, Date):
        _refuse(settings, where, "dates", "unit")
        if settings.zone is None:
            raise PolicyError(f'{where} holds dates; say where they are days: zone = "Europe/Berlin", or "UTC"')
        return _compared(by, instant(keep, form=local_date(settings.zone)), inclusive)
    _refuse(settings, where, "instants", "unit", "zone")
    if dialect == "sqlite" and isinstance(by.type, DateTime | String):
        by.type = Text()  # as it is stored
        return _text_due(by, keep, inclusive)
    if isinstance(by.type, DateTime):
        return _compared(by, instant(keep, by.type), inclusive)
    raise PolicyError(f"{where} is {by.type}, which is no time; name a timestamp, a date or an epoch")


def _refuse(settings: PolicySettings, where: str, what: str, *names: str) -> None:
    for name in names:
        if getattr(settings, name) is not None:
            raise PolicyError(f"{where} holds {what}; `{name}` has no meaning for it")


def _compared(by: ColumnElement[Any], limit: ColumnElement[Any], inclusive: bool) -> ColumnElement[bool]:
    return by <= limit if inclusive else by < limit


def _text_due(by: Column[Any], keep: timedelta, inclusive: bool) -> ColumnElement[bool]:
    """ISO text in UTC: "2026-11-22 10:00:00", or with T, Z, decimals; never due with an offset, or in another shape.

    First the bare column against the end of the cutoff's day, for the index; then all of it in one form.
    """
    plain = func.replace(func.replace(by, "T", " "), "Z", "")
    whole = case((func.length(plain) == 19, plain + literal(".000000")), else_=plain + literal("000000"))
    shaped = by.op("GLOB")(literal(f"{_SECONDS}*"))
    offset = func.substr(by, 20).op("GLOB")(literal("*[-+]*"))
    limit = instant(keep, form=TEXT)
    early = by < instant(keep, form=DAY)
    return and_(early, shaped, ~offset, _compared(func.substr(whole, 1, 26), limit, inclusive))
