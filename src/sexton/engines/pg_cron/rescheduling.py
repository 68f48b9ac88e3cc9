"""A job that people have rescheduled: its procedure, slots and line follow, in the database that holds it."""

from __future__ import annotations

from ...app import App
from ...errors import UsageError
from .cron_database import cron_connection, lines, put
from .installation import execute, fill_slots, installing, require_role
from .installed import procedures
from .options import PgCronOptions
from .procedure import Procedure, procedure_name
from .wanted import require_postgresql, wanted

_OF_SCHEDULE = ('"expression":', '"every":', '"offset":')
"""How the lines of a procedure begin in which its schedule stands, see `run_settings`."""


def follow(app: App, options: PgCronOptions, name: str) -> bool:
    """Make all of a job anew that its schedule in force decides, and nothing else; False: it is not installed here.

    UsageError, and nothing is done, where it cannot be installed, differs from the settings in more than its schedule,
    or pg_cron cannot be had; DatabaseUnreachable.
    """
    require_postgresql(app)
    with installing(app) as connection:
        there = procedures(connection).get(procedure_name(name))
    if there is None:
        return False
    require_role(app)
    if options.called_by == "cron":
        with cron_connection(app, options):  # refuses, before anything is made
            pass
    found = wanted(app, options, only=name)
    if not found.jobs:
        raise UsageError(f"{name}: {(found.left | found.wrong)[name]}")
    (job,), (procedure,) = found.jobs, found.procedures
    if not _differs_by_schedule(there.body, procedure):
        raise UsageError(f"{name}: its installed procedure differs from the settings in more than its schedule")
    with installing(app) as connection:
        execute(connection, procedure.create)
        fill_slots(connection, [job])
    line = found.line_of(job)
    if line is not None:
        with cron_connection(app, options) as cron:
            put(cron, line, {one.line.name: one for one in lines(cron)})
    return True


def _differs_by_schedule(installed: str, procedure: Procedure) -> bool:
    """Whether nothing but its schedule, or nothing at all, stands otherwise in the text of the procedure."""
    before, after = installed.splitlines(), procedure.body.splitlines()
    changed = [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]]
    return len(before) == len(after) and all(
        line.lstrip().startswith(_OF_SCHEDULE) for pair in changed for line in pair
    )
