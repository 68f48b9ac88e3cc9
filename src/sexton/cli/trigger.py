"""Ask for a job now: the worker takes it at once, or the next `sexton run --due`; the path is that of any run.

sexton trigger marketplace.expire_orders
sexton trigger invoicing.generate_pdf --arg invoice_id=7 --arg copy=true     a job on demand, with its arguments
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from ..console import say
from ..errors import UsageError
from ..jobs.on_demand import MAX_ATTEMPTS, MAX_PRIORITY, NO_WISH, Wish
from ..slots.queue import enqueue
from ._common import whole
from ._schedule_change import changing, operator_identity

WISHES = ("priority", "unique", "serial", "attempts")
"""Fields of a `Wish` that are options of the same name."""

_below = whole("priority", 1, MAX_PRIORITY)
_from_zero = whole("priority", 0, MAX_PRIORITY)


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB")
    of_request = parser.add_argument_group("of a job on demand")
    of_request.add_argument(
        "--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument, as text or JSON; once for each"
    )
    of_request.add_argument("--delay", default="", metavar="TIME", help="not before so long: 10m")
    of_request.add_argument(
        "--priority", type=_priority, metavar="N", help=f"-{MAX_PRIORITY} to {MAX_PRIORITY}; the higher goes first"
    )
    of_request.add_argument("--unique", metavar="KEY", help="of those that wait one has it")
    of_request.add_argument("--serial", metavar="KEY", help="of those with it one runs at a time, the oldest first")
    of_request.add_argument(
        "--attempts", type=whole("number of attempts", 1, MAX_ATTEMPTS), metavar="N", help="in place of the job's"
    )


def run(arguments: Namespace) -> int:
    """Queue it. A run that is asked for again before it has begun is still one run."""
    words = _words(arguments.arg)
    wishes = {name: getattr(arguments, name) for name in WISHES}
    wish = Wish(delay=arguments.delay or NO_WISH.delay, **wishes)  # what is wrong is said before anything is opened
    with changing(arguments, arguments.job) as (connection, job):
        if job.on_demand is not None:
            from ..requests.asking import ask
            from ..requests.door import parameters_of

            parameters = parameters_of(job)
            number = ask(connection, job, parameters, parameters.from_words(words), wish, by=operator_identity())
            said = f"request {number} waits; see `sexton requests`"
        elif words or wish != NO_WISH:
            options = ", ".join(f"--{name}" for name in ("arg", "delay", *WISHES))
            raise UsageError(f"{job.name} is not on demand; it takes none of {options}")
        else:
            number, new = enqueue(connection, job, by=operator_identity())
            said = f"run {number} {'waits' if new else 'was waiting already'}; see `sexton show {number}`"
    say(f"{arguments.job}: {said}")
    return 0


def _words(given: list[str]) -> dict[str, str]:
    """Name and text of each argument. UsageError for what has no name, or one twice."""
    words: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--arg {one.partition('=')[0][:40]!r}: write NAME=VALUE, for instance invoice_id=7")
        if name in words:
            raise UsageError(f"--arg {name} is given twice")
        words[name] = value
    return words


def _priority(text: str) -> Any:
    return -_below(text[1:]) if text.startswith("-") else _from_zero(text)
