"""Jobs on demand: what waits by job, since when, and what runs; one job's requests; take some back.

sexton requests                        by job: ready, delayed, blocked, running, and how old the oldest is
sexton requests list --job JOB         each request of one job
sexton requests cancel NUMBER ...      one that waits is gone, one that runs is told to end
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ..app import App
from ..console import complain, say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import UsageError
from ..exit_codes import DONE, FAILED
from ..requests.inspection import WaitingJob, WaitingRequest, waiting_jobs, waiting_requests
from ._common import add_json, duration_words, folded, open_app, print_json, table, whole
from ._requests import own_transaction, shown_arguments
from ._schedule_change import operator_identity

REQUEST_ACTIONS = ("list", "cancel")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=REQUEST_ACTIONS, default="list", help="list by default")
    parser.add_argument("numbers", nargs="*", type=whole("number of a request", 1), metavar="NUMBER")
    parser.add_argument("--job", default="", metavar="JOB", help="list: each request of this job")
    parser.add_argument("--limit", type=whole("number", 1, 10_000), default=50, help="list --job: at most; 50")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    app = open_app(arguments, partly=True)
    if arguments.action == "cancel":
        return _cancel(app, arguments.numbers)
    if arguments.numbers:
        raise UsageError("list takes no numbers; `sexton requests list --job JOB` shows each request of a job")
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        if arguments.job:
            found = waiting_requests(connection, arguments.job, arguments.limit)
        else:
            by_job = waiting_jobs(connection)
    if arguments.job:
        return _each(app, found, now, as_json=arguments.json)
    return _by_job(by_job, now, as_json=arguments.json)


def _by_job(found: list[WaitingJob], now: datetime, *, as_json: bool) -> int:
    if as_json:
        print_json([asdict(one) for one in found])
        return DONE
    if not found:
        say("nothing waits")
        return DONE
    headings = ["JOB", "READY", "OLDEST", "DELAYED", "BLOCKED", "SUBMITTED", "RUNNING", "DEAD"]
    rows: list[list[Any]] = []
    for one in found:
        oldest = duration_words(_age(one.oldest, now)) if one.oldest else ""
        rows.append([one.job, one.ready, oldest, one.delayed, one.blocked, one.submitted, one.running, one.dead])
    say(*table(headings, rows, right=headings[1:], shrink="JOB"))
    return DONE


def _each(app: App, found: list[WaitingRequest], now: datetime, *, as_json: bool) -> int:
    if as_json:
        print_json([asdict(one) | {"args": shown_arguments(app, one.job, one.args)} for one in found])
        return DONE
    if not found:
        say("nothing waits")
    for one in found:
        ahead = (one.since - now).total_seconds()
        when = f"begins in {duration_words(ahead)}" if ahead > 0 else f"for {duration_words(-ahead)}"
        keys = [f"{name} {key}" for name, key in (("unique", one.unique_key), ("serial", one.serial_key)) if key]
        facts = [f"attempt {one.attempt} of {one.attempts}", *keys, *([f"by {one.asked_by}"] if one.asked_by else [])]
        say(*folded(f"{one.id}  {one.job}  {one.state} {when}", ", ".join(facts)))
        if (told := shown_arguments(app, one.job, one.args)) is not None:
            say(f"    {told}")
    return DONE


def _age(then: datetime, now: datetime) -> float:
    return max((now - then).total_seconds(), 0.0)


def _cancel(app: App, numbers: list[int]) -> int:
    from ..requests.cancelling import cancel

    if not numbers:
        raise UsageError("name a request: sexton requests cancel NUMBER; `sexton requests list --job JOB` shows them")
    code = DONE
    for number in numbers:
        with own_transaction(app) as connection:
            known = cancel(connection, number, operator_identity())
        if known:
            say(f"request {number}: taken back; if it runs it is told to end")
        else:
            complain(f"there is no request {number} any more")
            code = FAILED
    return code
