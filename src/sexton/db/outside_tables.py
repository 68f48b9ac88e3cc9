"""Columns of our tables about the outside: calls, who is called, budgets, deliveries; and of the roll-ups' marks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, Text

from ..call_state import CallState
from .column_types import BigKey, Document, Line, OneOf, OwnInstant


def _call_columns() -> tuple[Column[Any], ...]:
    """What is kept of the calls for one row, in `calls` and in `deliveries` alike."""
    return (
        Column("claim", Text, comment="random, of the process that calls now; NULL: nobody does"),
        Column("leased_until", OwnInstant, comment="until then the claim stands"),
        Column("attempts", Integer, nullable=False, server_default="0", comment="that were begun and count"),
        Column("first_at", OwnInstant, comment="when the first one began"),
        Column("next_at", OwnInstant, comment="due from then on, by the run's time; NULL: at once"),
        Column("state", OneOf(CallState), nullable=False, comment="waiting, claimed, done, failed, ..."),
        Column("code", Text, comment="what the last one came to: done, again, failed, gone, unknown, down, error"),
        Column("error", Line, comment="why, one line without secrets"),
        Column("run_id", BigKey, comment="of the last attempt"),
        Column("note", Line, comment="what a person did: retry, cancel, and who"),
    )


def _calls() -> tuple[Column[Any], ...]:
    return (
        Column("job", Text, primary_key=True),
        Column("step", Text, primary_key=True),
        Column("subject", Text, primary_key=True, comment="the row's key as text"),
        Column("destination", Text, nullable=False, comment="who is called"),
        *_call_columns(),
        Column("closed_at", OwnInstant, comment="NULL: it goes on"),
    )


def _destinations() -> tuple[Column[Any], ...]:
    return (
        Column("name", Text, primary_key=True),
        Column("rest_until", OwnInstant, comment="nobody calls it before; NULL: it works"),
        Column("rests", Integer, nullable=False, server_default="0", comment="in a row, each twice as long"),
        Column("lasting", Text, comment="fingerprint of the settings it rests for; NULL: of no settings"),
        Column("probe", Text, comment="claim of the one call that finds out whether it is back"),
        Column("probe_until", OwnInstant, comment="until then that claim stands"),
        Column("since_rest", Integer, comment="calls that went well since it rested, up to 7; NULL: trusted"),
        Column("failed_subjects", Document, comment="different rows in sequence whose calls failed"),
        Column("first_failed_at", OwnInstant, comment="since when it has failed; set once"),
        Column("last_failed_at", OwnInstant),
        Column("last_ok_at", OwnInstant, comment="to the minute"),
        Column("disabled_at", OwnInstant, comment="nobody calls it until a person enables it"),
        Column("disabled_by", Line, comment="a person who paused it; NULL: by itself"),
        Column("reason", Line, comment="why it rests or is disabled"),
    )


def _budgets() -> tuple[Column[Any], ...]:
    return (
        Column("name", Text, primary_key=True, comment="the destination or step, and the length of time"),
        Column(
            "taken", Document, nullable=False, comment="permits that still count: [microseconds since 1970, number]"
        ),
        Column("over_at", OwnInstant, nullable=False, comment="when the last of them counts no more"),
    )


def _deliveries() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True),
        Column("outbox", Text, nullable=False, comment="the table of the message"),
        Column("message", Text, nullable=False, comment="its id there, as text"),
        Column("message_key", Text, nullable=False, comment="its effect key"),
        Column("event_type", Text, nullable=False),
        Column("route", Text, nullable=False, comment="by which it goes"),
        Column("channel", Text, nullable=False),
        Column("destination", Text, nullable=False, comment="what rests together: a relay, the host of a webhook"),
        Column("recipient", Text, nullable=False, comment="of the message; the address is asked when it is sent"),
        Column("priority", Integer, nullable=False, server_default="0"),
        Column("send_before", OwnInstant, comment="too late from then on"),
        Column("batch", Text, comment="digest that it is a member of"),
        Column("created_at", OwnInstant, nullable=False),
        *_call_columns(),
        Column("closed_at", OwnInstant, comment="NULL: it goes on"),
    )


def _watermarks() -> tuple[Column[Any], ...]:
    return (
        Column("job", Text, primary_key=True),
        Column("step", Text, primary_key=True),
        Column("closed_to", OwnInstant, comment="end of the last window that was computed"),
        Column("sealed_to", OwnInstant, comment="end of the last window that is computed no more"),
        Column("begins_at", OwnInstant, comment="start of the first window"),
        Column("kept_to", OwnInstant, comment="sums before stay where no row is left: rows may have been purged"),
        Column("told_from", OwnInstant, comment="windows that end later are told"),
        Column("looked_at", OwnInstant, comment="rows that were changed before are in; NULL: no run came to its end"),
        Column("definition", Line, comment="schedule and zone of its windows"),
        Column("updated_at", OwnInstant, nullable=False),
    )


OUTSIDE = {
    "calls": _calls,
    "destinations": _destinations,
    "budgets": _budgets,
    "deliveries": _deliveries,
    "watermarks": _watermarks,
}
"""Their columns by name, in the order of `OwnTables`."""
