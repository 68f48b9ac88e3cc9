"""A job's rule in words, the SQL of each step as it runs here, how it is executed, and the next slots."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import DBAPIError

from ..app import App
from ..db.connect import read_only
from ..db.faults import describe
from ..db.moment import ask_now
from ..db.render import render
from ..errors import SextonError
from ..jobs.job import Job
from ..policies.contract import Plan
from ..runs.choose import Choice, choose
from ..runs.execution import Request
from ..runs.preview import preview_statement
from ..runs.runner import planned
from .shared import add_json, open_app, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB", help="the job to explain")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the explanation. Without a database, all but the way of execution."""
    app = open_app(arguments)
    job = app.registry.get(arguments.job)
    plans = planned(job)
    rule = _rule(app, job, [name for plan in plans if isinstance(plan, Plan) for name in plan.once])
    steps = [_step(app, plan) for plan in plans]
    slots = _next_slots(job)
    if arguments.json:
        print_json(
            {
                "job": job.name,
                "rule": rule,
                "schedule": job.schedule and job.schedule.words(),
                "next": slots,
                "steps": steps,
            }
        )
        return 0
    print(f"{job.name}: {job.description}" if job.description else job.name)
    for line in rule:
        print(f"  {line}")
    print(f"  due {job.schedule.words() if job.schedule else 'only by hand'}; timeout {job.timeout}")
    for slot in slots:
        print(f"    {slot:%a %Y-%m-%d %H:%M} UTC")
    for number, step in enumerate(steps, 1):
        print(f"\n-- step {number}, {step['step']}: {step['how']}")
        if step["sql"]:
            print(step["sql"] + ";")
    return 0


def _rule(app: App, job: Job, once: list[str]) -> list[str]:
    """Of a policy of the settings file: what its sentence leaves out, and whether it is armed. Empty for other jobs.

    once: what its messages are told once for.
    """
    from ..config.policy import definition_of, policies_of
    from ..config.policy_words import details
    from ..declared.arming import armed_row

    name = job.name.removeprefix("policies.")
    if name == job.name:
        return []
    settings = policies_of(app.settings.policies)[name]
    words = details(settings, once)
    try:
        with read_only(app.engine) as connection:
            armed = armed_row(connection, name)
    except (SextonError, DBAPIError):
        return words
    if armed is None or armed.definition != definition_of(settings):
        return [*words, f"not armed{', as it was changed' if armed is not None else ''}: it only counts"]
    return [*words, f"armed at {armed.armed_at:%Y-%m-%d %H:%M} UTC by {armed.armed_by}"]


def _next_slots(job: Job) -> list[datetime]:
    slots: list[datetime] = []
    at = datetime.now(UTC)
    while job.schedule is not None and len(slots) < 5:
        at = job.schedule.next(at)
        slots.append(at)
    return slots


def _step(app: App, step: Any) -> dict[str, Any]:
    if not isinstance(step, Plan):
        return {"step": getattr(step, "__name__", "function"), "how": "a Python function", "sql": ""}
    try:
        choice = _choice(app, step)
    except (SextonError, DBAPIError) as error:
        why = describe(error) if isinstance(error, DBAPIError) else str(error)
        return {"step": step.step, "how": f"not known: {why}", "sql": _general(app, step)}
    statements = [render(statement, app.engine.dialect) for statement in choice.statements()]
    return {"step": step.step, "how": choice.reason, "sql": ";\n\n".join(statements)}


def _choice(app: App, plan: Plan) -> Choice:
    with read_only(app.engine) as connection:
        return choose(connection, plan, Request(1, None, ask_now(connection), "", None))


def _general(app: App, plan: Plan) -> str:
    """The counting statement: the same predicate, whatever way of execution the database would have led to."""
    return render(preview_statement(app.engine.dialect.name, plan), app.engine.dialect)
