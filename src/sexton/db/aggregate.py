"""Sums over the run table that the two databases write differently: lengths of time, numbers inside JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Float, case, cast, extract, func, literal_column
from sqlalchemy.sql.selectable import TableValuedAlias

from .types import reckonable


def seconds_between(dialect: str, start: Column[datetime], end: Column[datetime]) -> ColumnElement[float]:
    """From `start` to `end` in seconds; 0 where a clock that was set back makes it negative, or there is no length."""
    length: ColumnElement[float]
    if dialect == "postgresql":
        length = cast(extract("epoch", reckonable(end) - reckonable(start)), Float)
    else:
        length = (func.julianday(end) - func.julianday(start)) * 86_400.0
    return case((length > 0, length), else_=0.0)


def members(dialect: str, of: ColumnElement[Any]) -> TableValuedAlias:
    """The members of a JSON object as rows with `key` and `value`, one set for each row of its table.

    What is no object, as somebody else wrote it, has none: one odd row must not keep all others from being added up.
    """
    if dialect == "postgresql":
        is_object = func.json_typeof(of) == "object"
    else:
        is_object = case((func.json_valid(of) == 1, func.json_type(of)), else_=None) == "object"
    known = case((is_object, of), else_=literal_column("'{}'", of.type))
    return func.json_each(known).table_valued("key", "value", name="member", joins_implicitly=True)


def whole_number(dialect: str, member: TableValuedAlias, name: str) -> ColumnElement[int]:
    """The whole number under `name` in a member's value; 0 where it has none."""
    found: ColumnElement[int]
    if dialect == "postgresql":
        text = member.c.value.op("->>")(name)
        found = case((text.op("~")("^[0-9]{1,18}$"), cast(text, BigInteger)), else_=0)
    else:
        object_ = case((func.json_valid(member.c.value) == 1, member.c.value), else_="{}")
        found = func.json_extract(object_, f"$.{name}", type_=BigInteger)
    return func.coalesce(found, 0)
