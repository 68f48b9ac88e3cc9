"""Columns of our tables about what runs over a fleet: one row a job and database, one row a run over all of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, Text

from .column_types import BigKey, Document, Line, OwnInstant


def _fleet_jobs() -> tuple[Column[Any], ...]:
    return (
        Column("database", Text, primary_key=True, comment="name in the fleet"),
        Column("job", Text, primary_key=True),
        Column("next_at", OwnInstant, comment="a visit is due from then on; NULL: by hand only"),
        Column("slot", OwnInstant, comment="of the last run that this database was asked for"),
        Column("state", Text, nullable=False, comment="how that ended, in the words of `runs`, or why nothing ran"),
        Column("attempt", Integer, nullable=False, comment="which one it was, by that database; 0: nothing ran"),
        Column("error", Line, comment="why, one line"),
        Column("definition", Text, nullable=False, comment="fingerprint of job and package that it ran under"),
        Column("visited_at", OwnInstant, nullable=False, comment="when that was said"),
    )


def _fleet_runs() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True),
        Column("job", Text, nullable=False),
        Column("definition", Text, nullable=False, comment="fingerprint of job and package"),
        Column("only", Text, nullable=False, comment="label=value that databases were chosen by; empty: all"),
        Column("as_of", OwnInstant, comment="the time that was named for it; NULL: that of each database"),
        Column("begun_at", OwnInstant, nullable=False, comment="the slot that it has in each database"),
        Column("ended_at", OwnInstant, comment="NULL: under way, or cut off and to be gone on with"),
        Column("state", Text, nullable=False, comment="under way, finished, unproven, halted or superseded"),
        Column("wave", Integer, nullable=False, comment="that it came to; 0: the canaries"),
        Column("canaries", Document, nullable=False, comment="names of those that went first"),
        Column("error", Line, comment="why it was halted, or proves nothing"),
    )


FLEET_RUNS = {"fleet_jobs": _fleet_jobs, "fleet_runs": _fleet_runs}
"""In the home database; empty in all others."""
