"""Rows that are called for: what waits, since when and why; have one called for again, or no more.

sexton calls [JOB]                       what waits, what ended badly, and who rests
sexton calls show JOB ROW                all that is known about one row
sexton calls retry JOB ROW ...           call for it at the next run; --all: for all that ended badly
sexton calls cancel JOB ROW ...          call for it no more
sexton calls destinations                everybody who has been called
sexton calls pause DESTINATION           no call to it, until it is resumed; needs --reason
sexton calls resume DESTINATION          end a pause or a rest

ROW is the row's key as it is listed. Where a product keeps a call's schedule in columns of its own, those decide.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..app import App
from ..calls import destinations
from ..console import remark, say
from ..db.connect import connection_errors_translated, read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import SextonError, UsageError, suggestion
from ..exit_codes import DONE, FAILED
from ..slots.lease import short_transaction
from ._common import add_json, open_app, print_json, table, whole
from ._schedule_change import operator_identity

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ..calls.health import DestinationHealth
    from ..policies.contract import Plan
    from ..runs.calls.listed_calls import ListedCall

CALL_ACTIONS = ("list", "show", "retry", "cancel", "destinations", "pause", "resume")
CALL_HEADINGS = ("ROW", "SINCE (UTC)", "TRIES", "UNTIL (UTC)", "WHY")
DESTINATION_HEADINGS = ("DESTINATION", "SINCE (UTC)", "UNTIL (UTC)", "WHY")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("words", nargs="*", metavar="ACTION", help=f"{', '.join(CALL_ACTIONS)}; list by default")
    parser.add_argument("--step", metavar="STEP", help="of a job that has several steps that call")
    parser.add_argument("--all", action="store_true", help="retry: all rows of the job that ended badly")
    parser.add_argument("--reason", metavar="TEXT", help="pause: for those who wonder")
    parser.add_argument(
        "--limit", type=whole("number of rows", 1, 10_000), default=20, metavar="N", help="rows a step; default 20"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    action, words = _action(arguments.words)
    app = open_app(arguments, partly=True)
    if action == "destinations":
        return _destinations(app, arguments.json)
    if action in ("pause", "resume"):
        return _destination(app, action, words, arguments.reason)
    if action == "list":
        return _list(app, words, arguments)
    if not words:
        raise UsageError(f"name a job and a row: sexton calls {action} JOB ROW")
    if action == "show":
        return _show(app, words, arguments)
    return _change(app, action, words, arguments)


def _action(words: list[str]) -> tuple[str, list[str]]:
    """The first word, if it is one; `sexton calls JOB` lists."""
    if words and words[0] in CALL_ACTIONS:
        return words[0], words[1:]
    if len(words) > 1:
        raise UsageError(f"calls has no action {words[0]!r}{suggestion(words[0], CALL_ACTIONS)}")
    return "list", words


def _steps(app: App, name: str | None, step: str | None = None) -> list[tuple[str, Plan]]:
    """The steps that call, of one job or of all."""
    from ..policies.contract import Plan
    from ..runs.runner import planned

    found: list[tuple[str, Plan]] = []
    for job in [app.registry.get(name)] if name else app.registry:
        try:
            plans = planned(job, app.database)
        except SextonError:
            if name:
                raise
            continue  # its runs fail, and say why
        found += [(job.name, plan) for plan in plans if isinstance(plan, Plan) and plan.call is not None]
    if name and not found:
        raise UsageError(f"{app.registry.get(name).name} calls nobody")
    if step is not None and not any(plan.step == step for _, plan in found):
        raise UsageError(f"no step {step!r} calls; steps that do: {', '.join(plan.step for _, plan in found)}")
    return [(job, plan) for job, plan in found if step in (None, plan.step)]


def _one_step(app: App, name: str, step: str | None) -> tuple[str, Plan]:
    steps = _steps(app, name, step)
    if len(steps) > 1:
        raise UsageError(f"{name} calls in several steps; say which: --step {' or '.join(p.step for _, p in steps)}")
    return steps[0]


def _list(app: App, words: list[str], arguments: Namespace) -> int:
    from ..runs.calls.listed_calls import ended_calls, open_calls

    steps, most = _steps(app, words[0] if words else None, arguments.step), arguments.limit
    with read_only(app.database) as connection:
        require_schema(connection)
        now = ask_now(connection)
        waiting = {(job, plan.step): open_calls(connection, job, plan, most + 1) for job, plan in steps}
        ended = ended_calls(connection, most + 1, job=steps[0][0] if words else None)
        unwell = destinations.unwell(connection)
    listed = [call for calls in waiting.values() for call in calls[:most]]
    if arguments.json:
        print_json({"calls": [asdict(call) for call in [*listed, *ended[:most]]], "destinations": _json(unwell)})
        return DONE
    for (job, step), calls in waiting.items():
        if calls:
            _print(f"{job}, {step}", calls, most)
    if ended:
        _print("ended badly", ended, most, with_job=True)
    if unwell:
        say("who is not well:", *_rows(dict(list(unwell.items())[:most]), now))
        if len(unwell) > most:
            say(f"… and {len(unwell) - most:,} more; see: sexton calls destinations")
    if not (listed or ended or unwell):
        say("nothing waits" if steps else "no job calls anybody")
    return DONE


def _print(title: str, calls: list[ListedCall], most: int, *, with_job: bool = False) -> None:
    rows = [
        (
            f"{call.job} {call.subject}" if with_job else call.subject,
            f"{call.since:%m-%d %H:%M}" if call.since else "",
            call.attempts,
            f"{call.until:%m-%d %H:%M:%S}" if call.until else "",
            call.why,
        )
        for call in calls[:most]
    ]
    say(f"{title}:", *table(CALL_HEADINGS, rows, right=("TRIES",), shrink="WHY"))
    if len(calls) > most:
        say(f"… and more; --limit {most * 10} shows them")
    say()


def _show(app: App, words: list[str], arguments: Namespace) -> int:
    from ..runs.calls.listed_calls import ended_calls, open_calls

    if len(words) != 2:
        raise UsageError("name one job and one row: sexton calls show JOB ROW")
    job, plan = _one_step(app, words[0], arguments.step)
    with read_only(app.database) as connection:
        require_schema(connection)
        found = open_calls(connection, job, plan, 1, words[1:])
        found += [call for call in ended_calls(connection, 100, job=job, subjects=words[1:]) if call.step == plan.step]
    if not found:
        raise UsageError(f"{job} calls for no row {words[1]}; see: sexton calls {job}")
    shown = asdict(found[0])
    if arguments.json:
        print_json(shown)
        return DONE
    width = max(map(len, shown))
    say(*(f"{name:<{width}}  {_text(value)}" for name, value in shown.items() if value not in (None, "")))
    return DONE


def _text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if hasattr(value, "strftime") else str(value)


def _change(app: App, action: str, words: list[str], arguments: Namespace) -> int:
    from ..runs.calls import by_hand

    job, plan = _one_step(app, words[0], arguments.step)
    everything = action == "retry" and arguments.all
    if not words[1:] and not everything:
        raise UsageError(f"name a row: sexton calls {action} {job} ROW")
    if by_hand.keeps_all_itself(plan):
        raise UsageError(f"{job} keeps its calls in columns of {plan.table.fullname}, which decide: UPDATE those")
    change = by_hand.retry if action == "retry" else by_hand.cancel
    with _changing(app) as (connection, now):
        subjects = by_hand.ended_badly(connection, job, plan) if everything else list(dict.fromkeys(words[1:]))
        note = f"{action} by {operator_identity()} at {now:%Y-%m-%d %H:%M} UTC"
        changed = change(connection, job, plan, subjects, note, now)
    return _say_changed(app, action, job, plan, subjects, changed)


def _say_changed(app: App, action: str, job: str, plan: Plan, subjects: list[str], changed: set[str]) -> int:
    from ..runs.calls.listed_calls import open_calls

    missed = [subject for subject in subjects if subject not in changed]
    again = "is called for at the next run" if action == "retry" else "is called for no more"
    if action == "retry" and changed:
        with read_only(app.database) as connection:
            picked = {call.subject: call for call in open_calls(connection, job, plan, len(changed), sorted(changed))}
            now = ask_now(connection)
        for subject in sorted(changed):
            call = picked.get(subject)
            if call is None:
                remark(f"{subject}: its columns in {plan.table.fullname} say no; they decide: UPDATE those as well")
            elif call.next_at is not None and call.next_at > now:
                remark(f"{subject}: not before {_text(call.next_at)}, as its row says; that column decides")
    for subject in sorted(changed):
        say(f"{subject} {again}")
    for subject in missed:
        remark(f"{subject}: nothing was changed: it is called right now, or nothing is known about it")
    if not subjects:
        say("nothing ended badly")
    return FAILED if missed else DONE


@contextmanager
def _changing(app: App) -> Iterator[tuple[Connection, datetime]]:
    """A transaction, and the database's time."""
    with connection_errors_translated(app.database), app.database.begin() as connection:
        require_schema(connection)
        yield connection, ask_now(connection)


def _destinations(app: App, as_json: bool) -> int:
    with read_only(app.database) as connection:
        require_schema(connection)
        now, known = ask_now(connection), destinations.listing(connection)
    if as_json:
        print_json(_json(known))
    else:
        say(*_rows(known, now) if known else ["nobody has been called yet"])
    return DONE


def _destination(app: App, action: str, words: list[str], reason: str | None) -> int:
    """Pause or resume."""
    if len(words) != 1:
        raise UsageError(f"name one destination: sexton calls {action} DESTINATION; see: sexton calls destinations")
    (name,) = words
    if action == "pause" and not reason:
        raise UsageError("say why, for those who wonder: --reason TEXT")
    with connection_errors_translated(app.database), short_transaction(app.database, app.limits().lease) as connection:
        require_schema(connection)
        known = destinations.listing(connection)
        if name not in known:
            raise UsageError(
                f"nobody called {name!r} is known{suggestion(name, known)}; see: sexton calls destinations"
            )
        if action == "pause":
            destinations.pause(connection, name, operator_identity(), reason or "", ask_now(connection))
        elif not destinations.resume(connection, name):
            raise UsageError(f"{name} neither is paused nor rests")
    say(f"{name} is not called until `sexton calls resume {name}`" if action == "pause" else f"{name} is called again")
    return DONE


def _json(known: dict[str, DestinationHealth]) -> list[dict[str, Any]]:
    return [{"destination": name, "since": one.since, **asdict(one)} for name, one in known.items()]


def _rows(known: dict[str, DestinationHealth], now: datetime) -> list[str]:
    rows = [
        (
            name,
            f"{one.since:%m-%d %H:%M}" if one.since else "",
            f"{one.rest_until:%m-%d %H:%M:%S}" if one.rest_until and one.rests_at(now) else "",
            _how(one, now),
        )
        for name, one in known.items()
    ]
    return table(DESTINATION_HEADINGS, rows, shrink="WHY")


def _how(one: DestinationHealth, now: datetime) -> str:
    why = one.reason or "no reason given"
    if one.disabled_at is not None:
        return f"paused by {one.disabled_by}: {why}" if one.disabled_by else f"disabled: {why}"
    if one.rest_until is None:
        return "some calls failed" if one.first_failed_at is not None else "works"
    return f"rests: {why}" if one.rests_at(now) else f"one call will find out whether it is back: {why}"
