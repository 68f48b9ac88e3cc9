"""What ran, how it ended, what it did; the newest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..slots.history import RunRecord, history
from ._common import add_json, duration_words, open_app, print_json, table, whole

HISTORY_HEADINGS = ["RUN", "JOB", "STARTED (UTC)", "STATE", "TOOK", "PICKED", "CHANGED", "TOLD"]


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")
    parser.add_argument(
        "--limit", type=whole("number of runs", 1, 100_000), default=20, metavar="N", help="how many runs; default 20"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the newest runs."""
    app = open_app(arguments, partly=True)
    if arguments.job:
        arguments.job = app.registry.get(arguments.job).name
    with read_only(app.database) as connection:
        require_schema(connection)
        runs = history(connection, job=arguments.job, limit=arguments.limit)
    if arguments.json:
        print_json([asdict(past) for past in runs])
    elif not runs:
        say("nothing has run yet")
    else:
        say(
            *table(
                HISTORY_HEADINGS,
                [_row(past) for past in runs],
                right=("TOOK", "PICKED", "CHANGED", "TOLD"),
                shrink="JOB",
            )
        )
    return 0


def _row(past: RunRecord) -> list[object]:
    took = "" if past.seconds is None else duration_words(past.seconds)
    whole = past.total
    started = f"{past.started_at:%m-%d %H:%M:%S}"
    return [past.id, past.job, started, past.state, took, whole.picked, whole.changed, whole.told]
