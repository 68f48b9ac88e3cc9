"""End a pause. The job's next slot is due as ever; those of the time between are not made up."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..console import say
from ..slots.schedule_overrides import resume
from ._schedule_change import changing, next_slots, operator_identity


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB")


def run(arguments: Namespace) -> int:
    """Resume it, and say when it is due."""
    with changing(arguments, arguments.job) as (connection, job):
        resume(connection, job, by=operator_identity())
        say(f"{job.name} is awake; due {next_slots(connection, job, 1)}")
    return 0
