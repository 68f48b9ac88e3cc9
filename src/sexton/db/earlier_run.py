"""What the run's time was for an earlier run, reckoned by the database from a column of Sexton's own.

Good enough for a question about the past. On SQLite, which knows no zones and counts months its own way, it may come
out some hours late, as a day that is over everywhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, literal_column

from ..jobs.span import Span
from .time_parameters import EPOCHS, TimeForm, instant_expression

_FIRST = 14
"""Hours after UTC that clocks show on the first shore."""

_LAST = 12
"""Hours after UTC at which a day ends on the last shore."""


def moment_after(at: ColumnElement[datetime], span: Span, form: TimeForm, dialect: str) -> ColumnElement[Any]:
    """The moment `span` away from `at`, in a form. at: a column of type UtcDateTime, written as SQL has it."""
    if dialect == "sqlite":
        return literal_column(_in_sqlite(str(at), span, form), form.kind)
    return literal_column(instant_expression(str(at), span, form), form.kind)


def _in_sqlite(at: str, span: Span, form: TimeForm) -> str:
    parts = [f"'{span.months:+d} months'"] if span.months else []
    parts += [f"'{span.length / timedelta(seconds=1):+.3f} seconds'"] if span.length else []
    if form.suffix.startswith("_epoch_"):
        unit = form.suffix.split("_")[2]
        return f"((CAST({_written('%s', at, parts)} AS INTEGER) + 1) * {EPOCHS[unit]})"
    if form.suffix.startswith("_wall"):
        parts.append(f"'+{_FIRST} hours'")
    if isinstance(form.kind, Text):
        return _written("%Y-%m-%d~" if "day" in form.suffix else "%Y-%m-%d %H:%M:%f000", at, parts)
    return _written("%Y-%m-%d", at, [*parts, f"'+{24 + _LAST} hours'"])


def _written(pattern: str, at: str, modifiers: list[str]) -> str:
    arguments = ", ".join((f"'{pattern}'", at, *modifiers))
    return f"strftime({arguments})"
