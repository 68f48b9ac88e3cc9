"""A job's rule in words, the SQL of each step as it runs here, how it is executed, and the next slots.

With `--engine pg_cron`: the procedure that would run it inside PostgreSQL, to the last word.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..app import App
from ..config.policy_in_words import details
from ..console import say
from ..db.connect import read_only
from ..db.faults import describe
from ..db.render import render
from ..db.server_clock import ask_now
from ..db.statement_timeout import answered_in_time, limited_time
from ..errors import SextonError, UsageError
from ..guard.arming import DECLARED, armed_row, called, unarmed
from ..jobs.job import Job
from ..policies.call_rule import CallRule
from ..policies.contract import Plan
from ..runs.preflight import PLANNING
from ..runs.runner import planned, ready
from ..statements.batch_strategy import Request
from ..statements.preview import preview_statement
from ..statements.strategy_choice import Choice, choose
from ..texts import one_line
from ._common import add_json, open_app, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB", help="the job to explain")
    words = "print the procedure that an engine inside the database would run, as SQL"
    parser.add_argument("--engine", choices=["pg_cron"], help=words)
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the explanation. Without a database, all but the way of execution."""
    app = open_app(arguments, partly=True)
    job = app.registry.get(arguments.job)
    if arguments.engine is not None:
        return _procedure(app, job, as_json=arguments.json)
    plans = planned(job, app.database)
    steps, rule = [_step(app, job, step) for step in plans], _rule(app, job, plans)
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
    say(f"{job.name}: {one_line(job.description)}" if job.description else job.name)
    for line in rule:
        say(f"  {line}")
    say(f"  due {job.due_words}; timeout {job.timeout}")
    for slot in slots:
        say(f"    {slot:%a %Y-%m-%d %H:%M} UTC")
    for number, step in enumerate(steps, 1):
        say("", f"-- step {number}, {step['step']}: {step['how']}")
        say(*(line for part in step.get("call", {}).items() for line in _part_lines(*part)))
        if step["sql"]:
            say(*f"{step['sql']};".split("\n"))
    return 0


def _procedure(app: App, job: Job, *, as_json: bool) -> int:
    """NotCompilable, a PolicyError, for what PostgreSQL cannot run by itself."""
    from ..engines.pg_cron.procedure import procedure_of

    if app.dialect != "postgresql":
        raise UsageError("procedures are PostgreSQL's; name such a database: --database postgresql://…")
    plans = ready(app.database, job)
    with read_only(app.database) as connection:
        procedure = procedure_of(connection, job, plans, app.limits(), settings_definition=app.definition)
    if as_json:
        print_json({"job": job.name, "procedure": procedure.name, "sql": procedure.create})
    else:
        say(*procedure.create.rstrip().split("\n"))
    return 0


def _rule(app: App, job: Job, steps: list[Any]) -> list[str]:
    """Of a policy of the settings file: what its sentence leaves out. Of every guarded job: how it stands."""
    lines = []
    plans = [step for step in steps if isinstance(step, Plan)]
    if job.name.startswith(DECLARED) and called(job.name) in app.policies:
        lines = details(app.policies[called(job.name)], [name for plan in plans for name in plan.once])
    if not plans:
        return lines
    if job.guard is None:
        return [*lines, "no guard: it takes whatever is due"]
    if not job.name.startswith(DECLARED):
        lines.append(f"stops before it takes more than {job.guard.max_share:.0%} of a table")
    try:
        with read_only(app.database) as connection, limited_time(connection, PLANNING):
            return [*lines, *_armed(connection, job, plans)]
    except (SextonError, DBAPIError):
        return lines


def _armed(connection: Connection, job: Job, plans: list[Plan]) -> list[str]:
    if (why := unarmed(connection, job.name, plans)) is not None:
        return [f"only counts, as {why}"]
    rows = [row for plan in plans if (row := armed_row(connection, job.name, plan)) is not None]
    return list(dict.fromkeys(f"armed at {row.armed_at:%Y-%m-%d %H:%M} UTC by {row.armed_by}" for row in rows))


def _next_slots(job: Job) -> list[datetime]:
    slots: list[datetime] = []
    at = datetime.now(UTC)
    while job.schedule is not None and len(slots) < 5:
        at = job.schedule.next(at)
        slots.append(at)
    return slots


def _part_lines(part: str, words: str) -> list[str]:
    """Of what a call does: one part, as comments of SQL on lines for 80 columns."""
    return wrap(one_line(words), 78, initial_indent=f"--   {part:<6}  ", subsequent_indent="--           ")


def _step(app: App, job: Job, step: Any) -> dict[str, Any]:
    if not isinstance(step, Plan):
        return {"step": getattr(step, "__name__", "function"), "how": "a Python function", "sql": ""}
    if step.call is not None:
        return _calling(app, job, step, step.call)
    try:
        choice = _choice(app, step)
    except (SextonError, DBAPIError) as error:
        why = describe(error) if isinstance(error, DBAPIError) else str(error)
        return {"step": step.step, "how": f"not known: {why}", "sql": _general(app, step)}
    statements = [render(statement, app.database.dialect) for statement in choice.statements()]
    return {"step": step.step, "how": choice.reason, "sql": ";\n\n".join(statements)}


def _calling(app: App, job: Job, plan: Plan, rule: CallRule) -> dict[str, Any]:
    """Of a step that calls: what happens to a row, and what finds the rows. Needs no database."""
    from ..runs.calls.call_in_words import call_in_words, claim_statement

    how = "each row is claimed, called for, and what came of it is recorded"
    sql = render(claim_statement(plan, job.name, app.database.dialect.name), app.database.dialect)
    return {"step": plan.step, "how": how, "call": dict(call_in_words(rule)), "sql": sql}


def _choice(app: App, plan: Plan) -> Choice:
    advice = "the database has to plan it: does it call a function?"
    with read_only(app.database) as connection, answered_in_time(connection, PLANNING, f"planning {plan.step}", advice):
        return choose(connection, plan, Request(1, None, ask_now(connection), "", None))


def _general(app: App, plan: Plan) -> str:
    """The counting statement: the same predicate, whatever way of execution the database would have led to."""
    return render(preview_statement(app.database.dialect.name, plan), app.database.dialect)
