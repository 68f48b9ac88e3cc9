"""Sums over the run table that the two databases write differently: lengths of time, numbers inside JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Float, Text, case, cast, extract, func, literal_column, select
from sqlalchemy.sql.selectable import TableValuedAlias

from .column_types import arithmetic_instant

_NO_TEXT = r"(?i)\\u(?:0000|d[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2}\\u)d[c-f])"
"""NUL and halves of surrogate pairs: a column of JSON takes them, and every function on it fails."""

_DIGITS = 12
"""Most digits of a number of rows; a longer one is none of ours, and SQLite gives up when a sum is beyond 64 bits."""


def seconds_between(dialect: str, start: Column[datetime], end: Column[datetime]) -> ColumnElement[float]:
    """From `start` to `end` in seconds; 0 where a clock that was set back makes it negative, or there is no length."""
    length: ColumnElement[float]
    if dialect == "postgresql":
        length = cast(extract("epoch", arithmetic_instant(end) - arithmetic_instant(start)), Float)
    else:
        length = (func.julianday(end) - func.julianday(start)) * 86_400.0
    return case((length > 0, length), else_=0.0)


def members(dialect: str, of: ColumnElement[Any]) -> TableValuedAlias:
    """The members of a JSON object as rows with `key` and `value`, one set for each row of its table.

    What is no object, as somebody else wrote it, has none: one odd row must not keep all others from being added up.
    """
    is_object: ColumnElement[bool]
    if dialect == "postgresql":
        is_object = (func.json_typeof(of) == "object") & cast(of, Text).op("!~")(_NO_TEXT)
    else:
        is_object = case((func.json_valid(of) == 1, func.json_type(of)), else_=None) == "object"
    known = case((is_object, of), else_=literal_column("'{}'", of.type))
    return func.json_each(known).table_valued("key", "value", name="member", joins_implicitly=True)


def count_of_run(dialect: str, column: ColumnElement[Any], counts: ColumnElement[Any]) -> ColumnElement[int]:
    """What all steps of a run counted: its column; in a row of before revision 1013, which has none, out of `counts`.

    column: of the count, called as its member in `counts`.
    """
    step = members(dialect, counts)
    added = select(func.coalesce(func.sum(whole_number(dialect, step, str(column.name))), 0)).select_from(step)
    own = column.between(0, 10**_DIGITS - 1)  # what is beyond is none of ours, as in `whole_number`
    return case((own, column), (column.is_not(None), 0), else_=added.scalar_subquery())


def whole_number(dialect: str, member: TableValuedAlias, name: str) -> ColumnElement[int]:
    """The whole number under `name` in a member's value; 0 where it has none."""
    found: ColumnElement[int]
    if dialect == "postgresql":
        text = member.c.value.op("->>")(name)
        found = case((text.op("~")(f"^[0-9]{{1,{_DIGITS}}}$"), cast(text, BigInteger)), else_=0)
    else:
        object_ = case((func.json_valid(member.c.value) == 1, member.c.value), else_="{}")
        number = func.json_extract(object_, f"$.{name}", type_=BigInteger)
        found = case((number.between(0, 10**_DIGITS - 1), number), else_=0)
    return func.coalesce(found, 0)
