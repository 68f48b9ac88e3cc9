"""Check everything and start nothing: settings, jobs, policies, and, when it answers, the database.

Without a database it still checks settings, schedules and policies; --offline says that this is wanted.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from ..app import App
from ..config import shown
from ..errors import DONE, SextonError
from .shared import open_app

CLOCK_WARNING = 5.0
"""Seconds between the clocks from which it is said; from 60 nothing runs."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--offline", action="store_true", help="do not connect to the database")


def run(arguments: Namespace) -> int:
    """Print one line a check; the exit code of the first that failed."""
    app = open_app(arguments)
    print(f"ok       settings: {shown(app.settings.database)}, {len(app.registry)} jobs")
    from ..runs.runner import planned

    codes = []
    for job in app.registry:

        def described(job=job) -> str:  # type: ignore[no-untyped-def]
            steps = planned(job)
            functions = sum(callable(step) for step in steps)
            return f"{len(steps) - functions} policies, {functions} functions"

        codes.append(_line(job.name, described))
    if not arguments.offline:
        codes += _database(app)
    return next((code for code in codes if code), DONE)


def _database(app: App) -> list[int]:
    from ..db.connect import read_only
    from ..db.migrate import HEAD, require_schema
    from ..db.moment import ask_now, skew
    from ..runs.inspect import inspected

    def schema() -> str:
        with read_only(app.engine) as connection:
            require_schema(connection)
            apart = skew(ask_now(connection))
            careful = "; set the clocks right" if abs(apart) > CLOCK_WARNING else ""
            return f"revision {HEAD}; this clock is {apart:+.1f} s from the database's{careful}"

    codes = [_line("database", schema)]
    if codes[0]:
        return codes
    for job in app.registry:
        warnings: list[str] = []

        def statements(job=job, warnings=warnings) -> str:  # type: ignore[no-untyped-def]
            warnings += inspected(app.engine, job)
            return "its statements work here"

        codes.append(_line(job.name, statements))
        for warning in warnings:
            print(f"warning  {job.name}: {warning}")
    return codes


def _line(what: str, check: Callable[[], str]) -> int:
    try:
        print(f"ok       {what}: {check()}")
    except SextonError as error:
        print(f"wrong    {what}: {error}")
        return error.exit_code
    return DONE
