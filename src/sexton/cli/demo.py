"""Show a product's jobs at work: a database made for it, every job run with progress, what changed, and run again.

Without options: SQLite in a temporary folder. --postgres starts a private server and removes it at the end.
"""

from __future__ import annotations

import json
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import shorten, wrap

from ..app import App
from ..config import Settings, read_into
from ..console import say_while_read
from ..db.connect import place, read_only
from ..db.migrate import migrate
from ..db.server_clock import ask_now
from ..engines.contract import execute
from ..errors import SextonError, UsageError
from ..files import make_folder, write_new
from ..guard.arming import arm_job
from ..jobs.pack import Demonstration
from ..run_state import RunState
from ..runs.dry_run import dry_run
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions, planned
from ..slots.due_run import DueRun
from ..slots.history import notices
from ._common import duration_words, table
from ._run_report import progress, step_table

EARLIER = timedelta(days=2)

TOML = """# Made by `sexton demo --keep`: try sexton jobs, sexton history, sexton explain JOB
database = "{database}"
packs = ["{pack}"]
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("pack", nargs="?", default="marketplace", metavar="PACK", help="default: marketplace")
    parser.add_argument("--postgres", action="store_true", help="on a private PostgreSQL, started and removed here")
    parser.add_argument(
        "--keep", metavar="FOLDER", help="keep the SQLite database and a sexton.toml here, to play with"
    )
    parser.add_argument("--scale", type=int, default=1, metavar="N", help="N times as many rows; default 1")


def run(arguments: Namespace) -> int:
    """The whole demonstration; the worst exit code of its runs, `partial` counted as done: it is part of the story."""
    if arguments.scale < 1:
        raise UsageError("--scale starts at 1")
    if arguments.keep and (arguments.postgres or arguments.database):
        raise UsageError("--keep goes with SQLite only")
    shown = _demonstration(arguments.pack)
    with _database(arguments) as url, shown.services() if shown.services else nullcontext({}) as further:
        app = App(read_into(Settings, {"database": url, "packs": [arguments.pack], **further}, where="demo"))
        try:
            first = _show(app, arguments, shown)
        finally:
            app.database.dispose()
    if arguments.keep:
        say_while_read("", f"kept: {arguments.keep}; try:  cd {arguments.keep} && sexton history")
    return max((outcome.exit_code for outcome in first if outcome.state != RunState.PARTIAL), default=0)


def _demonstration(pack: str) -> Demonstration:
    """What there is to show. SettingsError for a pack that is not there."""
    found = App(Settings(packs=(pack,))).packs[pack].demo
    if found is None:
        raise SextonError(f"pack {pack} has no demonstration")
    shown = found.load()
    assert isinstance(shown, Demonstration)
    return shown


def _show(app: App, arguments: Namespace, shown: Demonstration) -> list[Outcome]:
    now = _prepare(app, arguments, shown)
    names = [*_names(app, arguments.pack), *shown.also]
    if shown.earlier:
        _before(app, names, now - EARLIER)
    else:
        for name in names:
            if app.registry.get(name).guard is not None:
                _arm(app, name, now)
    first = [_run(app, name, now) for name in names]
    if shown.story is not None:
        say_while_read(*shown.story(app.database), "")
    _again(app, names, now)
    if shown.story is None:
        _told(app)
    _next(app)
    return first


@contextmanager
def _database(arguments: Namespace) -> Iterator[str]:
    if arguments.database:
        yield arguments.database
    elif arguments.postgres:
        from ..testing import postgres

        with postgres.start() as server:
            yield server.url
    elif arguments.keep:
        folder = Path(arguments.keep)
        if (folder / "sexton.toml").exists():
            raise UsageError(f"{folder / 'sexton.toml'} is there already; name another folder")
        text = TOML.format(database="sqlite:///sexton.db", pack=arguments.pack)
        try:
            make_folder(folder)
            write_new(folder / "sexton.toml", text.encode())
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
        yield f"sqlite:///{folder / 'sexton.db'}"
    else:
        with tempfile.TemporaryDirectory(prefix="sexton-demo-") as temporary:
            yield f"sqlite:///{temporary}/sexton.db"


def _prepare(app: App, arguments: Namespace, shown: Demonstration) -> datetime:
    migrate(app.database)
    with app.database.begin() as connection:
        now = ask_now(connection)
        from sqlalchemy import inspect

        if inspect(connection).has_table(shown.table):
            raise UsageError("this database has tables of the demonstration already; give it an empty one")
    made = shown.seed(app.database, now, arguments.scale)
    where = f"Rows of the {arguments.pack} pack, made up in {place(app.database.url)}:"
    say_while_read(*wrap(where, 78, break_long_words=False))
    listing = ", ".join(f"{rows:,} {name.replace('_', ' ')}" for name, rows in made.items())
    say_while_read(*wrap(listing, 78, initial_indent="  ", subsequent_indent="  "), "")
    return now


def _names(app: App, pack: str) -> list[str]:
    return [job.name for job in app.registry if job.name.startswith(f"{pack}.") and job.on_demand is None]


def _before(app: App, names: list[str], at: datetime) -> None:
    """What is deleted today must have been on record for a day; so somebody armed the jobs and ran them before."""
    for name in names:
        _arm(app, name, at)
    outcomes = [_quietly(app, name, at) for name in names]
    whole = [outcome.total for outcome in outcomes]
    changed, told = sum(counts.changed for counts in whole), sum(counts.told for counts in whole)
    done = f"{changed:,} rows changed, {told:,} facts told"
    words = f"Two days ago ({at:%d %b %H:%M} UTC) all jobs were armed and ran once: {done}."
    say_while_read(*wrap(words, 80), "")


def _arm(app: App, name: str, at: datetime) -> None:
    """What has been due for months is more than a run may take unseen."""
    job = app.registry.get(name)
    due = {step: counts.picked for step, counts in dry_run(app.database, job, as_of=at).steps.items()}
    plans = [plan for plan in planned(job, app.database) if not callable(plan)]
    with app.database.begin() as connection:
        arm_job(connection, name, plans, due, by="the demonstration")


def _quietly(app: App, name: str, at: datetime) -> Outcome:
    return execute(app, DueRun(name, as_of=at))


def _run(app: App, name: str, now: datetime) -> Outcome:
    job = app.registry.get(name)
    began = time.monotonic()
    with progress(name) as watch:
        outcome = execute(app, DueRun(name, as_of=now), RunOptions(watch=watch))
    say_while_read(*wrap(f"{name}: {job.description}", 80, subsequent_indent="  ", break_on_hyphens=False))
    say_while_read(*step_table(outcome.steps))
    note = f": {outcome.said}" if outcome.said else ""
    say_while_read(f"{outcome.state} in {duration_words(time.monotonic() - began)}{note}", "")
    return outcome


def _again(app: App, names: list[str], now: datetime) -> None:
    rows = []
    for name in names:
        outcome = _quietly(app, name, now)
        rows.append([name, outcome.total.changed, outcome.total.told])
    say_while_read("Once more, all of them, at the same instant: nothing is done twice.")
    say_while_read(*table(["JOB", "CHANGED", "TOLD"], rows, right=("CHANGED", "TOLD")), "")


def _told(app: App) -> None:
    with read_only(app.database) as connection:
        counts, samples = notices(connection)
    say_while_read("Messages in the outbox, each written in the transaction that changed its row:")
    for event, to, payload in samples:
        body = json.dumps(payload, separators=(", ", ": "))
        example = f"to {to}: {body}" if to else body
        say_while_read(f"  {counts[event]:>5,} {event}", f"        {shorten(example, 72)}")
    say_while_read("")


def _next(app: App) -> None:
    at = datetime.now(UTC)
    say_while_read("Next due:")
    for job in app.registry:
        if job.demand is not None:
            say_while_read(f"  {'when something waits':<20}  {job.name}")
    slots = [(job.schedule.next(at), job.name) for job in app.registry if job.schedule and job.demand is None]
    for due, name in sorted(slots):
        say_while_read(f"  {due:%a %d %b %H:%M} UTC  {name}")
