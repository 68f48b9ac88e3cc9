"""Let a policy of the settings file take rows. Until then its runs only count; when it is changed, they do so again.

sexton arm stale_sessions              what it would do now, with samples; then asks
sexton arm stale_sessions --yes        for scripts
sexton arm stale_sessions --disarm     only count again
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from ..app import App
from ..config.policy import policies_of
from ..config.policy_words import details
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.moment import ask_now
from ..declared.arming import Arming, arm, armed_row, disarm, table_rows
from ..declared.other_clock import other_clock
from ..errors import DONE, FAILED, UsageError, suggestion
from ..jobs.job import Job
from ..policies.contract import Plan
from ..runs.execution import Request
from ..runs.history import STOPPED, history
from ..runs.preview import preview
from ..runs.runner import planned
from ..runs.samples import sample
from .changing import changing, person
from .report import sample_lines, step_table
from .shared import open_app


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("policy", metavar="NAME", help="of [policies.NAME]")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--disarm", action="store_true", help="let its runs only count again")


def run(arguments: Namespace) -> int:
    """Show, ask, confirm."""
    app = open_app(arguments)
    name = arguments.policy.removeprefix("policies.")
    if name not in app.settings.policies:
        raise UsageError(f"no policy named {name!r} in the settings{suggestion(name, app.settings.policies)}")
    job = app.registry.get(f"policies.{name}")
    if arguments.disarm:
        with changing(arguments, job.name) as (connection, _):
            was = disarm(connection, name)
        print(f"{name} only counts from now on" if was else f"{name} was not armed")
        return DONE
    (plan,) = planned(job)
    shown, due = _look(app, name, job, plan)
    if not arguments.yes:
        print(shown)
        if not _confirmed(name):
            print(f"{name} stays as it was")
            return FAILED
    with changing(arguments, job.name) as (connection, _):
        arm(connection, name, _definition(plan), allowed=due, by=person())
    if arguments.yes:  # afterwards: who pipes this into `head` must not end us before it is done
        print(shown)
    print(f"{name} is armed: from its next run on it takes rows")
    return DONE


def _look(app: App, name: str, job: Job, plan: Plan) -> tuple[str, int]:
    """What it would do now, in lines; how many rows are due."""
    settings = policies_of(app.settings.policies)[name]
    with read_only(app.engine) as connection:
        require_schema(connection)
        request = Request(0, None, ask_now(connection), job.name, None)
        counts = preview(connection, plan, request)
        rows = table_rows(connection, plan.table)
        armed = armed_row(connection, name)
        past = history(connection, job=job.name, limit=3)
        shown = sample(connection, plan, request)
        doubt = other_clock(connection, plan, settings, request.as_of)
    share = f", {counts.picked / rows:.1%} of them due" if rows else ""
    lines = [
        f"{name}: {job.description}",
        *(f"  {line}" for line in details(settings, plan.once)),
        step_table({plan.step: counts}),
        f"table {plan.table.fullname}: {rows:,} {'row' if rows == 1 else 'rows'}{share}",
        *sample_lines(plan.step, shown, counts.picked),
    ]
    lines += [doubt] if doubt else []
    for run in past:
        did = run.error if run.error and run.error.startswith(STOPPED) else f"{run.total.picked:,} due"
        lines.append(f"run {run.id} at {run.started_at:%Y-%m-%d %H:%M} UTC: {run.state}, {did}")
    if armed is not None:
        changed = "" if armed.definition == _definition(plan) else "; it was changed since"
        lines.append(f"armed before, at {armed.armed_at:%Y-%m-%d %H:%M} UTC by {armed.armed_by}{changed}")
    return "\n".join(map(str, lines)), counts.picked


def _definition(plan: Plan) -> str:
    assert isinstance(plan.guard, Arming)
    return plan.guard.definition


def _confirmed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"nobody can answer here; say --yes to arm {name}")
    return input("Arm it? [y/N] ").strip().lower() in ("y", "yes")
