"""Sexton's own tables: in schema `sexton` on PostgreSQL, with the prefix `sexton_` elsewhere.

They live in every database that jobs run in, so that fence, effects and messages commit together with the data.
Columns only, for statements; indexes and constraints are made by the migrations, so that no run pays for
loading the dialect that it does not use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import JSON, Column, Integer, MetaData, SmallInteger, Table, Text

from ..run_state import OutcomeCode, RunState
from .column_types import BigKey, Document, Line, Lines, OneOf, OwnInstant

SCHEMA = "sexton"

DATABASE = "main"
"""Name of the home database in run rows."""


@dataclass(frozen=True, slots=True)
class OwnTables:
    """The tables of one dialect. See each column's comment in `own_tables`."""

    metadata: MetaData
    runs: Table
    leases: Table
    effects: Table
    outbox_events: Table
    poison: Table
    schedules: Table
    schedules_audit: Table
    incidents: Table
    alerts: Table
    armed: Table
    archives: Table
    tracebacks: Table
    identity: Table
    calls: Table
    destinations: Table
    budgets: Table
    deliveries: Table
    watermarks: Table
    requests: Table
    dead_requests: Table
    workers: Table
    request_counts: Table
    engine_counts: Table
    slots: Table
    windows: Table
    databases: Table
    fleet_jobs: Table
    fleet_runs: Table


def own_name(dialect: str, name: str) -> tuple[str, str | None]:
    """(table name, schema) of one of our tables in this dialect."""
    return (name, SCHEMA) if dialect == "postgresql" else (f"{SCHEMA}_{name}", None)


@cache
def own_tables(dialect: str) -> OwnTables:
    """Our tables as the dialect ("postgresql", "sqlite") names them."""
    metadata = MetaData()
    makers = (_runs, _leases, _effects, _outbox_events, _poison, _schedules, _schedules_audit)
    from .fleet_run_tables import FLEET_RUNS
    from .fleet_tables import FLEET, IDENTITY
    from .incident_tables import INCIDENT_TABLES
    from .outside_tables import OUTSIDE
    from .request_tables import ON_DEMAND

    later = (_armed, _archives, _tracebacks, _slots, _windows)
    made = {make.__name__.lstrip("_"): make(dialect, metadata) for make in (*makers, *later)}
    columns_of = {**IDENTITY, **INCIDENT_TABLES, **OUTSIDE, **ON_DEMAND, **FLEET, **FLEET_RUNS}
    for name, columns in columns_of.items():
        made[name] = _table(dialect, metadata, name, *columns())
    return OwnTables(metadata, **made)


def _table(dialect: str, metadata: MetaData, name: str, *items: Column[object]) -> Table:
    own, schema = own_name(dialect, name)
    return Table(own, metadata, *items, schema=schema)


def _runs(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "runs",
        Column("id", BigKey, primary_key=True),
        Column("job", Text, nullable=False),
        Column("database", Text, nullable=False),
        Column("slot", OwnInstant, comment="the instant the run was due; NULL: started by hand"),
        Column("attempt", Integer, nullable=False),
        Column("state", OneOf(RunState), nullable=False),
        Column("worker", Text, nullable=False, comment="host:process of the holder"),
        Column("epoch", BigKey, nullable=False, comment="of the job's lease when the run was claimed"),
        Column("as_of", OwnInstant, nullable=False, comment="the frozen now of the run"),
        Column("started_at", OwnInstant, nullable=False),
        Column("finished_at", OwnInstant),
        Column("batches", Integer, nullable=False, server_default="0", comment="committed data transactions"),
        Column("counts", Document, nullable=False, comment="rows a step: picked, changed, told, ..."),
        Column("picked", BigKey, comment="rows of all steps that were due; NULL in these four: before 1013"),
        Column("changed", BigKey, comment="rows of all steps that were changed or deleted"),
        Column("told", BigKey, comment="facts that all steps put on record for the first time"),
        Column("skipped", BigKey, comment="rows of all steps that others held locked to the end"),
        Column("error", Line, comment="why it did not go well: first line only, no row values"),
        Column("note", Line, comment="what there is to say about a run that went well; before 1013 in `error`"),
        Column("outcome_code", OneOf(OutcomeCode), comment="why it ended so, for rules and programs"),
        Column("definition", Line, nullable=False, comment="fingerprint of the settings"),
        Column("missed", Integer, nullable=False, server_default="0", comment="earlier slots this run stands for"),
        Column("asked_by", Line, comment="who asked for a run without a slot, through the queue"),
        Column("local_slot", Text, comment="local time and zone of the slot by the rules of its day"),
        Column(
            "infrastructure_failures", Integer, comment="earlier attempts at the slot that were no fault of the job"
        ),
        Column("engine", Text, comment="to which a queued run was handed; NULL: to none"),
        Column("submitted_at", OwnInstant, comment="when, the last time; NULL while it is to be handed on"),
        Column("submissions", Integer, comment="how often"),
        Column(
            "request", BigKey, comment="number of the request that it was, see `requests`; NULL: of a scheduled run"
        ),
    )


def _leases(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "leases",
        Column("name", Text, primary_key=True, comment="full name, never a hash: two names never collide"),
        Column("holder", Text, comment="NULL: free"),
        Column("epoch", BigKey, nullable=False, comment="grows by one with every holder; never reset"),
        Column("expires_at", OwnInstant, nullable=False),
    )


def _effects(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "effects",
        Column("key", Text, primary_key=True, comment="the fact: subject + deadline + step"),
        Column("job", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("run_id", BigKey),
        Column("created_at", OwnInstant, nullable=False),
        Column("form", SmallInteger, comment="1: key, subject are read in one way only; NULL: before revision 0010"),
        Column("delivered_at", OwnInstant, comment="when every message about it had been delivered; NULL: not known"),
    )


def _outbox_events(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "outbox_events",
        Column("id", BigKey, primary_key=True, comment="order of writing"),
        Column("key", Text, nullable=False, comment="stable id for receivers: the effect key"),
        Column("event_type", Text, nullable=False),
        Column("recipient", Text),
        Column("payload", JSON, nullable=False),
        Column("created_at", OwnInstant, nullable=False),
        Column("published_at", OwnInstant),
        Column("attempt_count", Integer, nullable=False, server_default="0"),
        Column("last_attempted_at", OwnInstant),
        Column("last_error", Line),
    )


def _poison(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "poison",
        Column("job", Text, primary_key=True),
        Column("step", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("error", Line, nullable=False, comment="SQLSTATE, constraint and first line; no row values"),
        Column("attempts", Integer, nullable=False),
        Column("run_id", BigKey),
        Column("first_seen_at", OwnInstant, nullable=False),
        Column("last_seen_at", OwnInstant, nullable=False),
        Column("next_at", OwnInstant, comment="tried again from then on; NULL: waits for a person"),
        Column("form", SmallInteger, comment="1: subject is read in one way only; NULL: before revision 0010"),
    )


def _schedules(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "schedules",
        Column("job", Text, primary_key=True),
        Column("expression", Text, comment="schedule and zone that were last in force"),
        Column("expression_since", OwnInstant, comment="no earlier slot of it is due; NULL: it was there first"),
        Column("schedule", Text, comment="in place of the job's own"),
        Column("timezone", Text, comment="in place of the job's own"),
        Column("paused_at", OwnInstant),
        Column("paused_until", OwnInstant, comment="NULL: until somebody resumes it"),
        Column("reason", Line, comment="of the pause or the other schedule"),
        Column("version", BigKey, nullable=False, comment="grows with every change by a person"),
        Column("changed_by", Line),
        Column("changed_at", OwnInstant),
        Column("seen_at", OwnInstant, comment="when somebody first looked whether the job is due"),
    )


def _schedules_audit(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "schedules_audit",
        Column("id", BigKey, primary_key=True),
        Column("job", Text, nullable=False),
        Column("version", BigKey, nullable=False, comment="that this change made"),
        Column("action", Text, nullable=False, comment="pause, resume, reschedule, trigger"),
        Column("detail", Document, nullable=False),
        Column("changed_by", Line, nullable=False),
        Column("changed_at", OwnInstant, nullable=False),
    )


def _armed(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "armed",
        Column("policy", Text, primary_key=True, comment="of the settings file; of another job: its name/step"),
        Column("definition", Line, nullable=False, comment="fingerprint of what was confirmed"),
        Column("armed_at", OwnInstant, nullable=False),
        Column("armed_by", Line, nullable=False),
        Column("allowed", BigKey, comment="rows that runs may still take whatever their limits; NULL: none"),
        Column("tables", JSON, comment="that were looked at, by the names that the policy has for them"),
        Column("folder", Text, comment="where it writes files, links resolved; NULL: it writes none, or not known yet"),
    )


def _archives(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "archives",
        Column("file", Text, primary_key=True, comment="name of the file; on record before it is written"),
        Column("job", Text, nullable=False),
        Column("run_id", BigKey, nullable=False),
        Column("rows", BigKey, comment="of the job's table in the file; NULL: it is not known to be complete"),
        Column("deleted", BigKey, nullable=False, comment="of those; the others had changed, and stayed"),
        Column("sha256", Text, comment="of the file: on record before it has its name, and what decides"),
        Column("size", BigKey, comment="of the file in bytes"),
        Column("longest", BigKey, comment="of its lines, in bytes; NULL: of a version that did not keep it"),
        Column("text_size", BigKey, comment="of all its lines, in bytes"),
        Column("manifest", Text, comment="sha256 of the manifest beside it"),
        Column("created_at", OwnInstant, nullable=False),
        Column("finished_at", OwnInstant, comment="NULL: rows of it are still to be deleted"),
        Column("waiting", Text, comment="JSON: keys of rows that a run could not delete; true: many; NULL: none did"),
    )


def _tracebacks(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "tracebacks",
        Column("run_id", BigKey, primary_key=True, autoincrement=False),
        Column("place", Line, comment="where in the product's code: file:line in function"),
        Column("text", Lines, nullable=False, comment="without secrets, without values"),
        Column("created_at", OwnInstant, nullable=False),
    )


def _slots(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "slots",
        Column("job", Text, primary_key=True),
        Column("slot", OwnInstant, primary_key=True, comment="of a job with fixed times, for procedures (pg_cron)"),
        Column("local_slot", Text, comment="as in `runs`"),
    )


def _windows(dialect: str, metadata: MetaData) -> Table:
    return _table(
        dialect,
        metadata,
        "windows",
        Column("definition", Text, primary_key=True, comment="schedule and zone of a roll-up's windows"),
        Column("starts", OwnInstant, primary_key=True, comment="where one begins, and the one before ends"),
    )
