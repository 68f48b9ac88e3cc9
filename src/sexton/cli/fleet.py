"""The fleet: many databases, the same jobs in each.

sexton fleet list                        the databases that the list in the settings names
sexton fleet check                       reach each: who it is, its revision, whether the jobs' tables are alike
sexton fleet migrate                     Sexton's own tables in each; those labelled `canary` first
sexton fleet adopt NAME ...              take a database as it is now: copied, restored, moved or upgraded
sexton fleet run JOB                     the job in each, now; new or changed, it goes to a few first, then in waves
sexton fleet run --due                   whatever is due in each by its schedule: the line for a crontab
sexton fleet status [JOB]                how each job stands over the fleet, and why; asks no database

check and migrate go to databases that are active or being provisioned, several at once. Exit code 0 when all are well,
3 when some are, 1 when none is or it was stopped, 69 when none was reached; 1 as well when the list is not believed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib import import_module

from ..errors import UsageError, suggestion
from ._common import add_json, add_now, add_yes, open_app

FLEET_ACTIONS = ("list", "check", "migrate", "adopt", "run", "status")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", metavar="ACTION", help=", ".join(FLEET_ACTIONS))
    parser.add_argument("words", nargs="*", metavar="NAME", help="adopt: of the databases; run, status: of the job")
    parser.add_argument(
        "--only", metavar="LABEL=VALUE", action="append", default=[], help="databases with this label; again: and that"
    )
    parser.add_argument("--allow-empty", action="store_true", help="list: believe a list that is empty")
    parser.add_argument("--allow-gone", action="store_true", help="list: believe one from which many are gone at once")
    of_run = parser.add_argument_group("of run")
    of_run.add_argument("--due", action="store_true", help="whatever is due by its schedule")
    of_run.add_argument("--failed", action="store_true", help="only where the job's last run did not go well")
    of_run.add_argument("--dry-run", action="store_true", help="count what would happen, change nothing")
    add_now(parser)
    add_yes(parser)
    parser.add_argument("--worst", action="store_true", help="status: the 20 worst databases, a line of JSON each")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    if arguments.action not in FLEET_ACTIONS:
        near = suggestion(arguments.action, FLEET_ACTIONS)
        raise UsageError(f"fleet has no action {arguments.action!r}{near}")
    if arguments.words and arguments.action not in ("adopt", "run", "status"):
        raise UsageError(f"fleet {arguments.action} takes no names; choose databases with --only LABEL=VALUE")
    if arguments.action != "list" and (arguments.allow_empty or arguments.allow_gone):
        raise UsageError("--allow-empty and --allow-gone belong to: sexton fleet list")
    if arguments.action != "run" and (arguments.due or arguments.failed or arguments.dry_run or arguments.now):
        raise UsageError("--due, --failed, --dry-run and --now belong to: sexton fleet run")
    action = import_module(f"sexton.cli._fleet_{arguments.action}")
    return int(action.run(open_app(arguments, partly=True), arguments))
