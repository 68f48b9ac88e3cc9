"""Columns of our tables about who a database is, and about the databases of a fleet."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Integer, Text

from .column_types import OwnInstant


def _identity() -> tuple[Column[Any], ...]:
    return (
        Column("number", Integer, primary_key=True, autoincrement=False, comment="always 1: there is one row"),
        Column("id", Text, nullable=False, comment="random; part of the key of every message about an incident"),
        Column("fleet_name", Text, comment="name in the fleet that took it in; NULL in these three: none has"),
        Column("cluster", Text, comment="which server it was on then, and which database there"),
        Column("installation", Text, comment="of whose fleet: the setting, or the id of the home database"),
    )


def _databases() -> tuple[Column[Any], ...]:
    return (
        Column("name", Text, primary_key=True, comment="unique in the fleet"),
        Column("address", Text, nullable=False, comment="URL without password"),
        Column("secret", Text, comment="where its password is kept; never the password, nor the words of a command"),
        Column("server", Text, nullable=False, comment="by which connections are counted"),
        Column("labels", JSON, nullable=False),
        Column("state", Text, nullable=False, comment="provisioning, active, paused or leaving"),
        Column("first_seen_at", OwnInstant, nullable=False),
        Column("last_seen_at", OwnInstant, nullable=False, comment="in the list that the settings name"),
        Column("gone_at", OwnInstant, comment="when it was first missing there; NULL: it is there"),
    )


IDENTITY = {"identity": _identity}
FLEET = {"databases": _databases}
"""In the home database, where its worker keeps whom it knows; empty in all others."""
