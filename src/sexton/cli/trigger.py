"""Ask for a run now: the worker takes it at once, or the next `sexton run --due`; the path is that of any run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..console import say
from ..slots.queue import enqueue
from ._schedule_change import changing, operator_identity


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB")


def run(arguments: Namespace) -> int:
    """Queue it; asked for again before it has begun, it is still one run."""
    with changing(arguments, arguments.job) as (connection, job):
        number, new = enqueue(connection, job, by=operator_identity())
    say(f"{arguments.job}: run {number} {'waits' if new else 'was waiting already'}; see `sexton show {number}`")
    return 0
