"""Run a job now, or, with --due, whatever is due: the one line that a crontab needs.

  sexton run marketplace.expire_orders --dry-run
  sexton run --due                                every slot that is due and not done, once, in order

Safe to start anywhere, any number of times: a slot runs once, and a job runs in one process at a time.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace

from ..app import App
from ..console import complain, remark, say_while_read
from ..engines.contract import execute, own_process
from ..errors import UsageError
from ..exit_codes import DONE, FAILED, HELD, UNREACHABLE, USAGE, worst
from ..jobs.job import OWN_ENGINE, Job
from ..jobs.rollup_scope import EVERY_RUN, RollupScope
from ..run_state import QUIET
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions
from ..runs.stop_signals import Stop, on_signals
from ..slots.due_run import DueRun
from ..telemetry import logs
from ._common import add_json, add_now, add_yes, open_app, refuse_future, require_no_request
from ._rollup_options import add_rollup, require_rollup, rollup_scope
from ._run_report import closing_line, progress, sample_lines, step_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="the job; with --due: only these")
    parser.add_argument("--due", action="store_true", help="run every slot that is due")
    parser.add_argument("--dry-run", action="store_true", help="count what would happen, change nothing")
    add_now(parser)
    add_yes(parser)
    add_rollup(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing unless something failed")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Run, and end with the worst exit code."""
    if not arguments.due and len(arguments.jobs) != 1:
        raise UsageError("name one job, or say --due; `sexton jobs` lists them")
    if arguments.due and (arguments.dry_run or arguments.now):
        raise UsageError("--due takes no --dry-run and no --now; name a job for those")
    refuse_future(arguments)
    scope = rollup_scope(arguments)
    app = open_app(arguments, partly=True)
    named = [app.registry.get(name) for name in arguments.jobs]
    stop = Stop()
    with on_signals(stop, then_ends=True):
        if not arguments.due:
            require_rollup(app, require_no_request(named[0]), scope)
            return _by_hand(app, named[0], arguments, stop, scope)
        codes = [*_not_loaded(app, named), *_all_due(app, named, arguments, stop)]
        if not stop.asked:
            _tell_somebody(app, codes)
    return worst(codes)


def _all_due(app: App, named: list[Job], arguments: Namespace, stop: Stop) -> list[int]:
    """Run what is due, functions in a process beside this one."""
    from ..engines.executor.process import Executor
    from ..engines.executor.separate_process import separate_process
    from ..engines.one_shot import run_due

    quiet = _for_people(arguments) or arguments.quiet
    with separate_process(app, Executor(arguments.config, arguments.database, app.settings.jobs), stop) as beside:

        def execute_due(due: DueRun) -> Outcome:
            if not own_process(app.registry.get(due.job)):
                return _execute_here(app, due, arguments, stop)
            began = time.monotonic()
            with progress(due.job):
                outcome, told = beside.run(due, quiet=quiet)
            if not told:
                tell(outcome, time.monotonic() - began, arguments)
            return outcome

        codes = run_due(app, named, stop, execute_due, complain)
        on_demand = any(job.on_demand is not None and job.engine == OWN_ENGINE for job in named or app.registry)
        if on_demand and not stop.asked and UNREACHABLE not in codes:
            from ..engines.one_shot_requests import take_requests  # most products have none

            take_requests(app, beside)
        return codes


def _not_loaded(app: App, named: list[Job]) -> list[int]:
    """Say what cannot run as it could not be loaded; the rest does. Of jobs that were named, all could."""
    unloaded = {} if named else app.registry.unloaded
    for error in unloaded.values():
        complain(*error.lines)
    return [error.exit_code for error in unloaded.values()]


def _tell_somebody(app: App, codes: list[int]) -> None:
    """Without a worker nobody else looks: assess and send alerts after runs, and while something is open or waits."""
    from ..telemetry.monitoring_cycle import MonitoringCycle, needed_facts

    if any(code != HELD for code in codes) or needed_facts(app.database, app.settings):

        def say(event: str, **fields: object) -> None:
            remark(logs.said(event, **fields))

        rounds = MonitoringCycle(app.database, list(app.registry), app.settings, say, unloaded=app.registry.unloaded)
        rounds.make(failed=FAILED in codes or USAGE in codes)


def _by_hand(app: App, job: Job, arguments: Namespace, stop: Stop, scope: RollupScope) -> int:
    if not arguments.dry_run:
        outcome = _execute_here(app, DueRun(job.name, as_of=arguments.now), arguments, stop, scope)
        if outcome.refused:
            complain(str(outcome.error))
        return outcome.exit_code
    from ..runs.dry_run import dry_run  # cron lines need not load it

    began = time.monotonic()
    outcome = stop.interrupting(lambda: dry_run(app.database, job, as_of=arguments.now, rollup=scope))
    tell(outcome, time.monotonic() - began, arguments, dry=True)
    return outcome.exit_code


def _execute_here(app: App, due: DueRun, arguments: Namespace, stop: Stop, scope: RollupScope = EVERY_RUN) -> Outcome:
    """Run one job and tell about it: a table on a terminal, JSON lines elsewhere."""
    silent = _for_people(arguments) or arguments.quiet
    began = time.monotonic()
    with progress(due.job) as watch:
        options = RunOptions(
            limits=app.limits(row_limit=getattr(arguments, "limit", None)),
            last_word=lambda overdue: tell(overdue, time.monotonic() - began, arguments),
            stop=stop,
            watch=watch,
            started=None if silent else lambda claim: logs.emit(logs.started(claim)),
            rollup=scope,
        )
        outcome = execute(app, due, options)
    if not outcome.refused or arguments.due:
        tell(outcome, time.monotonic() - began, arguments)
    return outcome


def _for_people(arguments: Namespace) -> bool:
    """Whether somebody reads it at a terminal; else lines of JSON are written."""
    return sys.stdout.isatty() and not arguments.json


def tell(outcome: Outcome, seconds: float, arguments: Namespace, *, dry: bool = False) -> None:
    """Say how it ended. Quiet about what is held elsewhere when nobody watches, so that cron sends no mail."""
    people = _for_people(arguments)
    if outcome.exit_code in (DONE, HELD) and (arguments.quiet or (outcome.state in QUIET and not people)):
        return
    if people:
        if outcome.steps:
            say_while_read(*step_table(outcome.steps))
        for step, sample in outcome.samples.items():
            say_while_read(*sample_lines(step, sample, outcome.steps[step].picked))
        say_while_read(closing_line(outcome, seconds, dry=dry))
    elif dry:
        logs.emit(logs.previewed(outcome, seconds, samples=arguments.json))
    else:
        logs.emit(logs.ended(outcome, seconds))
