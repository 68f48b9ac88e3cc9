"""Retention debt: of each policy the rows that are due now and still there, since when, and how fast they go.

Reads the product's tables with the predicate of the run itself; counts up to 10,000 rows a step. A step that cannot be
asked within `--seconds` is unknown. Drain: rows a second while its runs worked. Intake: rows a day over the last week.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import UsageError
from ..exit_codes import DONE
from ..slots.history import history
from ._common import add_json, duration_words, open_app, print_json, table

MAX_RUNS_READ = 2_000
"""Newest runs of a job that are looked at for its drain and intake."""

DEBT_HEADINGS = ("STEP", "DUE NOW", "FOR", "DRAIN", "INTAKE", "NEEDS")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="only these")
    parser.add_argument("--seconds", type=float, default=10.0, help="for one statement; 10 by default")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the table."""
    if not 0 < arguments.seconds <= 3600:
        raise UsageError(f"--seconds {arguments.seconds:g} must be above 0 and at most 3600")
    rows = list(_asked(arguments))
    if arguments.json:
        print_json(rows)
        return DONE
    shown = [(f"{row['job']}: {row['step']}", *_figures(row)) for row in rows]
    say(*table(DEBT_HEADINGS, shown, right=DEBT_HEADINGS[1:], shrink="STEP") if shown else ["no job has a policy"])
    return DONE


def _asked(arguments: Namespace) -> Iterator[dict[str, Any]]:
    from ..telemetry.debt import MAX_COUNTED_DUE, read_debt, row_flow

    app = open_app(arguments, partly=True)
    jobs = [app.registry.get(name) for name in arguments.jobs] or list(app.registry)
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        past = {job.name: history(connection, job=job.name, limit=MAX_RUNS_READ) for job in jobs}
    for debt in read_debt(app.database, jobs, seconds=arguments.seconds):
        seen = row_flow(past[debt.job], debt.step, now)
        yield {
            "job": debt.job,
            "step": debt.step,
            "due": debt.rows,
            "at_least": debt.rows == MAX_COUNTED_DUE,
            "due_since": debt.since,
            "overdue_seconds": None if debt.since is None else max((now - debt.since).total_seconds(), 0.0),
            "drain_per_second": seen.drain,
            "intake_per_day": seen.intake,
            "seconds_needed": debt.rows / seen.drain if debt.rows is not None and seen.drain else None,
        }


def _figures(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    known = row["due"] is not None
    due = f"{row['due']:,}{'+' if row['at_least'] else ''}" if known else "unknown"
    overdue, drain, intake = row["overdue_seconds"], row["drain_per_second"], row["intake_per_day"]
    return (
        due,
        "" if overdue is None else duration_words(overdue),
        "" if drain is None else f"{drain:,.0f}/s",
        "" if intake is None else f"{intake:,.0f}/day",
        f"{duration_words(row['seconds_needed'])}{'+' * row['at_least']}" if row["due"] and drain else "",
    )
