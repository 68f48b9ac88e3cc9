"""Look at a job, and let it take what is due. Policies of the settings file only count until then, and once changed.

sexton arm stale_sessions              what it would do now, with samples; then asks
sexton arm stale_sessions --yes        for scripts
sexton arm stale_sessions --disarm     only count again
sexton arm shop.purge                  a job of Python: what is due now may pass, however much that is
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection

from ..app import App
from ..config.policy_in_words import details
from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..declared.other_clock import clock_doubt
from ..doctor.role_trust import of_plans
from ..errors import UsageError, suggestion
from ..exit_codes import DONE, FAILED
from ..guard.arming import DECLARED, arm_job, armed_row, called, disarm, elsewhere, folder_of, redirected
from ..guard.flood import table_rows
from ..guard.plan_fingerprint import is_confirmed
from ..jobs.guard_options import Guard
from ..jobs.job import Job
from ..policies.contract import Plan
from ..run_counts import Counts
from ..run_state import OutcomeCode
from ..runs.dry_run import counting
from ..runs.preflight import obstacle
from ..runs.runner import planned
from ..slots.history import history
from ..statements.batch_strategy import Request
from ..statements.preview import preview, references_in_words
from ..statements.samples import oldest_due
from ..texts import one_line
from ._common import confirmed, open_app
from ._run_report import sample_lines, step_table
from ._schedule_change import changing, operator_identity


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="NAME", help="of [policies.NAME], or of a job")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--disarm", action="store_true", help="take it back")


def run(arguments: Namespace) -> int:
    """Show, ask, confirm."""
    app = open_app(arguments, partly=True)
    job = _job(app, arguments.job)
    name, guard = called(job.name), job.guard
    if guard is None:
        raise UsageError(f"{name} has no guard: it takes what is due, and there is nothing to arm")
    if arguments.disarm:
        with changing(arguments, job.name) as (connection, _):
            was = disarm(connection, job.name)
        after = "only counts from now on" if guard.arm else "has its usual limits from now on"
        say(f"{name} {after}" if was else f"{name} was not armed")
        return DONE
    plans = _plans(app, job)
    shown, due = _look(app, job, plans)
    if not arguments.yes:
        say(*shown)
        if not confirmed("Arm it?", f"to arm {name}"):
            say(f"{name} stays as it was")
            return FAILED
    with changing(arguments, job.name) as (connection, _):
        arm_job(connection, job.name, plans, {step: counts.picked for step, counts in due.items()}, operator_identity())
    if arguments.yes:  # afterwards: who pipes this into `head` must not end us before it is done
        say(*shown)
    say(_after(name, guard, sum(counts.picked for counts in due.values())))
    return DONE


def _job(app: App, name: str) -> Job:
    """The job of that name, or of the policy of that name. UsageError with the nearest, or why it is none."""
    known = {called(job.name): job for job in app.registry}
    if called(name) not in known:
        if (why := app.registry.unloaded.get(f"{DECLARED}{called(name)}")) is not None:
            raise why
        if name.startswith(DECLARED) or "." not in name:
            near = suggestion(called(name), app.settings.policies)
            raise UsageError(f"no policy named {called(name)!r} in the settings{near}")
        return app.registry.get(name)  # which says what is near
    return known[called(name)]


def _plans(app: App, job: Job) -> list[Plan]:
    """What there is to look at. UsageError when that is nothing, or has one name twice."""
    plans = [plan for plan in planned(job, app.database) if isinstance(plan, Plan)]
    if not plans:
        raise UsageError(f"{job.name} is a plain function; what it takes only its code can limit")
    twice = [step for step, times in Counter(plan.step for plan in plans).items() if times > 1]
    if twice:
        raise UsageError(f"{job.name} has several steps called {twice[0]!r}; give each a `name` of its own")
    return plans


def _look(app: App, job: Job, plans: list[Plan]) -> tuple[list[str], dict[str, Counts]]:
    """What it would do now, in lines; what is due by step."""
    lines = [f"{called(job.name)}: {one_line(job.description)}".rstrip(": ")]
    settings = app.policies[called(job.name)] if job.name.startswith(DECLARED) else None
    if settings is not None:
        once = [name for plan in plans for name in plan.once]
        lines += [f"  {line}" for line in details(settings, once)]
    if why := obstacle(app.database, job.name, plans):
        lines.append(f"  its runs cannot begin: {why}")
    with read_only(app.database) as connection, counting(connection, job):
        require_schema(connection)
        request = Request(0, None, ask_now(connection), job.name, None)
        due = {plan.step: preview(connection, plan, request) for plan in plans}
        lines += step_table(due)
        for plan in plans:
            lines += _of_table(connection, plan, request, due[plan.step])
            if settings is not None and (doubt := clock_doubt(connection, plan, settings, request.as_of)):
                lines.append(doubt)
        lines += [str(stranger) for stranger in of_plans(connection, plans)]
        for past in history(connection, job=job.name, limit=3):
            stopped = past.outcome_code == OutcomeCode.STOPPED_BY_GUARD
            did = past.error if stopped else f"{past.total.picked:,} due"
            lines.append(f"run {past.id} at {past.started_at:%Y-%m-%d %H:%M} UTC: {past.state}, {did}")
        lines += dict.fromkeys(line for plan in plans for line in _armed_before(connection, job, plan))
    return lines, due


def _of_table(connection: Connection, plan: Plan, request: Request, counts: Counts) -> list[str]:
    rows = table_rows(connection, plan.table)
    share = f", {counts.picked / rows:.1%} of them due" if rows else ""
    table = f"table {plan.table.fullname}: {rows:,} {'row' if rows == 1 else 'rows'}{share}"
    shown = sample_lines(plan.step, oldest_due(connection, plan, request), counts.picked)
    files = f"files go to {folder}" if (folder := folder_of(plan)) is not None else ""
    return [*filter(None, (table, files, *map(str, shown), references_in_words(connection, plan, request)))]


def _armed_before(connection: Connection, job: Job, plan: Plan) -> Iterator[str]:
    row = armed_row(connection, job.name, plan)
    if row is not None:
        changed = "" if is_confirmed(connection, plan, row.definition) else "; it was changed since"
        yield f"armed before, at {row.armed_at:%Y-%m-%d %H:%M} UTC by {row.armed_by}{changed}"
        for other in (elsewhere(connection, plan, row.tables), redirected(plan, row.folder)):
            if other is not None:
                yield other


def _after(name: str, guard: Guard, due: int) -> str:
    if guard.arm:
        return f"{name} is armed: from its next run on it takes rows"
    return f"{name} is armed: the {due:,} rows that are due now may pass, whatever its limits"
