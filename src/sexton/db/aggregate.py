"""Sums over the run table that the two databases write differently: lengths of time, numbers inside JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Float, case, cast, extract, func
from sqlalchemy.sql.selectable import TableValuedAlias


def seconds_between(dialect: str, start: Column[datetime], end: Column[datetime]) -> ColumnElement[float]:
    """From `start` to `end` in seconds; 0 where a clock that was set back makes it negative."""
    length: ColumnElement[float]
    if dialect == "postgresql":
        length = cast(extract("epoch", end - start), Float)
    else:
        length = (func.julianday(end) - func.julianday(start)) * 86_400.0
    return case((length < 0, 0.0), else_=length)


def members(of: ColumnElement[Any]) -> TableValuedAlias:
    """The members of a JSON object as rows with `key` and `value`, one set for each row of its table."""
    return func.json_each(of).table_valued("key", "value", name="member", joins_implicitly=True)


def whole_number(dialect: str, member: TableValuedAlias, name: str) -> ColumnElement[int]:
    """The whole number under `name` in a member's value; 0 where it has none."""
    found: ColumnElement[int]
    if dialect == "postgresql":
        found = cast(member.c.value.op("->>")(name), BigInteger)
    else:
        found = func.json_extract(member.c.value, f"$.{name}", type_=BigInteger)
    return func.coalesce(found, 0)
