"""Check everything and start nothing: settings, jobs, policies, and, when it answers, the database.

Without a database it still checks settings, schedules and policies, all but the tables that settings name; --offline
says that this is wanted. --health asks only how the jobs are, for monitors: exit code 0 when all is well, 1 when a job
is too late or no worker leads, 69 when the database cannot be reached.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from ..app import App
from ..config import shown
from ..config.exposure import exposures
from ..console import say
from ..db.connect import read_only
from ..db.faults import describe
from ..db.migrate import HEAD_REVISION, require_schema
from ..db.operator_query import ask_in_own_session
from ..db.server_clock import ask_now, skew
from ..doctor.inspection import job_warnings
from ..doctor.role_trust import of_home, of_role
from ..doctor.roll_up_waits import rollup_warnings
from ..doctor.write_access import why_not_openable, why_not_writable
from ..errors import SettingsError, SextonError
from ..exit_codes import DONE, FAILED, USAGE
from ..jobs import crowding
from ..jobs.job import Job, LazyWork
from ..policies.contract import Plan
from ..runs.failure import error_message
from ..runs.runner import planned
from ..slots.schedule_overrides import override_error, overrides
from ..telemetry.health import read_health
from . import _check_exposure
from ._common import add_json, duration_words, open_app, print_json

CLOCK_WARNING = 5.0
"""Seconds between the clocks from which it is said; from 60 nothing runs."""


class CheckResult(NamedTuple):
    """What one check says. level: ok, warning or wrong.  exit_code: 0 but for what is wrong."""

    level: str
    about: str
    text: str
    exit_code: int = DONE


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--offline", action="store_true", help="do not connect to the database")
    either.add_argument("--health", action="store_true", help="only: are the jobs run in time? a line a late job")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print one line a check; the exit code of the first that failed."""
    found = []
    app = open_app(arguments, partly=True)
    for finding in _health(app) if arguments.health else _findings(app, offline=arguments.offline):
        found.append(finding)
        if not arguments.json:
            say(f"{finding.level:<8} {finding.about}: {finding.text}")
    if arguments.json:
        print_json([finding._asdict() for finding in found])
    return next((finding.exit_code for finding in found if finding.exit_code), DONE)


def _findings(app: App, *, offline: bool) -> Iterator[CheckResult]:
    yield CheckResult("ok", "settings", f"{shown(app.settings.database)}, {len(app.registry)} jobs")
    yield from (CheckResult("warning", *found) for found in _exposed(app))
    yield from _not_loaded(app)
    wrong = set[str]()
    for job in app.registry:
        if not (isinstance(job.work, LazyWork) and job.work.asks_database):  # whose tables only the database knows
            finding = _tried(job.name, lambda job=job: _planned(job))  # type: ignore[misc]
            wrong |= {job.name} if finding.exit_code else set()
            yield finding
    yield from (CheckResult("wrong", *found, USAGE) for found in _templates(app))
    schedules = {job.name: job.schedule for job in app.registry if job.schedule is not None}
    for about, text in crowding.crowding_warnings(schedules, datetime.now(UTC)):
        yield CheckResult("warning", about, text)
    if offline:
        return
    schema = _tried("database", lambda: _schema(app))
    yield schema
    if schema.exit_code:
        return
    if (why := why_not_writable(app.database)) is not None:
        yield CheckResult("wrong", "database", why, USAGE)
    yield from _strangers(app)
    if app.settings.run.pause_while is not None:
        yield _tried("run.pause_while", lambda: _brake(app))
    yield from _misfits(app)
    yield from (CheckResult("warning", *found) for found in _left_alone(app))
    for job in app.registry:
        if job.name not in wrong:
            yield from _here(app, job)
    yield from (CheckResult("warning", *found) for found in rollup_warnings(_plans(app)))


def _exposed(app: App) -> Iterator[tuple[str, str]]:
    """What others could write, read or overhear: files, pages, messages."""
    yield from exposures(app.settings, app.files, app.folder, app.policies)
    yield from _check_exposure.warnings(app.settings)


def _not_loaded(app: App) -> Iterator[CheckResult]:
    for source, error in app.registry.unloaded.items():
        yield CheckResult("wrong", source, str(error), error.exit_code)


def _health(app: App) -> Iterator[CheckResult]:
    """One line a late or new job, one for a leader that is missing; one that all is well."""
    with read_only(app.database) as connection:
        require_schema(connection)
        health = read_health(connection, app.registry, ask_now(connection), app.settings.alerts.late_limit)
    yield from _not_loaded(app)
    if health.unwatched:
        text = "nothing has looked yet whether a job is due; start `sexton worker`, or `sexton run --due` by cron"
        yield CheckResult("wrong", "health", text, FAILED)
    for job in () if health.unwatched else health.unseen:
        yield CheckResult("warning", job.job, "new: nothing has looked yet whether it is due")
    for job in health.late:
        late, allowed = duration_words(job.lateness), duration_words(job.allowed)
        yield CheckResult("wrong", job.job, f"{late} late, more than {allowed}", FAILED)
    if health.leader_missing:
        yield CheckResult("wrong", "worker", "none leads, and one did within the last day", FAILED)
    if health.ok and not app.registry.unloaded:
        yield CheckResult("ok", "health", f"{len(health.jobs)} jobs, none too late")


def _planned(job: Job) -> str:
    if job.on_demand is not None:
        from ..runs.requests.functions import demanded

        return f"on demand, {demanded(job).parameters}"
    steps = planned(job)
    functions = sum(callable(step) for step in steps)
    parts = ((len(steps) - functions, "policy", "policies"), (functions, "function", "functions"))
    return ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in parts if number)


def _schema(app: App) -> str:
    """Whether it answers, has our tables, and lets this user in."""
    if (why := why_not_openable(app.database)) is not None:
        raise SettingsError(why)
    with read_only(app.database) as connection:
        require_schema(connection)
        apart = skew(ask_now(connection))
    careful = "; set the clocks right" if abs(apart) > CLOCK_WARNING else ""
    return f"revision {HEAD_REVISION}; this clock is {apart:+.1f} s from the database's{careful}"


def _strangers(app: App) -> Iterator[CheckResult]:
    """What of others would run as this role, or could: its rights, its path, Sexton's own schema (SEC-15, SEC-19)."""
    with read_only(app.database) as connection:
        for level, stranger in of_home(connection):
            yield CheckResult(level, "database", str(stranger), USAGE if level == "wrong" else DONE)
        for stranger in of_role(connection):
            yield CheckResult("warning", "database", str(stranger))


def _brake(app: App) -> str:
    """Whether the query of the settings can be asked, and what it says."""
    from ..runs.throttle import EVERY

    try:
        rests = ask_in_own_session(app.database, app.settings.run.pause_while or "", EVERY)
    except DBAPIError as error:
        raise SettingsError(f"cannot be asked: {describe(error)}") from error
    return f"can be asked; runs {'rest' if rests else 'go on'} now"


def _templates(app: App) -> Iterator[tuple[str, str]]:
    """Templates of routes that cannot be used."""
    if app.settings.route:
        from ..relay.inspection import template_faults

        yield from template_faults(app.relay)


def _left_alone(app: App) -> Iterator[tuple[str, str]]:
    """Messages that wait and that no route takes."""
    if app.settings.route:
        from ..relay.inspection import left_alone

        with read_only(app.database) as connection:
            yield from left_alone(connection, app.relay.open(app.database))


def _misfits(app: App) -> Iterator[CheckResult]:
    """Changes by people that have no effect any more."""
    with read_only(app.database) as connection:
        known = overrides(connection)
    for job in app.registry:
        if (why := override_error(job, known.get(job.name))) is not None:
            yield CheckResult("warning", job.name, why)


def _plans(app: App) -> Iterator[tuple[str, Plan, str | None]]:
    """Of all jobs that can be planned, and what a policy of the settings waits for; the others were told about."""
    for job in app.registry:
        try:
            steps = planned(job, app.database)
        except SextonError:
            continue
        declared = app.policies.get(job.name.removeprefix("policies."))
        for step in steps:
            if isinstance(step, Plan):
                yield job.name, step, None if declared is None else declared.before


def _here(app: App, job: Job) -> Iterator[CheckResult]:
    """Whether the job's statements work on this database, and what would hurt."""
    warnings: list[str] = []

    def statements() -> str:
        warnings.extend(job_warnings(app.database, job))
        return "its statements work here"

    yield _tried(job.name, statements)
    for warning in warnings:
        yield CheckResult("warning", job.name, warning)


def _tried(about: str, check: Callable[[], str]) -> CheckResult:
    """One check; what it meets, whatever that is, is its finding, and the next one is made."""
    try:
        return CheckResult("ok", about, check())
    except SextonError as error:
        return CheckResult("wrong", about, re.sub(rf"^{re.escape(about)}[:,] ", "", str(error)), error.exit_code)
    except Exception as error:
        return CheckResult("wrong", about, error_message(error), FAILED)
