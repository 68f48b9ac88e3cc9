"""What is wrong now, and which messages about it have not arrived; or try the channels."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..app import App
from ..console import say
from ..errors import SettingsError, SextonError
from ..exit_codes import DONE, FAILED
from ._common import add_json, open_app, print_json, table

if TYPE_CHECKING:
    from ..telemetry.incidents import Incident

ALL_CHANNELS = ""
"""What `--test` holds when no channel is named."""

INCIDENTS = ["SINCE (UTC)", "JOB", "KIND", "WHAT"]
MESSAGES = ["WRITTEN (UTC)", "CHANNEL", "TRIES", "NEXT TRY (UTC)", "WHY"]


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--test",
        nargs="?",
        const=ALL_CHANNELS,
        metavar="CHANNEL",
        help="send a test message through all channels, or this one, and say how it went",
    )
    parser.add_argument(
        "--new-id",
        action="store_true",
        help="give this database another id for receivers of messages: for a copy that lives on beside its original",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """List, or send test messages: 1 when one of them failed."""
    app = open_app(arguments, partly=True)
    if arguments.test is not None:
        return _test(app, arguments.test, arguments.json)
    if arguments.new_id:
        return _new_id(app)
    from ..db.connect import read_only
    from ..db.migrate import require_schema
    from ..telemetry.alert_delivery import unsent
    from ..telemetry.incidents import unsettled

    with read_only(app.database) as connection:
        require_schema(connection)
        incidents, messages = unsettled(connection), unsent(connection)
    if arguments.json:
        print_json({"incidents": [asdict(incident) for incident in incidents], "messages": messages})
        return DONE
    rows = [[f"{found.opened_at:%m-%d %H:%M}", found.job, found.kind, _what(found)] for found in incidents]
    say(*table(INCIDENTS, rows, shrink="WHAT") if rows else ["nothing is wrong"])
    if messages:
        say("", "not sent, or not to everybody:")
        say(*table(MESSAGES, [_row(message) for message in messages], right=("TRIES",), shrink="WHY"))
    return DONE


def _new_id(app: App) -> int:
    from ..db.connect import connection_errors_translated
    from ..db.database_identity import renew_identity
    from ..db.migrate import require_schema

    with connection_errors_translated(app.database), app.database.begin() as connection:
        require_schema(connection)
        new = renew_identity(connection)
    say(f"messages about incidents that are written from now on bear the id {new}")
    return DONE


def _what(incident: Incident) -> str:
    """Without the job's name, which has a column of its own."""
    text = incident.text.removeprefix(incident.job).strip()
    if incident.restless_since is None:
        return text
    now = "over just now" if incident.closed_at is not None else "wrong just now"
    return f"comes and goes, {incident.openings} times, {now}: {text}"


def _row(message: dict[str, Any]) -> list[object]:
    later = message["next_at"]
    state = "sent" if message["sent_at"] else f"{later:%m-%d %H:%M:%S}" if later else "given up"
    written = f"{message['created_at']:%m-%d %H:%M}"
    return [written, message["channel"], message["attempts"], state, message["error"] or ""]


def _test(app: App, name: str, as_json: bool) -> int:
    from uuid import uuid4

    from ..channels.contract import Notice
    from ..channels.registry import channel_for
    from ..telemetry.alert_delivery import broadcast, channels_of

    channels = (
        channels_of(app.settings) if name == ALL_CHANNELS else [channel_for(_set_up(app, name), app.settings.channel)]
    )
    if not channels:
        raise SettingsError('alerts.channels is empty: nobody is told; write for instance channels = ["log"]')
    text = "This is a test. If you can read it, alerts of Sexton arrive here."
    notice = Notice(f"test:{uuid4()}", "test", text, "none", {}, "sexton alerts")
    results = broadcast(channels, notice)
    _put_on_record(app, [channel for channel, failure in results.items() if failure is None])
    if as_json:
        print_json(results)
    else:
        say(*table(["CHANNEL", "RESULT"], [[channel, failure or "sent"] for channel, failure in results.items()]))
    return FAILED if any(results.values()) else DONE


def _set_up(app: App, name: str) -> str:
    from ..channels.registry import missing, require

    try:
        require(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if absent := ", ".join(missing(name, app.settings.channel)):
        raise SettingsError(f'"{name}" is not set up; give [channel.{name}] its {absent}')
    return name


def _put_on_record(app: App, working: list[str]) -> None:
    """A channel that refused before, and works now, is used again. Needs no database to send a test."""
    from sqlalchemy.exc import SQLAlchemyError

    from ..db.connect import connection_errors_translated
    from ..db.migrate import require_schema
    from ..db.server_clock import ask_now
    from ..telemetry.incidents import channel_works

    try:
        with connection_errors_translated(app.database), app.database.begin() as connection:
            require_schema(connection)
            for name in working:
                channel_works(connection, name, app.settings.alerts.channels, ask_now(connection))
    except (SextonError, SQLAlchemyError):
        return  # the channels were tried, which is what was asked for
