"""Columns of our tables about what is wrong, and of the messages about it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, Text

from .column_types import BigKey, Document, Line, OwnInstant


def _incidents() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True),
        Column("job", Text, nullable=False),
        Column("kind", Text, nullable=False, comment="of what is wrong, such as failing or late; one open of each"),
        Column("text", Line, nullable=False, comment="what is wrong, one line"),
        Column("opened_at", OwnInstant, nullable=False),
        Column("told_at", OwnInstant, nullable=False, comment="of the last message; a day later it is repeated"),
        Column("closed_at", OwnInstant, comment="NULL: it is still so"),
        Column("openings", Integer, nullable=False, server_default="1", comment="how often it has come, within hours"),
        Column("reopened_at", OwnInstant, comment="when it came last; NULL: it came once"),
        Column("restless_since", OwnInstant, comment="told as coming and going since then; NULL: told as usual"),
    )


def _alerts() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True),
        Column("key", Text, nullable=False, comment="stable id for receivers"),
        Column("incident_id", BigKey, nullable=False),
        Column("channel", Text, nullable=False),
        Column("message", Document, nullable=False),
        Column("created_at", OwnInstant, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("next_at", OwnInstant, comment="tried again from then on; NULL: given up or sent"),
        Column("sent_at", OwnInstant),
        Column("error", Line),
    )


INCIDENT_TABLES = {"incidents": _incidents, "alerts": _alerts}
