"""Let a job rest: none of its slots runs until then, or until `sexton resume`; slots of that time are not made up."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..clock import parse_reckonable
from ..console import say
from ..slots.schedule_overrides import pause
from ._common import require_no_request
from ._schedule_change import changing, operator_identity


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--until", type=parse_reckonable, metavar="TIME", help="for instance 2026-11-30T06:00Z")
    parser.add_argument("--reason", required=True, help="for those who wonder, and for the audit")


def run(arguments: Namespace) -> int:
    """Pause it, and say until when."""
    with changing(arguments, arguments.job) as (connection, job):
        pause(
            connection, require_no_request(job), until=arguments.until, reason=arguments.reason, by=operator_identity()
        )
    until = f"until {arguments.until:%Y-%m-%d %H:%M} UTC" if arguments.until else "until `sexton resume`"
    say(f"{arguments.job} rests {until}; a run under way goes on")
    return 0
