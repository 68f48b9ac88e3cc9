"""Housekeeping: Sexton's own tables stay small, by the same policies that it runs for others.

The job `sexton.housekeeping` is there without asking for it. Failures are kept longer than successes; effects are kept
longest, as they are the memory that keeps a second notice from being sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, and_, exists, or_

from ..call_state import ENDED_BADLY
from ..db.tables import OwnTables, own_tables
from ..policies.contract import Policy
from ..policies.purge import Purge
from ..request_state import RequestState
from ..run_state import KEPT_AS_FAILURE

DELIVERIES = "sexton.deliver"
"""How the names of jobs begin that run whenever a message waits: thousands of runs a day, of which few say anything."""


def steps(keep: Mapping[str, str], dialect: str, with_outbox: bool) -> list[Policy]:
    """The work of `sexton.housekeeping`.

    keep: durations for runs, failed_runs, effects, outbox, poison, incidents, tracebacks, dead_requests,
    request_counts.
    with_outbox: False when a pack purges the outbox.
    """
    own = own_tables(dialect)
    runs, poison, incidents = own.runs.c, own.poison.c, own.incidents.c
    failed = runs.state.in_(KEPT_AS_FAILURE)
    ended = runs.finished_at.is_not(None)
    closed = incidents.closed_at.is_not(None)  # an open one stays, however old
    told = _beside_the_newest(own.runs)
    short = and_(runs.job.startswith(DELIVERIES, autoescape=True), runs.slot.is_(None))
    purges: list[Policy] = [
        Purge(own.runs, by=runs.finished_at, keep=keep["runs"], only=and_(ended, ~failed, told), name="runs"),
        Purge(own.runs, by=runs.finished_at, keep=keep["failed_runs"], only=and_(failed, told), name="failed_runs"),
        Purge(own.runs, by=runs.finished_at, keep="2d", only=and_(ended, ~failed, short), name="deliveries_made"),
        Purge(own.effects, by=own.effects.c.created_at, keep=keep["effects"], name="effects"),
        Purge(own.poison, by=poison.last_seen_at, keep=keep["poison"], name="poison"),
        Purge(own.alerts, by=own.alerts.c.created_at, keep=keep["incidents"], name="alerts"),
        Purge(own.incidents, by=incidents.closed_at, keep=keep["incidents"], only=closed, name="incidents"),
        Purge(own.schedules_audit, by=own.schedules_audit.c.changed_at, keep=keep["incidents"], name="schedules_audit"),
    ]
    traces = own.tracebacks
    purges.append(Purge(traces, by=traces.c.created_at, keep=keep["tracebacks"], name="tracebacks"))
    purges.append(Purge(own.engine_counts, by=own.engine_counts.c.day, keep="90d", name="engine_counts"))
    purges += [*_outside(own, keep), *_on_demand(own, keep)]
    # What home remembers of databases and jobs that are no longer visited; what is, is written anew.
    purges.append(Purge(own.fleet_jobs, by=own.fleet_jobs.c.visited_at, keep=keep["effects"], name="fleet_jobs"))
    purges.append(Purge(own.fleet_runs, by=own.fleet_runs.c.ended_at, keep=keep["effects"], name="fleet_runs"))
    if with_outbox:
        events = own.outbox_events
        purges.append(Purge(events, by=events.c.published_at, keep=keep["outbox"], name="outbox"))
    return purges


def _outside(own: OwnTables, keep: Mapping[str, str]) -> list[Policy]:
    """Calls, deliveries, and who was called. A dead letter goes when its message has gone: the relay sees to that."""
    calls, deliveries, who = own.calls.c, own.deliveries.c, own.destinations.c
    bad = deliveries.state.in_(ENDED_BADLY)
    sent = and_(deliveries.closed_at.is_not(None), ~bad)
    works = and_(*(column.is_(None) for column in (who.rest_until, who.first_failed_at, who.disabled_at)))
    return [
        # Without it a row that still looks as if it were to be called for would be: a memory, as effects are.
        Purge(own.calls, by=calls.closed_at, keep=keep["effects"], only=calls.closed_at.is_not(None), name="calls"),
        Purge(own.deliveries, by=deliveries.closed_at, keep=keep["outbox"], only=sent, name="deliveries"),
        Purge(own.destinations, by=who.last_ok_at, keep=keep["effects"], only=works, name="destinations"),
        Purge(own.budgets, by=own.budgets.c.over_at, keep="1d", name="budgets"),
    ]


def _on_demand(own: OwnTables, keep: Mapping[str, str]) -> list[Policy]:
    """Requests are rows that are not over. What can be left of them: one asked for ten years ahead and forgotten."""
    requests, dead = own.requests.c, own.dead_requests.c
    never = requests.state == RequestState.BLOCKED
    return [
        Purge(own.requests, by=requests.created_at, keep=keep["failed_runs"], only=never, name="requests"),
        Purge(own.dead_requests, by=dead.died_at, keep=keep["dead_requests"], name="dead_requests"),
        Purge(own.workers, by=own.workers.c.expires_at, keep="1h", name="workers"),
        Purge(own.request_counts, by=own.request_counts.c.minute, keep=keep["request_counts"], name="request_counts"),
    ]


def _beside_the_newest(runs: Table) -> ColumnElement[bool]:
    """Any run but those for the newest slot of their job, without which a yearly job would count as not done."""
    later = runs.alias("later")
    mine = (later.c.job == runs.c.job, later.c.database == runs.c.database, later.c.slot > runs.c.slot)
    return or_(runs.c.slot.is_(None), exists().where(*mine))
