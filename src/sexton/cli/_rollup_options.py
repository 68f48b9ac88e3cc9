"""`sexton run JOB --rebuild`, `--from`, `--to`: which windows a roll-up computes, where not those of every run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..app import App
from ..clock import parse_reckonable
from ..errors import UsageError
from ..jobs.job import Job
from ..jobs.rollup_scope import EVERY_RUN, RollupScope


def add_rollup(parser: ArgumentParser) -> None:
    """Declare the options."""
    windows = parser.add_argument_group("roll-ups")
    windows.add_argument(
        "--rebuild", action="store_true", help="compute all windows anew, by the schedule as it is now"
    )
    for name, place, meaning in (
        ("--from", "start", "compute the windows from this time on again"),
        ("--to", "end", "and of these only such that begin before this time"),
    ):
        windows.add_argument(name, dest=place, metavar="TIME", type=parse_reckonable, help=meaning)


def rollup_scope(arguments: Namespace) -> RollupScope:
    """What was asked for. UsageError for what does not go together."""
    scope = RollupScope(arguments.rebuild, arguments.start, arguments.end)
    if scope == EVERY_RUN:
        return scope
    if arguments.due:
        raise UsageError("--due takes no --rebuild, --from and --to; name a job for those")
    if scope.rebuild and (scope.start or scope.end):
        raise UsageError("--rebuild computes all windows; it takes no --from and no --to")
    if scope.start and scope.end and scope.start >= scope.end:
        raise UsageError("--from is not before --to")
    return scope


def require_rollup(app: App, job: Job, scope: RollupScope) -> None:
    """UsageError when windows were asked for, and the job has none."""
    if scope == EVERY_RUN:
        return
    from ..runs.runner import planned  # loads the job's work, which is not needed otherwise

    if not any(getattr(plan, "rollup", None) for plan in planned(job, app.database)):
        raise UsageError(f"{job.name} has no roll-up; --rebuild, --from and --to are for those")
