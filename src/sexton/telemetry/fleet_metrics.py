"""Metrics about a fleet: in how many databases each job stands how, by server; never a series for a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select

from ..db.tables import own_tables
from .metric_family import GAUGE, MetricFamily

MAX_SERVERS = 50
"""Servers that have series of their own, those with most databases; the rest is "other"."""

OTHER = "other"

VISITED = "active"
"""State of the databases that are visited; what waits in one that is paused is not overdue."""

FLEET_DATABASES = MetricFamily(
    "sexton_fleet_databases",
    GAUGE,
    f"databases of the fleet by how a job stands there, and by server; beyond {MAX_SERVERS} servers it is `other`",
    labels=("state", "server"),
)
FLEET_OVERDUE = MetricFamily(
    "sexton_fleet_overdue_seconds", GAUGE, "how long the visit has been due that waits longest; 0: none is due"
)

FLEET_METRICS = (FLEET_DATABASES, FLEET_OVERDUE)


@dataclass(frozen=True, slots=True)
class FleetCounters:
    """standing: (job, state, server) to number of databases.  overdue: seconds by job."""

    standing: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    overdue: Mapping[str, float] = field(default_factory=dict)


def read_fleet(connection: Connection, now: datetime) -> FleetCounters:
    """As the home database remembers it. Elsewhere there is nothing to tell."""
    own = own_tables(connection.dialect.name)
    jobs, databases = own.fleet_jobs, own.databases
    visited = databases.c.gone_at.is_(None) & (databases.c.state == VISITED)
    listed = jobs.join(databases, (databases.c.name == jobs.c.database) & visited)
    by_server = (jobs.c.job, jobs.c.state, databases.c.server)
    rows = connection.execute(select(*by_server, func.count()).select_from(listed).group_by(*by_server)).all()
    sizes: Counter[str] = Counter()
    for _, _, server, number in rows:
        sizes[server] += number
    shown = {server for server, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:MAX_SERVERS]}
    standing: Counter[tuple[str, str, str]] = Counter()
    for job, state, server, number in rows:
        standing[job, state, server if server in shown else OTHER] += number
    oldest = func.min(jobs.c.next_at, type_=jobs.c.next_at.type)
    waits = connection.execute(select(jobs.c.job, oldest).select_from(listed).group_by(jobs.c.job))
    overdue = {job: 0.0 if at is None else max((now - at).total_seconds(), 0.0) for job, at in waits}
    return FleetCounters(standing, overdue)


def fleet_samples(counters: FleetCounters) -> Iterator[tuple[MetricFamily, dict[str, str], float]]:
    """With their labels."""
    for (job, state, server), number in sorted(counters.standing.items()):
        yield FLEET_DATABASES, {"job": job, "state": state, "server": server}, number
    for job, seconds in sorted(counters.overdue.items()):
        yield FLEET_OVERDUE, {"job": job}, seconds
