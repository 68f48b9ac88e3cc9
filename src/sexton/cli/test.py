"""Try a job by hand: count first, then run, and with --twice run again to see that nothing is done twice.

sexton test marketplace.expire_orders --dry-run
sexton test marketplace.expire_orders --twice --limit 100
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from ..console import say_while_read
from ..engines.contract import execute
from ..exit_codes import DONE, FAILED
from ..runs.dry_run import dry_run
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions
from ..runs.stop_signals import Stop, on_signals
from ..slots.due_run import DueRun
from ._common import add_now, add_yes, open_app, refuse_future, require_no_request, whole
from ._run_report import closing_line, progress, step_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB", help="the job to try")
    parser.add_argument("--dry-run", action="store_true", help="only count")
    parser.add_argument("--twice", action="store_true", help="run a second time; it must find nothing to do")
    parser.add_argument(
        "--limit", type=whole("number of rows", 1), metavar="N", help="each step takes no more rows than this"
    )
    add_now(parser)
    add_yes(parser)


def run(arguments: Namespace) -> int:
    """Preview, run, and perhaps run again."""
    refuse_future(arguments)
    app = open_app(arguments, partly=True)
    job = require_no_request(app.registry.get(arguments.job))
    began = time.monotonic()
    preview = dry_run(app.database, job, as_of=arguments.now)
    say_while_read("would do:", *step_table(preview.steps))
    if arguments.dry_run:
        say_while_read(closing_line(preview, time.monotonic() - began, dry=True))
        return DONE
    stop = Stop()
    limits = app.limits(row_limit=arguments.limit)
    outcomes: list[Outcome] = []
    with on_signals(stop):
        for title in ("did:", "the second time:")[: 2 if arguments.twice else 1]:
            began = time.monotonic()
            at = preview.as_of if arguments.twice else arguments.now
            with progress(job.name) as watch:
                options = RunOptions(limits=limits, stop=stop, watch=watch)
                outcome = execute(app, DueRun(job.name, as_of=at), options)
            outcomes.append(outcome)
            say_while_read("", title, *step_table(outcome.steps), closing_line(outcome, time.monotonic() - began))
    if len(outcomes) == 2 and arguments.limit is None:
        return _verdict(outcomes)
    return outcomes[-1].exit_code


def _verdict(outcomes: list[Outcome]) -> int:
    again = outcomes[1].total
    if again.changed or again.told:
        say_while_read("", f"not repeatable: the second run changed {again.changed} and told {again.told}")
        return FAILED
    say_while_read("", "repeatable: the second run changed nothing and told nobody")
    return outcomes[0].exit_code
