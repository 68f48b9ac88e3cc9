"""What would hurt jobs inside PostgreSQL: for `sexton doctor`. Whether they are late is judged from runs, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from ...app import App
from ...db.connect import read_only
from ...db.migrate import require_schema
from ...db.server_clock import ask_now
from ...doctor.finding import Finding
from ...errors import SextonError
from ...jobs.job import IN_DATABASE
from ...telemetry.slot_rules import slot_matches
from .cron_database import InstalledLine, cron_connection, lines
from .installation import of_database
from .options import options_of
from .wanted import database_name

CRON_QUIET = timedelta(hours=2)
"""The line of all jobs starts once an hour: after so long without a start pg_cron itself stands still."""

_KNOWN = text(
    "SELECT 'version', extversion FROM pg_extension WHERE extname = 'pg_cron'"
    " UNION ALL SELECT name, setting FROM pg_settings WHERE name LIKE 'cron.%'"
)


def inside_findings(app: App) -> Iterator[Finding]:
    """About pg_cron and the lines of this database; nothing where no job is given to PostgreSQL."""
    if not any(job.engine == IN_DATABASE for job in app.registry):
        return
    options = options_of(app)
    try:
        yield from _slots(app)
        if options.called_by != "cron":
            return
        with cron_connection(app, options) as cron:
            known = {row[0]: row[1] for row in cron.execute(_KNOWN)}
            there = list(of_database(lines(cron), database_name(app)))
        with read_only(app.database) as connection:
            now = ask_now(connection)
    except SextonError as error:
        yield Finding("wrong", IN_DATABASE, str(error))
        return
    yield from findings_of(known, there, now)


def findings_of(known: Mapping[str, str], there: Sequence[InstalledLine], now: datetime) -> Iterator[Finding]:
    """known: version and the settings of pg_cron that this role may see.  there: lines of this database."""
    old = known.get("version", "").startswith("1.4")
    workers = known.get("cron.use_background_workers")
    if workers == "off":
        host = known.get("cron.host", "localhost")
        said = f"each start connects to {host} as the role of the jobs, which pg_hba.conf or a .pgpass of the server's "
        yield Finding("note", IN_DATABASE, f"{said}account must allow; or set cron.use_background_workers = on")
    elif workers == "on" and old:
        said = "pg_cron 1.4 with background workers may begin nothing new while a line still runs; "
        yield Finding(
            "note", IN_DATABASE, f"{said}1.5 does, or cron.use_background_workers = off with a socket as host"
        )
    zone = known.get("cron.timezone", "GMT")
    if zone not in ("GMT", "UTC", "Etc/UTC"):
        said = f"lines are written in UTC, and cron.timezone is {zone}: jobs start at other times, or an hour late"
        yield Finding("wrong", IN_DATABASE, f"{said}; set cron.timezone = 'GMT', and restart")
    most = known.get("cron.max_running_jobs")
    if most is not None and len(there) > int(most):
        said = f"{len(there)} lines are of this database alone, and pg_cron runs {most} at once in all databases"
        yield Finding("note", IN_DATABASE, f"{said}; raise cron.max_running_jobs and max_worker_processes")
    yield from _standing(there, now)


def _slots(app: App) -> Iterator[Finding]:
    """About slots that run low, as whoever would write them has not."""
    with read_only(app.database) as connection:
        require_schema(connection)
        low = slot_matches(connection, app.registry, ask_now(connection))
    for (job, _), match in low.items():
        yield Finding("wrong", IN_DATABASE, match.text, job=job)


def _standing(there: Sequence[InstalledLine], now: datetime) -> Iterator[Finding]:
    if not there:
        yield Finding("wrong", IN_DATABASE, "nothing is scheduled for this database; run: sexton pg-cron install")
        return
    disabled = sum(not line.active for line in there)
    if disabled:
        yield Finding(
            "wrong", IN_DATABASE, f"{disabled} of {len(there)} lines are disabled; see `sexton pg-cron status`"
        )
    starts = [line.last_at for line in there if line.last_at is not None]
    if starts and now - max(starts) > CRON_QUIET:
        said = f"pg_cron has started nothing here since {max(starts):%Y-%m-%d %H:%M} UTC; is its launcher dead?"
        yield Finding("wrong", IN_DATABASE, f"{said} It stays away until the server is restarted")
