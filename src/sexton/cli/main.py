"""`sexton`: finds the command, loads only that command's file, turns errors into one line and an exit code."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from importlib import import_module
from typing import Protocol

from ..console import NOBODY_READS, complain, discard_output, flush_output, plain_output, say, write_traceback
from ..errors import SextonError, suggestion
from ..exit_codes import DONE, FAILED, INTERRUPTED, USAGE
from ..texts import one_line
from ..version import __version__

COMMANDS = {
    "demo": "show a product's jobs at work on a database made for it",
    "init": "write sexton.toml and .env.example here",
    "migrate": "create or upgrade Sexton's own tables",
    "check": "check settings, jobs and database; start nothing",
    "doctor": "what would hurt, and the SQL that helps",
    "jobs": "list the jobs, and when each is due next",
    "calendar": "what is due in the coming days",
    "crontab": "print a crontab that starts the jobs",
    "pg-cron": "let PostgreSQL run jobs by itself: install, status, remove",
    "run": "run a job now, or whatever is due",
    "test": "try a job: dry run, run, run again",
    "worker": "run jobs when they are due, as leader or standby",
    "scheduler": "hand due runs to the engines that carry them",
    "engines": "what carries the jobs, whether it answers, and what waits there",
    "pause": "let a job rest, until a time or until it is resumed",
    "resume": "end a pause",
    "reschedule": "put another schedule in the place of a job's own",
    "trigger": "ask the worker to run a job now",
    "history": "what ran, how it ended, what it did",
    "show": "one run in full",
    "alerts": "what is wrong now, and whether people were told",
    "outbox": "messages: what waits and why; retry, drop, replay",
    "calls": "rows that are called for: what waits, since when and why",
    "requests": "jobs on demand: what waits by job, since when; take some back",
    "dead": "jobs on demand that nobody tries any more: show, replay, discard",
    "debt": "rows that are due and still there, and how fast they go",
    "metrics": "figures about the jobs for Prometheus",
    "archive": "files of archived rows: list, verify, put back",
    "fleet": "many databases: list, check, migrate, adopt",
    "arm": "let a policy of the settings file take rows",
    "explain": "a job's rule, its SQL, and how it is executed here",
}

EPILOG = """exit codes:
  0   done, nothing to do, or already done
  1   failed
  2   usage or settings
  3   partial: some rows were left, see `sexton show RUN`
  69  the database cannot be reached
  75  held by another process
"""


class Command(Protocol):
    """What a command's file offers."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command takes."""

    def run(self, arguments: Namespace) -> int:
        """Do it; the exit code."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command line; the exit code, also for a product's own script: `sys.exit(sexton.main())`.

    arguments: those of the process by default. Never raises for what a user can cause.
    """
    words = sys.argv[1:] if arguments is None else arguments
    with plain_output():
        try:
            return _ended(words)
        except Exception as error:  # nobody foresaw it: its text may be that of others as well
            write_traceback(error)
            return FAILED


def _ended(words: list[str]) -> int:
    try:
        code = _dispatch(words)
        flush_output()
        return code
    except SextonError as error:
        complain(*error.lines)
        return error.exit_code
    except UnicodeEncodeError as error:
        if error.encoding != sys.getfilesystemencoding():
            raise
        name = one_line(error.object)
        complain(f"the locale of this process has no name for {name!r}; set LC_ALL=C.UTF-8")
        return USAGE
    except OSError as error:
        if error.errno not in NOBODY_READS:
            raise
        discard_output()
        return DONE  # it is not our failure
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy"):
            raise
        return _database_error(error)


def cron_worker() -> int:
    """`cron-worker`: the name that the tickets give to `sexton worker` (PF-136.1)."""
    return main(["worker", *sys.argv[1:]])


def _database_error(error: Exception) -> int:
    """A database error that no part foresaw: still one line, without rows, parameters or statement."""
    from sqlalchemy.exc import DBAPIError

    from ..db.faults import describe

    what = describe(error) if isinstance(error, DBAPIError) else type(error).__name__
    complain(f"the database refused: {what}")
    return FAILED


def _dispatch(words: list[str]) -> int:
    name = next((word for word in words if not word.startswith("-")), None)
    if name is None:
        parser = _front()
        if "--version" in words:
            say(f"sexton {__version__}")
            return DONE
        parser.print_help()
        return DONE if not words or words[0] in ("-h", "--help") else USAGE
    if name not in COMMANDS or words[0] != name:
        wrong = words[0] if words[0] != name else name
        complain(f"no command named {wrong!r}{suggestion(wrong, COMMANDS)}")
        return USAGE
    command = import_module(f"sexton.cli.{name.replace('-', '_')}")
    parser = _parser(name, (command.__doc__ or "").strip())
    command.arguments(parser)
    try:
        parsed = parser.parse_args(words[1:])
    except SystemExit as ended:  # argparse has printed what is wrong, or the help
        return int(ended.code or 0)
    return int(command.run(parsed))


def _front() -> ArgumentParser:
    listing = "\n".join(f"  {name:10} {meaning}" for name, meaning in COMMANDS.items())
    return ArgumentParser(
        prog="sexton",
        usage="sexton COMMAND [options]     (sexton COMMAND --help tells more)",
        description=f"Time-driven work of a database: on time, once, without hurting the neighbours.\n\n{listing}",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        add_help=False,
    )


def _parser(name: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(prog=f"sexton {name}", description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", help="settings file; default: ./sexton.toml")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="database to work in, instead of the one in the settings: a URL, or its name in the fleet; put a "
        "password into SEXTON_DATABASE or .env instead, as other users of the machine can read arguments",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
