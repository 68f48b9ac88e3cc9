"""`sexton fleet status`: how each job stands over the fleet, as the home database remembers; no database is asked."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from ..app import App
from ..clock import iso
from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..exit_codes import DONE, FAILED
from ..fleet.database import DatabaseState
from ..fleet.fleet_run import FleetRun, FleetRunState, latest_of_each
from ..fleet.known_databases import known_databases
from ..fleet.memory import FleetJob, read_jobs, worst_databases
from ..fleet.results import Standing
from ..fleet.summary import Summary
from ..texts import json_text
from ._fleet import chosen, print_wrapped
from ._fleet_run import fleet_jobs
from ._fleet_summary import print_summary


def run(app: App, arguments: Namespace) -> int:
    """Print a grid with reasons, or a line of JSON a job and database."""
    named = [app.registry.get(name).name for name in arguments.words]
    with read_only(app.database) as connection:
        require_schema(connection)
        active = [one for one in known_databases(connection).values() if one.state is DatabaseState.ACTIVE]
        names = [one.name for one in chosen(active, arguments.only)]
        rows = {(row.database, row.job): row for row in read_jobs(connection)}
        runs = latest_of_each(connection)
        worst = worst_databases(connection, names) if arguments.worst else []
    if not names:
        say("no active database is known; sexton fleet list reads the list")
        return DONE
    if arguments.worst:
        if worst:
            say(*map(json_text, worst))
        return DONE
    jobs = named or sorted({job.name for job in fleet_jobs(app)} | {*runs})
    summary = Summary()
    for row in _standing(names, jobs, rows):
        summary.add(row.database, row.job, row.state, row.error)
        if arguments.json:
            say(json_text(_line(row)))
    if not arguments.json:
        print_summary(summary)
        for job in jobs:
            if job in runs:
                print_wrapped(_in_words(runs[job]))
    halted = any(run.state is FleetRunState.HALTED for job, run in runs.items() if job in jobs)
    return FAILED if halted else summary.exit_code(waiting_is_well=True)


def _standing(names: list[str], jobs: list[str], rows: dict[tuple[str, str], FleetJob]) -> Iterator[FleetJob]:
    """A row for each job and database, also where none is kept yet."""
    for job in jobs:
        for name in names:
            yield rows.get((name, job)) or FleetJob(name, job, None, None, Standing.WAITING, 0, None, "")


def _in_words(run: FleetRun) -> str:
    began = f"{run.job}: run over the fleet of {run.begun_at:%Y-%m-%d %H:%M:%S} UTC"
    only = f", only {run.only}" if run.only else ""
    if run.state is FleetRunState.UNDER_WAY:
        return f"{began}{only}: wave {run.wave}; under way, or cut off: `sexton fleet run {run.job}` goes on with it"
    return f"{began}{only}: {run.state}{f' after wave {run.wave}: {run.error}' if run.error else ''}"


def _line(row: FleetJob) -> dict[str, object]:
    return {
        "database": row.database,
        "job": row.job,
        "state": row.state,
        "slot": None if row.slot is None else iso(row.slot),
        "attempt": row.attempt,
        "next": None if row.next_at is None else iso(row.next_at),
        "definition": row.definition,
        "error": row.error,
    }
