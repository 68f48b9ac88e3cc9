"""Let PostgreSQL run jobs by itself: procedures made from their policies, called by its extension pg_cron.

sexton pg-cron install          make or update procedures, slots and lines; may be done again at any time
sexton pg-cron status           whether what is installed is what the settings want; exit code 1 when it is not
sexton pg-cron diff             the text of procedures, installed and wanted
sexton pg-cron remove           take lines out, then procedures; history stays
sexton pg-cron script FOLDER    SQL files instead, for who applies them by hand

install, status, diff and remove do the same with --fleet in each active database of the fleet, several at once.

It is for jobs whose engine is "pg_cron". Those that do more than change rows are named, and left to a worker.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..app import App
from ..console import say
from ..engines.pg_cron.comparison import Comparison, InstalledJob, compare, differences
from ..engines.pg_cron.installation import Installation, install, uninstall
from ..engines.pg_cron.options import PgCronOptions, options_of
from ..engines.pg_cron.script import scripts
from ..errors import UsageError
from ..exit_codes import DONE, FAILED
from ..files import make_folder, replace
from ._common import add_json, folded, open_app, print_json, table

ACTIONS = ("install", "status", "diff", "remove", "script")
CRON_HEADINGS = ("JOB", "LINE (UTC)", "SLOTS UNTIL", "LAST START", "STATE")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="of script: where the files are written")
    parser.add_argument(
        "--no-role-timeout",
        action="store_true",
        help="leave statement_timeout of the role in this database as it is; else it is set to the longest timeout of "
        "a job and 30 s, as it is armed once, before a call",
    )
    parser.add_argument("--fleet", action="store_true", help="in each active database; --database NAME: in that one")
    parser.add_argument(
        "--only", metavar="LABEL=VALUE", action="append", default=[], help="of the fleet: those with this label"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    if (arguments.folder is not None) != (arguments.action == "script"):
        raise UsageError("script needs a folder: sexton pg-cron script FOLDER; the others take none")
    if arguments.only and not arguments.fleet:
        raise UsageError("--only chooses among the databases of a fleet: add --fleet")
    if arguments.fleet and arguments.action == "script":
        raise UsageError("script writes the files of one database: name it with --database URL, without --fleet")
    name = arguments.database if arguments.fleet else None
    arguments.database = None if arguments.fleet else arguments.database
    app = open_app(arguments, partly=True)
    options = options_of(app)
    try:
        if arguments.fleet:
            from ._pg_cron_fleet import run_over_fleet

            return run_over_fleet(app, options, arguments, name)
        return _ACTIONS[arguments.action](app, options, arguments)
    finally:
        app.database.dispose()


def _install(app: App, options: PgCronOptions, arguments: Namespace) -> int:
    found, done = install(app, options, role_timeout=not arguments.no_role_timeout)
    if arguments.json:
        print_json({**_done(found.database, done), "left": found.left, "wrong": found.wrong})
    else:
        say(*_told(found.database, done), *_not_here(found.left, found.wrong))
    return FAILED if found.wrong else DONE


def _remove(app: App, options: PgCronOptions, arguments: Namespace) -> int:
    done = uninstall(app, options)
    if arguments.json:
        print_json(_done(app.database.url.database or "", done))
    elif not done.removed:
        say("nothing was installed here")
    else:
        say(f"{len(done.removed)} procedures and lines removed; history stays")
        say("a worker, or `sexton run --due`, runs these jobs now")
    return DONE


def _status(app: App, options: PgCronOptions, arguments: Namespace) -> int:
    found = compare(app, options)
    if arguments.json:
        print_json(asdict(found) | {"agrees": found.agrees})
    else:
        say(*_listed(found))
    return DONE if found.agrees else FAILED


def _diff(app: App, options: PgCronOptions, arguments: Namespace) -> int:
    lines = [*differences(app, options)]
    if arguments.json:
        print_json({"lines": lines})
    else:
        say(*lines)
    return FAILED if lines else DONE


def _script(app: App, options: PgCronOptions, arguments: Namespace) -> int:
    found, files = scripts(app, options, role_timeout=not arguments.no_role_timeout)
    folder = Path(arguments.folder)
    try:
        make_folder(folder)
        for name, text in files.items():
            replace(folder / name, text.encode())
    except OSError as error:
        raise UsageError(f"{folder}: files cannot be written there: {error.strerror}") from error
    if arguments.json:
        print_json({"files": [str(folder / name) for name in files], "left": found.left, "wrong": found.wrong})
    else:
        say(*(str(folder / name) for name in files), *_not_here(found.left, found.wrong))
    return FAILED if found.wrong else DONE


_ACTIONS = {"install": _install, "status": _status, "diff": _diff, "remove": _remove, "script": _script}


def _done(database: str, done: Installation) -> dict[str, Any]:
    return {"database": database, **asdict(done)}


def _told(database: str, done: Installation) -> Iterator[str]:
    if not done.changed:
        yield f"{database}: up to date"
        return
    made = f"{len(done.procedures)} procedures and {len(done.lines)} lines made"
    yield f"{database}: {made}, {len(done.removed)} removed, {done.slots:,} slots written"
    if done.limit:
        yield f"statement_timeout of the role is {done.limit} in this database from its next session on"


def _not_here(left: Mapping[str, str], wrong: Mapping[str, str]) -> Iterator[str]:
    for name, why in left.items():
        yield from folded(f"{name} is left to a worker", why)
    for name, why in wrong.items():
        yield from folded(f"{name} cannot run", why)


def _listed(found: Comparison) -> Iterator[str]:
    yield from table(CRON_HEADINGS, [_cells(job) for job in found.jobs], shrink="JOB")
    for job in found.jobs:
        if job.drift:
            yield from folded(job.job, "; ".join(job.drift))
    yield from _not_here(found.left, found.wrong)
    if not found.agrees:
        yield "to put it right: sexton pg-cron install"


def _cells(job: InstalledJob) -> list[str]:
    until = "" if job.slots_until is None else f"{job.slots_until:%Y-%m-%d}"
    start = "" if job.last_start is None else f"{job.last_start:%m-%d %H:%M} {job.last_status}"
    return [job.job, job.fields, until, start, "drift" if job.drift else "ok"]
