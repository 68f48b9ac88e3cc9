"""What carries the jobs to a process: for how many, whether it answers, its workers, and what waits there.

Resubmitted: numbers that were handed on once more, as nobody had begun them. Duplicates: numbers that came again after
they had been begun; nothing ran twice. Both of the last seven days. Ends with 69 when one that jobs need is down.

With `migrate`, make or update the tables of engines that keep their messages in the database.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ..app import App
from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..engines.carrier import EngineHealth, HasTables
from ..engines.registry import RUN_THEMSELVES, engine_of, engines_in_use
from ..errors import SettingsError, UsageError
from ..exit_codes import DONE, UNREACHABLE
from ..jobs.job import OWN_ENGINE
from ..slots.engine_counts import EngineCounts, counts_since
from ._common import add_json, duration_words, open_app, print_json, table

COUNTED_DAYS = timedelta(days=7)

ENGINE_HEADINGS = ("ENGINE", "JOBS", "REACHABLE", "WORKERS", "WAITING", "OLDEST", "RESUBMITTED", "DUPLICATES")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=["migrate"], help="make or update the tables of engines")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the table."""
    app = open_app(arguments, partly=True)
    if arguments.action == "migrate":
        return _migrate(app)
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        counted = counts_since(connection, now - COUNTED_DAYS)
    rows = [*_without_numbers(app)]
    rows += [_row(app, name, jobs, counted) for name, jobs in sorted(engines_in_use(app).items())]
    if arguments.json:
        print_json(rows)
    else:
        say(*table(ENGINE_HEADINGS, [_cells(row, now) for row in rows], right=ENGINE_HEADINGS[1:]))
        say(*(_trouble(row) for row in rows if row["trouble"]))
    return UNREACHABLE if any(row["reachable"] is False for row in rows) else DONE


def _trouble(row: dict[str, Any]) -> str:
    """Some engines begin with their name, and some do not."""
    prefix = f"{row['engine']}: "
    return prefix + str(row["trouble"]).removeprefix(prefix)


def _migrate(app: App) -> int:
    """Of the engines that the settings name, for a job or with options."""
    names = sorted({*engines_in_use(app), *app.settings.engines} - {*RUN_THEMSELVES})
    kept = {name: engine for name in names if isinstance(engine := engine_of(app, name), HasTables)}
    if not kept:
        raise UsageError('no engine of the settings keeps tables in the database; engine = "procrastinate" does')
    for name, engine in kept.items():
        applied = engine.migrate()
        say(f"{name}: {len(applied)} SQL files applied, up to {applied[-1]}" if applied else f"{name}: up to date")
    return DONE


def _without_numbers(app: App) -> Iterator[dict[str, Any]]:
    """The worker and cron, and PostgreSQL itself where jobs are its: nothing stands between them and the database."""
    nothing = dict.fromkeys(("reachable", "workers", "waiting", "oldest", "resubmitted", "duplicates"))
    for name in RUN_THEMSELVES:
        jobs = sum(job.engine == name for job in app.registry)
        if jobs or name == OWN_ENGINE:
            yield {"engine": name, "jobs": jobs, **nothing, "trouble": ""}


def _row(app: App, name: str, jobs: list[str], counted: dict[str, EngineCounts]) -> dict[str, Any]:
    health, counts = _health(app, name), counted.get(name, EngineCounts())
    return {
        "engine": name,
        "jobs": len(jobs),
        "reachable": health.reachable,
        "workers": health.workers,
        "waiting": health.waiting,
        "oldest": health.oldest,
        "resubmitted": counts.resubmitted,
        "duplicates": counts.duplicates,
        "trouble": health.trouble,
    }


def _health(app: App, name: str) -> EngineHealth:
    """One engine that cannot be had here hides none of the others."""
    try:
        engine = engine_of(app, name)
    except SettingsError as error:
        return EngineHealth(reachable=False, trouble=str(error))
    try:
        return engine.health()
    finally:
        engine.close()


def _cells(row: dict[str, Any], now: Any) -> list[str]:
    words = {None: "", True: "yes", False: "no"}
    oldest = "" if row["oldest"] is None else duration_words(max((now - row["oldest"]).total_seconds(), 0.0))
    numbers = ["" if row[name] is None else f"{row[name]:,}" for name in ("workers", "waiting")]
    counts = ["" if row[name] is None else f"{row[name]:,}" for name in ("resubmitted", "duplicates")]
    return [row["engine"], f"{row['jobs']:,}", words[row["reachable"]], *numbers, oldest, *counts]
