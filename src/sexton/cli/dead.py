"""Requests of jobs on demand that nobody tries any more: which and why; ask once more, or give them up.

sexton dead                            the newest first
sexton dead show NUMBER                one, with its traceback
sexton dead replay NUMBER ... | --job JOB | --all      once more, under a new number; --per-minute N: slowly
sexton dead discard NUMBER ... | --job JOB | --all     they are gone
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..app import App
from ..clock import iso, parse_instant
from ..console import say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import UsageError
from ..exit_codes import DONE, FAILED
from ..requests.inspection import DeadFilter, DeadLetter, dead_letters
from ..texts import visible
from ._common import add_json, duration_words, folded, open_app, print_json, whole
from ._requests import own_transaction, shown_arguments
from ._schedule_change import operator_identity

DEAD_ACTIONS = ("list", "show", "replay", "discard")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=DEAD_ACTIONS, default="list", help="list by default")
    parser.add_argument("numbers", nargs="*", type=whole("number of a request", 1), metavar="NUMBER")
    parser.add_argument("--job", default="", metavar="JOB", help="only of this job")
    parser.add_argument("--error", default="", metavar="TEXT", help="only with this text in reason, error or traceback")
    parser.add_argument("--since", type=parse_instant, metavar="TIME", help="only those that died since then")
    parser.add_argument("--before", type=parse_instant, metavar="TIME", help="only those that died before")
    parser.add_argument("--all", action="store_true", help="replay, discard: every one")
    parser.add_argument(
        "--per-minute", type=whole("number", 1, 100_000), metavar="N", help="replay: so many a minute; all at once"
    )
    parser.add_argument("--limit", type=whole("number", 1, 10_000), default=50, help="list: at most; 50")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    app = open_app(arguments, partly=True)
    wanted = DeadFilter(arguments.numbers, arguments.job, arguments.error, arguments.since, arguments.before)
    if arguments.action == "list":
        return _list(app, wanted, arguments)
    if arguments.action == "show":
        return _show(app, arguments)
    if wanted == DeadFilter([]) and not arguments.all:
        which = "NUMBER, --job, --error, --since or --before; --all means every one"
        raise UsageError(f"say which: sexton dead {arguments.action} {which}")
    return _replay(app, wanted, arguments.per_minute) if arguments.action == "replay" else _discard(app, wanted)


def _list(app: App, wanted: DeadFilter, arguments: Namespace) -> int:
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        found = dead_letters(connection, wanted, arguments.limit)
    if arguments.json:
        print_json([_facts(app, one) for one in found])
        return DONE
    if not found:
        say("no dead letters")
    for one in found:
        age = duration_words(max((now - one.died_at).total_seconds(), 0.0))
        why = one.reason if one.error is None else f"{one.reason}: {one.error}"
        say(*folded(f"{one.id}  {one.job}  died {age} ago, after {_attempts(one.attempt)}", why))
    return DONE


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"


def _facts(app: App, one: DeadLetter) -> dict[str, Any]:
    return asdict(one) | {"args": shown_arguments(app, one.job, one.args)}


def _show(app: App, arguments: Namespace) -> int:
    if not arguments.numbers:
        raise UsageError("name a dead letter: sexton dead show NUMBER; `sexton dead` lists them")
    with read_only(app.database) as connection:
        require_schema(connection)
        found = {one.id: one for one in dead_letters(connection, DeadFilter(arguments.numbers))}
    for number in arguments.numbers:
        if number not in found:
            raise UsageError(f"there is no dead letter {number}; `sexton dead` lists them")
    facts = [_facts(app, found[number]) for number in arguments.numbers]
    if arguments.json:
        print_json(facts if len(facts) > 1 else facts[0])
        return DONE
    for one in facts:
        say(*_lines(one))
    return DONE


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    yield f"request {facts['id']} of {facts['job']}: {facts['reason']}, after {_attempts(facts['attempt'])}"
    yield f"  asked     {iso(facts['created_at'])}" + (f" by {facts['asked_by']}" if facts["asked_by"] else "")
    yield f"  died      {iso(facts['died_at'])}"
    hidden = f"hidden, as the job does not say show_args (version {facts['args_version']})"
    yield visible(f"  arguments {facts['args'] or hidden}")
    for name, words in (("unique_key", "unique"), ("serial_key", "serial"), ("error", "error")):
        if facts[name]:
            yield visible(f"  {words:<9} {facts[name]}")
    for line in (facts["traceback"] or "").splitlines():
        yield visible(f"    {line}")


def _replay(app: App, wanted: DeadFilter, per_minute: int | None) -> int:
    from ..requests.dead_letters import replay

    with own_transaction(app) as connection:
        found = dead_letters(connection, wanted)
        _require_all(found, wanted)
        # All are looked up first: of a job that nobody knows it would only be dead again.
        letters = [(one, app.registry.get(one.job)) for one in found]
        rest = 60.0 / per_minute if per_minute else 0.0
        numbers = replay(connection, letters, by=operator_identity(), rest=rest)
    if not numbers:
        say("no dead letters")
        return FAILED
    if len(numbers) == 1:
        say(f"request {numbers[0]} waits in its place")
    else:
        until = f", the last in {duration_words(rest * (len(numbers) - 1))}" if rest else ""
        say(f"{len(numbers)} requests wait in their place, {min(numbers)} to {max(numbers)}{until}")
    return DONE


def _discard(app: App, wanted: DeadFilter) -> int:
    from ..requests.dead_letters import discard

    with own_transaction(app) as connection:
        _require_all(dead_letters(connection, wanted) if wanted.ids else [], wanted)
        gone = discard(connection, wanted)
    say(f"{gone} dead letter{'s' * (gone != 1)} discarded")
    return DONE if gone else FAILED


def _require_all(found: list[DeadLetter], wanted: DeadFilter) -> None:
    """UsageError for a number that is no dead letter, or none of those that the other words mean."""
    missing = sorted({*wanted.ids} - {one.id for one in found})
    if missing:
        raise UsageError(f"there is no such dead letter {missing[0]}; nothing was changed; `sexton dead` lists them")
