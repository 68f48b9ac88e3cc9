"""The parts of a statement, each once: what is shared, as a CTE by each of its columns, is not gone through again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sqlalchemy.sql.visitors import ExternallyTraversible


def statement_parts(statement: ExternallyTraversible) -> Iterator[ExternallyTraversible]:
    """`visitors.iterate` without repeats; that one meets a part as often as there are ways to it, thousands of times.

    In no order that anybody may rely on.
    """
    seen = {id(statement): statement}  # kept: an id is one's own only while one lives
    waiting = deque(seen.values())
    while waiting:
        part = waiting.popleft()
        yield part
        for child in part.get_children():
            if id(child) not in seen:
                seen[id(child)] = child
                waiting.append(child)
