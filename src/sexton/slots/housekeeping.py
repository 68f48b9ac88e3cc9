"""Housekeeping: Sexton's own tables stay small, by the same policies that it runs for others.

The job `sexton.housekeeping` is there without asking for it. Failures are kept longer than successes; effects are kept
longest, as they are the memory that keeps a second notice from being sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, and_, exists, or_

from ..db.tables import OwnTables, own_tables
from ..policies.contract import Policy
from ..policies.purge import Purge
from ..run_state import KEPT_AS_FAILURE


def steps(keep: Mapping[str, str], dialect: str, with_outbox: bool) -> list[Policy]:
    """The work of `sexton.housekeeping`.

    keep: durations for runs, failed_runs, effects, outbox, poison, incidents, tracebacks.
    with_outbox: False when a pack purges the outbox.
    """
    own = own_tables(dialect)
    runs, poison, incidents = own.runs.c, own.poison.c, own.incidents.c
    failed = runs.state.in_(KEPT_AS_FAILURE)
    ended = runs.finished_at.is_not(None)
    closed = incidents.closed_at.is_not(None)  # an open one stays, however old
    told = _beside_the_newest(own.runs)
    purges: list[Policy] = [
        Purge(own.runs, by=runs.finished_at, keep=keep["runs"], only=and_(ended, ~failed, told), name="runs"),
        Purge(own.runs, by=runs.finished_at, keep=keep["failed_runs"], only=and_(failed, told), name="failed_runs"),
        Purge(own.effects, by=own.effects.c.created_at, keep=keep["effects"], name="effects"),
        Purge(own.poison, by=poison.last_seen_at, keep=keep["poison"], name="poison"),
        Purge(own.alerts, by=own.alerts.c.created_at, keep=keep["incidents"], name="alerts"),
        Purge(own.incidents, by=incidents.closed_at, keep=keep["incidents"], only=closed, name="incidents"),
        Purge(own.schedules_audit, by=own.schedules_audit.c.changed_at, keep=keep["incidents"], name="schedules_audit"),
    ]
    traces = own.tracebacks
    purges.append(Purge(traces, by=traces.c.created_at, keep=keep["tracebacks"], name="tracebacks"))
    purges += _outside(own, keep)
    if with_outbox:
        events = own.outbox_events
        purges.append(Purge(events, by=events.c.published_at, keep=keep["outbox"], name="outbox"))
    return purges


def _outside(own: OwnTables, keep: Mapping[str, str]) -> list[Policy]:
    """Budgets that nobody has used for a day, and whoever works and has not been called for as long as effects last."""
    budgets, destinations = own.budgets, own.destinations
    columns = destinations.c
    works = and_(*(column.is_(None) for column in (columns.rest_until, columns.first_failed_at, columns.disabled_at)))
    last = columns.last_ok_at
    return [
        Purge(budgets, by=budgets.c.over_at, keep="1d", name="budgets"),
        Purge(destinations, by=last, keep=keep["effects"], only=works, name="destinations"),
    ]


def _beside_the_newest(runs: Table) -> ColumnElement[bool]:
    """Any run but those for the newest slot of their job, without which a yearly job would count as not done."""
    later = runs.alias("later")
    mine = (later.c.job == runs.c.job, later.c.database == runs.c.database, later.c.slot > runs.c.slot)
    return or_(runs.c.slot.is_(None), exists().where(*mine))
