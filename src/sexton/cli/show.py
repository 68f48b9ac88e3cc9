"""One run in full: slot, times, steps, its error with the traceback, and the rows of its job that are set aside."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..clock import iso
from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..errors import UsageError
from ..run_state import RunState
from ..slots.history import RunRecord, kept_traceback, one, set_aside
from ._common import add_json, duration_words, open_app, print_json, whole
from ._run_report import step_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "run", type=whole("number of a run", 1), metavar="RUN", help="number of the run, as `sexton history` lists it"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the run."""
    app = open_app(arguments, partly=True)
    with read_only(app.database) as connection:
        require_schema(connection)
        past = one(connection, arguments.run)
        if past is None:
            raise UsageError(f"there is no run {arguments.run}; `sexton history` lists those that are kept")
        aside = set_aside(connection, past.job)
        trace = kept_traceback(connection, past.id)
    if arguments.json:
        print_json({**asdict(past), "traceback": trace.text if trace else None, "set_aside": aside})
        return 0
    say(*_lines(past))
    if past.steps:
        say(*step_table(past.steps))
    if trace is not None:
        say(*(f"    {line}" for line in trace.text.split("\n")))
    for row in aside:
        rest = f"tried again from {row['next_at']:%Y-%m-%d %H:%M} UTC" if row["next_at"] else "waits for a person"
        times = f"{row['attempts']} time{'s' * (row['attempts'] != 1)}"
        say(f"set aside: {row['step']} {row['subject']}, refused {times}, {rest}", f"  {row['error']}")
    return 0


def _lines(past: RunRecord) -> list[str]:
    if past.state == RunState.QUEUED:
        return [
            f"run {past.id} of {past.job}: waits for a worker or a `sexton run --due`",
            f"  asked     {iso(past.as_of)} by {past.asked_by or 'somebody'}, attempt {past.attempt}",
        ]
    took = "still running" if past.seconds is None else f"took {duration_words(past.seconds)}"
    lines = [
        f"run {past.id} of {past.job}: {past.state}, {took}, {past.batches} batches",
        f"  slot      {iso(past.slot) if past.slot else _no_slot(past)}, attempt {past.attempt}",
        f"  time      {iso(past.as_of)} (what the run took for now)",
        f"  started   {iso(past.started_at)}",
        f"  worker    {past.worker}",
        f"  settings  {past.definition or 'unknown'}",
    ]
    for name, said in (("error", past.error), ("note", past.note), ("code", past.outcome_code)):
        if said:
            lines.append(f"  {name:<9} {said}")
    return lines


def _no_slot(past: RunRecord) -> str:
    if past.request is not None:
        return f"none: request {past.request}" + (f" of {past.asked_by}" if past.asked_by else "")
    return f"none: {past.asked_by} asked for it" if past.asked_by else "none: started by hand"
