"""Messages of the outbox: what waits, since when and why; try again, drop, send once more; pause a destination.

sexton outbox                          what waits or is dead, the oldest first
sexton outbox show ID                  one message and its deliveries
sexton outbox retry ID ... | --dead    now, with all its attempts anew
sexton outbox drop ID ...              send nothing more of it
sexton outbox replay ID ...            send once more what has ended, under the same id; --as-new: under a new one
sexton outbox test ROUTE --to ADDRESS  send a test message by a route, at once
sexton outbox pause DESTINATION --reason TEXT
sexton outbox resume DESTINATION
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from ..app import App
from ..call_state import ENDED_BADLY, NOTHING_LEFT
from ..console import say
from ..errors import UsageError, suggestion
from ..exit_codes import DONE, FAILED
from ._common import add_json, duration_words, folded, open_app, print_json, whole

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..relay.relay import MessageRelay

OUTBOX_ACTIONS = ("list", "show", "retry", "drop", "replay", "test", "pause", "resume")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=OUTBOX_ACTIONS, default="list", help="list by default")
    parser.add_argument("names", nargs="*", metavar="ID", help="of messages; or a route, or a destination")
    parser.add_argument("--route", default="", metavar="NAME", help="only deliveries by this route")
    parser.add_argument("--limit", type=whole("number", 1, 10_000), default=50, help="list: lines at most; 50")
    parser.add_argument("--all", action="store_true", help="list: what has ended well, too")
    parser.add_argument("--dead", action="store_true", help="retry, drop: every dead letter")
    parser.add_argument("--as-new", action="store_true", help="replay: under a new id, so that receivers take it")
    parser.add_argument("--to", default="", metavar="ADDRESS", help="test: who gets it")
    parser.add_argument("--payload", default="{}", metavar="JSON", help='test: what it says, {"name": "Ada"}')
    parser.add_argument("--reason", default="", help="pause: for those who wonder")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    app = open_app(arguments, partly=True)
    action = arguments.action
    if action == "list":
        return _list(app, arguments)
    if not arguments.names and not (arguments.dead and action in ("retry", "drop")):
        what = {"test": "a route", "pause": "a destination", "resume": "a destination"}.get(action, "a message")
        raise UsageError(f"name {what}: sexton outbox {action} …; `sexton outbox` lists what waits")
    if action == "show":
        return _show(app, arguments)
    if action == "test":
        return _test(app, arguments)
    return _pause(app, arguments) if action in ("pause", "resume") else _decide(app, arguments)


def _relay(app: App) -> MessageRelay:
    """The relay of the app's database; without routes, too, as messages wait all the same."""
    return app.relay.open(app.database)


def _list(app: App, arguments: Namespace) -> int:
    from ..db.connect import read_only
    from ..db.migrate import require_schema
    from ..db.server_clock import ask_now
    from ..relay.waiting_list import waiting_list

    relay = _relay(app)
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        found = waiting_list(
            connection, relay, now, limit=arguments.limit, all_states=arguments.all, route=arguments.route
        )
    if arguments.json:
        print_json([asdict(one) for one in found])
        return DONE
    if not found:
        say("nothing waits")
        return DONE
    for one in found:
        age = duration_words(max((now - one.since).total_seconds(), 0.0))
        tries = f", {_tries(one.attempts)}" if one.attempts else ""
        route = f" by {one.route}" if one.route else ""
        to = f" to {one.recipient}" if one.recipient else ""
        ended = one.state in (*ENDED_BADLY, *NOTHING_LEFT)
        state = f"{one.state}, written {age} ago" if ended else f"{one.state} for {age}"
        say(*folded(f"{one.message}  {one.event}{route}{to}", f"{state}{tries}; {one.why}"))
    return DONE


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _show(app: App, arguments: Namespace) -> int:
    from ..db.connect import read_only
    from ..db.migrate import require_schema
    from ..db.server_clock import ask_now
    from ..relay.waiting_list import message_facts

    relay = _relay(app)
    with read_only(app.database) as connection:
        require_schema(connection)
        found = [message_facts(connection, relay, _id(relay, name), ask_now(connection)) for name in arguments.names]
    for name, facts in zip(arguments.names, found, strict=True):
        if facts is None:
            raise UsageError(f"there is no message {name}; `sexton outbox` lists those that wait")
    if arguments.json:
        print_json(found if len(found) > 1 else found[0])
        return DONE
    for facts in found:
        assert facts is not None
        for line in _facts(dict(facts)):
            say(line)
    return DONE


def _facts(facts: dict[str, Any]) -> Iterator[str]:
    from ..texts import json_text, visible

    for name in ("id", "key", "event", "created_at", "published_at"):
        yield f"{name:13} {visible(str(facts[name] if facts[name] is not None else 'not yet'))}"
    yield f"{'payload':13} {visible(json_text(facts['payload'], default=str))}"
    for one in facts["deliveries"]:
        to = f" to {one['recipient']}" if one["recipient"] else ""
        yield visible(f"by {one['route']} through {one['channel']}{to}: {one['state']}, {_tries(one['attempts'])}")
        yield visible(f"    {one['why']}")
        if one["note"]:
            yield visible(f"    {one['note']}")


def _decide(app: App, arguments: Namespace) -> int:
    from ..db.server_clock import ask_now
    from ..relay import decisions
    from ._schedule_change import operator_identity

    relay = _relay(app)
    with _changing(app) as connection:
        ids = tuple(_id(relay, name) for name in arguments.names)
        decision = decisions.Decision(operator_identity(), ask_now(connection), ids, arguments.route)
        actions: dict[str, Callable[[Connection, MessageRelay, decisions.Decision], int]] = {
            "retry": decisions.retry_deliveries,
            "drop": decisions.drop_deliveries,
            "replay": partial(decisions.replay_messages, as_new=arguments.as_new),
        }
        made = actions[arguments.action]
        each = decisions.of_the_dead(connection, relay, decision) if arguments.dead else (decision,)
        number = sum(made(connection, relay, one) for one in each)
    done = {"retry": "due now", "drop": "dropped", "replay": "sent once more by the next run"}[arguments.action]
    say(f"{number} {'delivery' if number == 1 else 'deliveries'} {done}")
    return DONE if number else FAILED


def _pause(app: App, arguments: Namespace) -> int:
    from ..calls import destinations
    from ..db.notify import notify
    from ..db.server_clock import ask_now
    from ..relay.decisions import known_destinations
    from ._schedule_change import operator_identity

    (name, *more) = arguments.names
    if more:
        raise UsageError(f"one destination at a time; {more[0]!r} is one too many")
    if arguments.action == "pause" and not arguments.reason:
        raise UsageError("say why, for those who wonder: --reason TEXT")
    relay = _relay(app)
    with _changing(app) as connection:
        known = known_destinations(connection, relay)
        if name not in known:
            raise UsageError(f"no destination named {name!r}{suggestion(name, known)}")
        if arguments.action == "pause":
            destinations.pause(connection, name, operator_identity(), arguments.reason, ask_now(connection))
        elif not destinations.resume(connection, name):
            say(f"{name} was neither paused, nor disabled, nor at rest")
            return DONE
        notify(connection)
    say(f"{name} is paused until `sexton outbox resume`" if arguments.action == "pause" else f"{name} is called again")
    return DONE


def _test(app: App, arguments: Namespace) -> int:
    from ..relay.trial import send_test

    (name, *_) = arguments.names
    relay = _relay(app)
    try:
        payload = json.loads(arguments.payload)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise UsageError('--payload is no JSON object; write for instance \'{"name": "Ada"}\'')
    if relay.route(name) is None:
        raise UsageError(f"no route named {name!r}{suggestion(name, [route.name for route in relay.routes])}")
    word, why = send_test(relay, name, arguments.to, payload)
    if arguments.json:
        print_json({"route": name, "outcome": word, "why": why})
    else:
        say(f"{name}: {word}" + (f": {why}" if why else ""))
    return DONE if word == "done" else FAILED


def _id(relay: MessageRelay, text: str) -> str:
    """The id, if it can be one."""
    try:
        relay.messages.ids_of([text])
    except ValueError:
        raise UsageError(f"{text!r} is no id of a message here; `sexton outbox` lists them") from None
    return text


@contextmanager
def _changing(app: App) -> Iterator[Connection]:
    from ..db.connect import connection_errors_translated
    from ..db.migrate import require_schema
    from ..slots.lease import short_transaction

    with connection_errors_translated(app.database), short_transaction(app.database, app.limits().lease) as connection:
        require_schema(connection)
        yield connection
