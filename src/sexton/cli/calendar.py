"""What is due in the coming days: a list, the load hour by hour, and what is unwise about it.

Reads settings only, no database.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from shutil import get_terminal_size
from textwrap import wrap
from zoneinfo import ZoneInfo

from ..console import say
from ..jobs.crowding import crowding_warnings
from ..jobs.occurrences import plan
from ..texts import visible
from ._common import add_json, add_now, open_app, print_json, tell_unloaded, whole
from ._load_chart import picture

FREQUENT = 24
"""A job due more often than this in one day is told in one line a day."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--days",
        type=whole("number of days", 1, 400),
        default=1,
        metavar="N",
        help="how many days ahead, 1 to 400; default 1",
    )
    add_now(parser)
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the calendar."""
    app = open_app(arguments, partly=True)
    start = (arguments.now or datetime.now(UTC)).astimezone(UTC)
    schedules = {job.name: job.schedule for job in app.registry if job.schedule is not None}
    slots = plan(schedules, start, start + timedelta(days=arguments.days))
    if arguments.json:
        print_json([{"slot": slot, "job": name} for slot, name in slots])
        return tell_unloaded(app)
    by_day: dict[str, list[tuple[datetime, str]]] = {}
    for slot, name in slots:
        by_day.setdefault(f"{slot:%A %d %B %Y} (UTC)", []).append((slot, name))
    for day, entries in by_day.items():
        say(day)
        for line in _lines(entries, {name: schedule.zone for name, schedule in schedules.items()}):
            say("  " + line)
    if not slots:
        say("nothing is due")
    for line in picture(slots, start, arguments.days):
        say(line)
    for about, text in crowding_warnings(schedules, start):
        say(*_wrapped(visible(f"warning {about}: {text}")))
    return tell_unloaded(app)


def _wrapped(text: str) -> list[str]:
    """In lines that fit the terminal; one line where a program reads."""
    if not sys.stdout.isatty():
        return [text]
    return wrap(text, get_terminal_size().columns, subsequent_indent="  ", break_on_hyphens=False)


def _lines(entries: list[tuple[datetime, str]], zones: dict[str, str]) -> list[str]:
    often: dict[str, int] = {}
    for _, name in entries:
        often[name] = often.get(name, 0) + 1
    lines = [f"{'often':5}  {name}, {count} times" for name, count in often.items() if count > FREQUENT]
    for slot, name in entries:
        if often[name] <= FREQUENT:
            lines.append(f"{slot:%H:%M}  {name}{_local(slot, zones[name])}")
    return lines


def _local(slot: datetime, zone: str) -> str:
    """The wall time where the schedule lives, with its offset: what changes on the day of a clock change."""
    return "" if zone == "UTC" else f"  ({slot.astimezone(ZoneInfo(zone)):%H:%M %z} {zone})"
