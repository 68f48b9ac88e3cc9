"""One small statement for each of many names, in few round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, union_all

NAMES_PER_ROUND_TRIP = 100
"""Names that one round trip asks about."""


def for_each(
    connection: Connection, names: Sequence[str], statement: Callable[[str], Select[Any]]
) -> Iterator[Row[Any]]:
    """The rows of `statement(name)` for all names; each must be a whole query, with its limit in a subquery."""
    for start in range(0, len(names), NAMES_PER_ROUND_TRIP):
        yield from connection.execute(
            union_all(*(statement(name) for name in names[start : start + NAMES_PER_ROUND_TRIP]))
        )
