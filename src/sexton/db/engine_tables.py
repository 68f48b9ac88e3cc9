"""Columns of our table about engines that carry runs: what was handed to each, and what came of it, by day."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, Text

from .column_types import OwnInstant


def _engine_counts() -> tuple[Column[Any], ...]:
    return (
        Column("engine", Text, primary_key=True),
        Column("day", OwnInstant, primary_key=True, comment="its beginning, in UTC"),
        Column("submitted", Integer, nullable=False, comment="numbers of runs and requests that were handed to it"),
        Column("resubmitted", Integer, nullable=False, comment="of those once more, as nobody had begun them"),
        Column("duplicates", Integer, nullable=False, comment="numbers it brought that had been begun already"),
    )


ENGINE_TABLES = {"engine_counts": _engine_counts}
