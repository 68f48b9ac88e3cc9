"""When a row is due: its time column against the run's time, with the sign of the boundary as data.

    birth      the row was born at `by` and stays `keep` long:    by < now - keep
    deadline   the row's time is up at `by`; `keep` adds grace:   by < now - keep

The two read alike and mean different things; naming which one a column is keeps retention from being applied twice
(a stored "delete on" date that is then given another 30 days).
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Table

from ..db.column_types import is_time
from ..db.time_parameters import instant
from ..errors import PolicyError
from ..jobs.span import parse_span

Kind = Literal["birth", "deadline"]
Boundary = Literal["<", "<="]


def aged(by: Column[Any], keep: str, *, kind: Kind, boundary: Boundary) -> ColumnElement[bool]:
    """`by` lies more than `keep` before the run's time; with boundary "<=" a row exactly `keep` old is due too.

    A NULL in `by` is never due.  PolicyError: a column that is no time, or a birth column with nothing to keep.
    """
    length = parse_span(keep, where=f"keep of {by.table.name}")
    if kind not in ("birth", "deadline"):
        raise PolicyError(f"{by.table.name}.{by.name}: kind is {kind!r}; write 'birth' or 'deadline'")
    if boundary not in ("<", "<="):
        raise PolicyError(f"{by.table.name}.{by.name}: boundary is {boundary!r}; write '<' or '<='")
    if kind == "birth" and not length:
        raise PolicyError(
            f"{by.table.name}.{by.name}: keep is 0s, so every row would go as soon as it is born; "
            "if the column is a deadline, say kind='deadline'"
        )
    cutoff = instant(-length, require_time(by))
    return by <= cutoff if boundary == "<=" else by < cutoff


def require_time(by: Column[Any]) -> Any:
    """The type of a time column. PolicyError when it holds no instants."""
    if not is_time(by.type):
        raise PolicyError(f"{by.table.name}.{by.name} is {by.type!r}, which is no time; a policy needs a timestamp")
    return by.type


def require_column(table: Table, column: Column[Any], role: str) -> None:
    """PolicyError unless `column` belongs to `table`."""
    if column.table is not table:
        raise PolicyError(f"{role} is {column}, which is no column of {table.fullname}")
