"""`sexton fleet run JOB`: a job in each database of the fleet; new or changed, it goes in waves."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ..app import App
from ..clock import iso
from ..console import complain, say, say_while_read
from ..engines.contract import own_process
from ..errors import UsageError
from ..exit_codes import DONE
from ..fleet.database import DatabaseState, FleetDatabase
from ..fleet.definitions import change_of
from ..fleet.fleet_run import FleetRunState
from ..fleet.job_visits import job_visits
from ..fleet.results import JobResult, VisitReport
from ..fleet.running import FleetEnd, FleetOrder, FleetRunner
from ..fleet.scheduled import ScheduledVisits
from ..fleet.summary import Summary
from ..fleet.visit import Errand
from ..jobs.job import Job
from ..runs.runner import RunOptions
from ..runs.stop_signals import Stop, on_signals
from ..texts import json_text
from ._common import refuse_future, require_no_request
from ._fleet import caps_of, chosen, connect_seconds_of, inventory_of, own_installation, with_list
from ._fleet_summary import print_summary


def run(app: App, arguments: Namespace) -> int:
    """Run it, and print a grid with reasons, or a line of JSON a database."""
    _require_fitting(arguments)
    refuse_future(arguments)
    jobs = [_fit(app.registry.get(name)) for name in arguments.words] or fleet_jobs(app)
    inventory = inventory_of(app)
    active = [one for one in inventory.databases if one.state is DatabaseState.ACTIVE]
    databases = chosen(active, arguments.only)
    if not databases:
        say("no active database")
        return with_list(DONE, inventory)
    stop = Stop()
    with on_signals(stop, then_ends=True):
        errand = errand_of(app, jobs, stop, own_installation(app))
        if arguments.dry_run:
            code = _dry_run(app, errand, databases, arguments)
        elif arguments.due:
            code = _due(app, errand, databases, arguments)
        else:
            code = _in_waves(app, errand, databases, arguments)
    return with_list(code, inventory)


def _require_fitting(arguments: Namespace) -> None:
    """UsageError for words that do not go together."""
    if arguments.due == bool(arguments.words) or len(arguments.words) > 1:
        raise UsageError("name one job, or say --due; `sexton jobs` lists them")
    if arguments.due and (arguments.dry_run or arguments.now or arguments.failed):
        raise UsageError("--due takes no --dry-run, --now or --failed; name a job for those")
    if arguments.failed and (arguments.dry_run or arguments.now):
        raise UsageError("--failed takes up the last run, with its time; it takes no --dry-run and no --now")


def _fit(job: Job) -> Job:
    """UsageError for a job that a fleet cannot run."""
    require_no_request(job)
    if own_process(job):
        raise UsageError(
            f"{job.name} is a function of yours; a fleet runs policies only, as nothing could end a function that "
            f"hangs: sexton run {job.name} --database URL"
        )
    return job


def fleet_jobs(app: App) -> list[Job]:
    """Those that run in a fleet: all that are made of policies, and are not on demand."""
    return [job for job in app.registry if job.on_demand is None and not own_process(job)]


def errand_of(app: App, jobs: Sequence[Job], stop: Stop, installation: str) -> Errand:
    """What visits do, as the settings have it."""
    return Errand(
        tuple(jobs),
        RunOptions(limits=app.limits(), definition=app.definition, stop=stop),
        installation,
        app.dialect,
        trusted=app.settings.trusted_roles,
        connect_seconds=connect_seconds_of(app),
    )


def _in_waves(app: App, errand: Errand, databases: Sequence[FleetDatabase], arguments: Namespace) -> int:
    (job,) = errand.jobs
    definition = change_of(app.database, job, app.policies, app.definition)
    stop = errand.options.stop
    assert stop is not None
    runner = FleetRunner(
        app.database, errand, caps_of(app), stop, told=_teller(arguments), channels=app.settings.alerts.channels
    )
    only = " ".join(sorted(arguments.only))
    end = runner.run(FleetOrder(job, definition, only, arguments.now, arguments.failed), databases)
    _tell_end(end, stop, len(databases), arguments)
    return end.summary.exit_code(halted=bool(end.halted), stopped=stop.asked)


def _tell_end(end: FleetEnd, stop: Stop, number: int, arguments: Namespace) -> None:
    if not arguments.json:
        print_summary(end.summary)
    if end.earlier:
        complain(f"fleet run: gone on with where it was cut off; {end.earlier:,} databases had had their turn")
    left = number - end.summary.total
    if end.halted:
        complain(f"fleet run: halted after wave {end.run.wave}: {end.halted}; {left:,} databases were not tried")
    elif end.run.state is FleetRunState.UNPROVEN:
        complain(f"fleet run: {end.run.error}, not counting where it only counted: it goes in waves again")
    elif stop.asked:
        complain(f"fleet run: {stop.reason}; {left:,} databases are left, the same command goes on with them")


def _dry_run(app: App, errand: Errand, databases: Sequence[FleetDatabase], arguments: Namespace) -> int:
    stop, summary, rows = errand.options.stop, Summary(), 0
    assert stop is not None
    looking = replace(errand, as_of=arguments.now, dry_run=True)
    tell = _teller(arguments)
    for reports in job_visits(databases, looking, caps_of(app), stop).reports():
        for report in reports:
            tell(report)
            rows += sum(result.counts.picked for result in report.results)
            summary.take(report)
    if not arguments.json:
        print_summary(summary)
        say(f"{rows:,} rows are due in all; nothing was changed")
    return summary.exit_code(stopped=stop.asked)


def _due(app: App, errand: Errand, databases: Sequence[FleetDatabase], arguments: Namespace) -> int:
    stop, summary = errand.options.stop, Summary()
    assert stop is not None
    visits = scheduled_visits(app, errand, stop)
    tell, number = _teller(arguments), -1
    while number != summary.total and not stop.asked:  # a wave that went well lets the next one go
        number = summary.total
        visits.look(databases)
        for reports in visits.reports():
            for report in reports:
                tell(report)
                summary.take(report)
    for job, why in visits.rollouts.halted():
        complain(f"fleet run: {job} runs nowhere any more: {why}; change it, or see `sexton fleet status`")
    if not arguments.json and summary.total:
        print_summary(summary)
    return summary.exit_code(stopped=stop.asked)


def scheduled_visits(app: App, errand: Errand, stop: Stop) -> ScheduledVisits:
    """As the settings have them; waves go by a fingerprint of each job."""
    definitions = {job.name: change_of(app.database, job, app.policies, app.definition) for job in errand.jobs}
    channels = app.settings.alerts.channels
    return ScheduledVisits(app.database, errand, caps_of(app), stop, definitions, channels=channels)


def _teller(arguments: Namespace) -> Callable[[VisitReport], None]:
    """Tells of each database as it ends: a line of JSON a job; for people the grid at the end is enough."""

    def tell(report: VisitReport) -> None:
        for result in report.results if arguments.json else ():
            say_while_read(json_text(_line(report, result)))

    return tell


def _line(report: VisitReport, result: JobResult) -> dict[str, object]:
    return {
        "database": report.database,
        "server": report.server,
        "job": result.job,
        "state": result.state,
        "slot": _written(result.slot),
        "attempt": result.attempt,
        "run": result.run_id,
        "picked": result.counts.picked,
        "changed": result.counts.changed,
        "told": result.counts.told,
        "error": result.error,
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
