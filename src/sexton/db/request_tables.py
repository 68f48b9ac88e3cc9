"""Columns of our tables about jobs on demand, and about engines that carry runs: who works, what ended, how often."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Integer, Text

from ..request_state import RequestState
from .column_types import BigKey, Line, Lines, OneOf, OwnInstant


def _what_is_asked() -> tuple[Column[Any], ...]:
    """What `requests` and `dead_requests` both tell about one."""
    return (
        Column("job", Text, nullable=False),
        Column("args", Text, nullable=False, comment="JSON object of the arguments, at most 64 KiB"),
        Column("args_version", Integer, nullable=False, comment="of the job's arguments when it was asked for"),
        Column("priority", Integer, nullable=False, comment="the higher goes first"),
        Column("attempt", Integer, nullable=False, comment="the one that comes or goes on, from 1"),
        Column("attempts", Integer, nullable=False, comment="so many, then it is dead"),
        Column(
            "crashes", Integer, nullable=False, server_default="0", comment="attempts whose process died; 3 are all"
        ),
        Column("unique_key", Text, comment="one that waits has it, of each job"),
        Column("serial_key", Text, comment="one of each job runs at a time that has it"),
        Column("asked_by", Line, comment="who asked, where a person did"),
        Column("created_at", OwnInstant, nullable=False),
    )


def _requests() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True, comment="order of asking"),
        *_what_is_asked(),
        Column("engine", Text, nullable=False, comment="that is to carry it: worker, celery, ..."),
        Column("state", OneOf(RequestState), nullable=False, comment="ready, delayed, blocked, submitted, running"),
        Column("run_at", OwnInstant, comment="of a delayed one: ready from then on"),
        Column("holder", Text, comment="of `workers`: whose process runs it"),
        Column("claimed_at", OwnInstant, comment="since when"),
        Column("begun", Boolean, nullable=False, server_default="0", comment="it is known that this one was under way"),
        Column("cancelled_by", Line, comment="who asked that it ends while it ran"),
        Column("unknown_since", OwnInstant, comment="no worker that met it since then knew its job"),
        Column("submitted_at", OwnInstant, comment="handed to the engine last"),
        Column("submissions", Integer, nullable=False, server_default="0", comment="how often it was"),
    )


def _dead_requests() -> tuple[Column[Any], ...]:
    return (
        Column("id", BigKey, primary_key=True, autoincrement=False, comment="the number that the request had"),
        *_what_is_asked(),
        Column("reason", Text, nullable=False, comment="failed, crashed, timed out, unknown job, unfit arguments, ..."),
        Column("error", Line, comment="of the last attempt"),
        Column("traceback", Lines, comment="of the last attempt, where tracebacks are kept"),
        Column("died_at", OwnInstant, nullable=False),
    )


def _workers() -> tuple[Column[Any], ...]:
    return (
        Column("name", Text, primary_key=True, comment="host:process:random, of one process"),
        Column("engine", Text, nullable=False, comment="under which it works"),
        Column("idle", Boolean, nullable=False, comment="it sleeps, and wants to be woken"),
        Column("started_at", OwnInstant, nullable=False),
        Column("expires_at", OwnInstant, nullable=False, comment="dead from then on, and its requests are others'"),
    )


def _request_counts() -> tuple[Column[Any], ...]:
    return (
        Column("job", Text, primary_key=True),
        Column("minute", OwnInstant, primary_key=True, comment="in which they ended"),
        Column("holder", Text, primary_key=True, comment="a row each, so that none waits for another's"),
        Column("succeeded", Integer, nullable=False),
        Column("failed", Integer, nullable=False, comment="attempts; those that are tried again too"),
        Column("died", Integer, nullable=False, comment="that became dead letters"),
        Column("run_ms", BigKey, nullable=False, comment="milliseconds that they ran, all together"),
        Column("waited_ms", BigKey, nullable=False, comment="from ready to begun, all together"),
    )


def _engine_counts() -> tuple[Column[Any], ...]:
    return (
        Column("engine", Text, primary_key=True),
        Column("day", OwnInstant, primary_key=True, comment="its beginning, in UTC"),
        Column("submitted", Integer, nullable=False, comment="numbers of runs and requests that were handed to it"),
        Column("resubmitted", Integer, nullable=False, comment="of those once more, as nobody had begun them"),
        Column("duplicates", Integer, nullable=False, comment="numbers it brought that had been begun already"),
    )


ON_DEMAND = {
    "requests": _requests,
    "dead_requests": _dead_requests,
    "workers": _workers,
    "request_counts": _request_counts,
    "engine_counts": _engine_counts,
}
